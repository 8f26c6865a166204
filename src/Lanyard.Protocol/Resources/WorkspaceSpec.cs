namespace Lanyard.Protocol.Resources;

/// <param name="DisplayName">For people, at most 200 characters.</param>
/// <param name="DefaultAudience">Audience of a step's identity token when the step names none; absent: the workspace's issuer URL.</param>
public sealed record WorkspaceSpec(string? DisplayName = null, string? DefaultAudience = null);

/// <param name="Issuer">The workspace's OIDC issuer: what relying parties trust.</param>
/// <param name="DefaultAudience">In force.</param>
public sealed record WorkspaceStatus(string Issuer, string DefaultAudience);

/// <param name="DisplayName">For people, at most 200 characters.</param>
/// <param name="Cloud">The cloud accounts of its runs.</param>
/// <param name="Pod">How the pods of its runs look.</param>
/// <param name="Concurrency">Attempts of its runs at once, over all runners, 1 to 100000; absent: no limit.</param>
/// <param name="State">One of <see cref="CollectionStates"/>; absent: active.</param>
public sealed record CollectionSpec(string? DisplayName = null, CloudSpec? Cloud = null, PodSpec? Pod = null, int? Concurrency = null, string? State = null);

/// <summary>What a collection takes in and gives out. What runs goes on in every state.</summary>
public static class CollectionStates
{
    public const string Active = "active";

    /// <summary>Runs are taken in and wait; none is offered.</summary>
    public const string Paused = "paused";

    /// <summary>No run is taken in; what waits is offered.</summary>
    public const string Cordoned = "cordoned";

    /// <summary>No run is taken in, and what waits is canceled.</summary>
    public const string Draining = "draining";

    public static bool IsKnown(string state) => state is Active or Paused or Cordoned or Draining;
}
