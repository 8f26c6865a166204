namespace Lanyard.Protocol.Resources;

/// <summary>A machine process that takes runs. Under a workspace it serves that workspace's collections; without one it is shared.</summary>
/// <param name="Collections"><c>workspace/collection</c>, or the collection alone where it is of the runner's own workspace; 1 to 500.</param>
/// <param name="Identity">How it proves itself: a service account of a registered cluster, or a key of its own.</param>
/// <param name="Weights">Turns of a collection (named as in <paramref name="Collections"/>) in the rotation, 1 to 100; absent: 1.</param>
/// <param name="State"><c>active</c>, also when absent, or <c>paused</c>: it is offered nothing new.</param>
public sealed record RunnerSpec(
    IReadOnlyList<string> Collections,
    RunnerIdentity Identity,
    IReadOnlyList<string>? Labels = null,
    int? Concurrency = null,
    IReadOnlyDictionary<string, int>? Weights = null,
    string? State = null,
    string? DisplayName = null);

/// <summary>Either <paramref name="Cluster"/> with <paramref name="Subject"/>, or <paramref name="KeyThumbprint"/>.</summary>
/// <param name="Cluster">Slug of a registered cluster; of a shared runner <c>workspace/cluster</c>.</param>
/// <param name="Subject"><c>system:serviceaccount:NAMESPACE:NAME</c>.</param>
/// <param name="KeyThumbprint">RFC 7638 thumbprint of a key that was approved.</param>
public sealed record RunnerIdentity(string? Cluster = null, string? Subject = null, string? KeyThumbprint = null);

/// <summary>What the server knows of a runner.</summary>
/// <param name="Connected">Whether it was seen within the last two minutes.</param>
public sealed record RunnerStatus(string? Version, int? Concurrency, bool? Sandboxed, IReadOnlyList<string>? Labels, DateTimeOffset? LastSeenAt, bool Connected);

/// <summary>A host's key that waits for approval.</summary>
public sealed record RunnerRequestView(string Fingerprint, string Name, string Hostname, string State, DateTimeOffset RequestedAt, DateTimeOffset ExpiresAt);

public sealed record RunnerRequestList(IReadOnlyList<RunnerRequestView> Items, string? Next = null);

/// <summary>
/// <c>POST /v1/runner-requests/{fingerprint}/approve</c>. With collections of one workspace only the runner becomes that workspace's, otherwise shared.
/// </summary>
/// <param name="Name">The runner's slug; absent: what the host asked for.</param>
/// <param name="Collections">As <c>workspace/collection</c>.</param>
/// <param name="Shared">True: shared even though all collections are of one workspace.</param>
public sealed record ApproveRunner(IReadOnlyList<string> Collections, string? Name = null, IReadOnlyList<string>? Labels = null, bool? Shared = null);
