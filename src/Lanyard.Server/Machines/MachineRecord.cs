using Lanyard.Protocol.Runtime;

namespace Lanyard.Server.Machines;

/// <param name="Scopes">Of the cache, in the order in which they are searched.</param>
/// <param name="CreatedBy">The principal's name.</param>
/// <param name="LifetimeSeconds">By which a renewal moves its end.</param>
/// <param name="Operations">What it may do to runs; null: nothing.</param>
/// <param name="Identity">Id of the machine identity by which its host proved itself; null: somebody registered it.</param>
/// <param name="EndedAt">When it was deleted; null while it lives or has merely expired.</param>
internal sealed record MachineRecord(
    string Id,
    string WorkspaceId,
    string? Runner,
    string? Repository,
    string? Ref,
    IReadOnlyList<CacheScope> Scopes,
    string CreatedBy,
    DateTimeOffset CreatedAt,
    DateTimeOffset ExpiresAt,
    DateTimeOffset? EndedAt,
    IReadOnlyList<KnownOperation>? Operations = null,
    long LifetimeSeconds = 0,
    DateTimeOffset? LastSeenAt = null,
    string? Identity = null)
{
    public bool IsAliveAt(DateTimeOffset now) => EndedAt is null && now < ExpiresAt;

    public MachineView ToView() => new(Id, Runner, Repository, Ref, Scopes, CreatedBy, CreatedAt, ExpiresAt, EndedAt,
        Operations is null ? null : [.. Operations.Select(static one => new MachineOperation(one.Collection, one.Definition, one.Actions, one.Phases))],
        LastSeenAt);
}

/// <summary>An operation of a machine, with the collection that its slug meant when whoever registered it was found to be its operator.</summary>
internal sealed record KnownOperation(string CollectionId, string Collection, string Definition, IReadOnlyList<string> Actions, IReadOnlyList<string>? Phases);
