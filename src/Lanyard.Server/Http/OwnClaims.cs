namespace Lanyard.Server.Http;

/// <summary>Claims that only this instance writes and reads. Identity tokens have none but the last two.</summary>
internal static class OwnClaims
{
    /// <summary><c>admin</c>, <c>policy</c>, <c>runner</c>, <c>run</c> or <c>machine</c>.</summary>
    public const string Kind = "lanyard_kind";

    /// <summary>The runner's id or the admin key's client id.</summary>
    public const string Id = "lanyard_id";

    /// <summary>Policies that the token rests on, each as <c>id@version</c>.</summary>
    public const string Policies = "lanyard_policies";

    /// <summary>What the exchanged token said of its caller's work, each as <c>id@version name value</c> (no value: it said nothing).</summary>
    public const string Context = "lanyard_context";

    /// <summary>What it was narrowed to, each as <see cref="AccessLimit.ToString"/>.</summary>
    public const string Limits = "lanyard_limits";

    /// <summary>The tokens that it came from, each as <see cref="Principal.Origin"/> has it.</summary>
    public const string Origin = "lanyard_origin";

    /// <summary>The trust records that it rests on, each as <c>id@version</c>, with blanks between.</summary>
    public const string TrustRecord = "lanyard_trust_record";
}

/// <summary>The audiences that a door takes tokens of our own for, and whether it takes runtime tokens of others.</summary>
[Flags]
internal enum Doors
{
    Api = 1,
    Runtime = 2,

    /// <summary>Not ours at all: GitHub's own runtime tokens.</summary>
    Workflow = 4,

    /// <summary>No audience either: the run protocol, where a caller that is a runner or a pod is that first.</summary>
    Runs = 8,
}
