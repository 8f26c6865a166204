namespace Lanyard.Protocol.Resources;

/// <summary>A machine process that takes runs. Under a workspace it serves that workspace's collections; without one it is shared.</summary>
/// <param name="Collections"><c>workspace/collection</c>, or the collection alone where it is of the runner's own workspace; 1 to 500.</param>
/// <param name="Identity">How it proves itself: a service account of a registered cluster, a key of its own, or what its platform says of it.</param>
/// <param name="Labels">What it can offer to runs that ask for labels; its process may say more of itself.</param>
/// <param name="Weights">Turns of a collection (named as in <paramref name="Collections"/>) in the rotation, 1 to 100; absent: 1.</param>
/// <param name="State">One of <see cref="RunnerStates"/>; absent: active.</param>
/// <param name="Ephemeral">True: it is given one run, and is deleted a minute after that has ended.</param>
/// <param name="SessionLabels">Labels that its process may say of itself (<c>lanyard runner --label</c>); absent: any, empty: none.</param>
public sealed record RunnerSpec(
    IReadOnlyList<string> Collections,
    RunnerIdentity Identity,
    IReadOnlyList<string>? Labels = null,
    int? Concurrency = null,
    IReadOnlyDictionary<string, int>? Weights = null,
    string? State = null,
    string? DisplayName = null,
    bool? Ephemeral = null,
    IReadOnlyList<string>? SessionLabels = null);

/// <summary>What a runner is offered. What it holds goes on in every state.</summary>
public static class RunnerStates
{
    public const string Active = "active";

    /// <summary>Nothing.</summary>
    public const string Paused = "paused";

    /// <summary>Only runs that name it: it can be tried before others come to it.</summary>
    public const string Cordoned = "cordoned";

    /// <summary>Nothing, and its process ends when what it holds has ended.</summary>
    public const string Draining = "draining";

    public static bool IsKnown(string state) => state is Active or Paused or Cordoned or Draining;
}

/// <summary>Either <paramref name="Cluster"/> with <paramref name="Subject"/>, or <paramref name="KeyThumbprint"/>, or <paramref name="Policy"/>.</summary>
/// <param name="Cluster">Slug of a registered cluster; of a shared runner <c>workspace/cluster</c>.</param>
/// <param name="Subject"><c>system:serviceaccount:NAMESPACE:NAME</c>.</param>
/// <param name="KeyThumbprint">RFC 7638 thumbprint of a key that was approved.</param>
/// <param name="Policy">
/// Slug of a trust policy of the runner's workspace (of a shared runner: of the instance): a token that it matches is exchanged for the runner's (RFC 8693), at
/// the token endpoint of that place. One runner a policy.
/// </param>
public sealed record RunnerIdentity(string? Cluster = null, string? Subject = null, string? KeyThumbprint = null, string? Policy = null);

/// <summary>What the server knows of a runner.</summary>
/// <param name="Connected">Whether it was seen within the last two minutes.</param>
/// <param name="NoRoom">Why it takes no run whatever places are free, as its last poll said: <c>disk</c>, the disk of its host is full. Absent: it would.</param>
public sealed record RunnerStatus(
    string? Version, int? Concurrency, bool? Sandboxed, IReadOnlyList<string>? Labels, DateTimeOffset? LastSeenAt, bool Connected, string? NoRoom = null);

/// <summary>A host's key that waits for approval.</summary>
public sealed record RunnerRequestView(string Fingerprint, string Name, string Hostname, string State, DateTimeOffset RequestedAt, DateTimeOffset ExpiresAt);

public sealed record RunnerRequestList(IReadOnlyList<RunnerRequestView> Items, string? Next = null);

/// <summary>
/// <c>POST /v1/runner-requests/{fingerprint}/approve</c>. With collections of one workspace only the runner becomes that workspace's, otherwise shared.
/// </summary>
/// <param name="Name">The runner's slug; absent: what the host asked for.</param>
/// <param name="Collections">As <c>workspace/collection</c>.</param>
/// <param name="Shared">True: shared even though all collections are of one workspace.</param>
/// <param name="Ephemeral">As in <see cref="RunnerSpec"/>.</param>
public sealed record ApproveRunner(IReadOnlyList<string> Collections, string? Name = null, IReadOnlyList<string>? Labels = null, bool? Shared = null, bool? Ephemeral = null);
