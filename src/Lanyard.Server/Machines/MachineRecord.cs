using Lanyard.Protocol.Runtime;

namespace Lanyard.Server.Machines;

/// <param name="Scopes">Of the cache, in the order in which they are searched.</param>
/// <param name="CreatedBy">The principal's name.</param>
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
    DateTimeOffset? EndedAt)
{
    public bool IsAliveAt(DateTimeOffset now) => EndedAt is null && now < ExpiresAt;

    public MachineView ToView() => new(Id, Runner, Repository, Ref, Scopes, CreatedBy, CreatedAt, ExpiresAt, EndedAt);
}
