using Lanyard.Protocol.Resources;

namespace Lanyard.Server.Runners;

/// <summary>A registered runner. Known by a trust record and subject (its cluster's service account), by the thumbprint of its own key, or by a trust policy.</summary>
/// <param name="Workspace">The workspace's id; null for a shared runner.</param>
/// <param name="Spec">The resource's spec as JSON, as it was put.</param>
/// <param name="Paused">It is offered nothing: paused, or draining.</param>
/// <param name="PolicyId">Of the trust policy that its platform's tokens must match.</param>
internal sealed record RunnerRecord(
    string Id,
    string? Workspace,
    string Slug,
    string Spec,
    string? TrustRecord,
    string? Subject,
    string? KeyThumbprint,
    string? PublicJwk,
    bool Paused,
    long Version,
    long Created,
    long Updated,
    string? PolicyId = null);

/// <summary>A collection that a runner serves, with its turn in the rotation.</summary>
/// <param name="Weight">1 to 100.</param>
public sealed record ConnectedCollection(string Id, string WorkspaceId, string Name, int Weight);

/// <summary>The one present session of a runner.</summary>
internal sealed record RunnerSession(
    string Runner,
    string Session,
    string Nonce,
    string Version,
    int Concurrency,
    IReadOnlyList<string> Labels,
    IReadOnlyList<string> Executors,
    bool Sandboxed,
    long Started,
    long LastSeen,
    bool Reconciled,
    string? NoRoom = null);

/// <summary>A runner with what it serves and its session: what the run protocol needs on every call. Old by a second at most.</summary>
/// <param name="Labels">Of the resource and of the session together.</param>
/// <param name="Concurrency">Attempts that it is given at most at once, whatever it says itself; null: what it says.</param>
/// <param name="State">One of <see cref="RunnerStates"/>.</param>
/// <param name="IsEphemeral">It is given one run.</param>
internal sealed record ActiveRunner(
    RunnerRecord Runner, IReadOnlyList<ConnectedCollection> Collections, RunnerSession? Session, IReadOnlySet<string> Labels, int? Concurrency,
    string State = RunnerStates.Active, bool IsEphemeral = false)
{
    /// <summary>What it is offered work of: without a sandbox one collection only.</summary>
    public IReadOnlyList<ConnectedCollection> Serves => Session is { Sandboxed: false } ? [.. Collections.Take(1)] : Collections;

    public bool IsShared => Runner.Workspace is null;
}

/// <summary>A host's key that asks to become a runner.</summary>
internal sealed record RunnerRequest(string Fingerprint, string PublicJwk, string Name, string Hostname, long Requested, long Expires);
