using Lanyard.Server.Runtime;

namespace Lanyard.Server.Cache;

/// <summary>The words of <see cref="CacheEntry.State"/>.</summary>
internal static class CacheStates
{
    /// <summary>Reserved: its subject may upload; nobody sees it.</summary>
    public const string Pending = "pending";

    /// <summary>Finalised: it never changes again.</summary>
    public const string Ready = "ready";

    /// <summary>Its bytes are missing or not what was written: out of service, and its key is free.</summary>
    public const string Damaged = "damaged";

    /// <summary>Somebody took it out of service; its bytes are kept and its key is free.</summary>
    public const string Quarantined = "quarantined";

    /// <summary>Its bytes are away; it still counts as one of those that were made in its minute, and is seen by nobody.</summary>
    public const string Purged = "purged";
}

/// <param name="Id">Positive, below 2^53, random.</param>
/// <param name="Blob">Its unguessable name in URLs and in the store.</param>
/// <param name="Size">Bytes; 0 until it is ready.</param>
/// <param name="Committed">A whole blob or a block list has come.</param>
/// <param name="ReadUntil">Until then nobody takes its bytes away.</param>
/// <param name="Encrypted">Its bytes at rest are, with a key of its workspace.</param>
/// <param name="Subject">Whose it is while pending: <see cref="RuntimeSubject.Key"/>.</param>
internal sealed record CacheEntry(
    long Id,
    string WorkspaceId,
    string Repository,
    string Scope,
    string Version,
    string Key,
    string State,
    string Blob,
    long StagedBytes,
    bool Committed,
    long Size,
    string Subject,
    DateTimeOffset CreatedAt,
    DateTimeOffset PendingUntil,
    DateTimeOffset UsedAt,
    DateTimeOffset ReadUntil,
    bool Encrypted)
{
    /// <summary>Of a pull request: what it holds gives way to branches.</summary>
    public bool IsPull => CacheName.IsPull(Scope);

    /// <summary>What the audit is told of it.</summary>
    public Dictionary<string, string> Details => new() { ["repository"] = Repository, ["scope"] = Scope, ["key"] = Key, ["version"] = Version, ["writer"] = Subject };

    public CacheName Name => new(WorkspaceId, Repository, Scope, Version, Key);
}

/// <summary>What makes an entry unique: immutable once it is ready.</summary>
internal sealed record CacheName(string WorkspaceId, string Repository, string Scope, string Version, string Key)
{
    public string Folded { get; } = CacheKeys.Fold(Key);

    /// <summary>What a write to the entry of this name locks.</summary>
    public string Row => string.Join('\n', WorkspaceId, Repository, Scope, Version, Folded);

    /// <summary>Whether a scope is a pull request's.</summary>
    public static bool IsPull(string scope) => scope.StartsWith("refs/pull/", StringComparison.Ordinal);
}

/// <summary>Who wrote an entry; kept with it.</summary>
internal sealed record CacheProvenance(string Subject, string Repository, string? Ref, string? Workflow, string? Actor, string TokenSha256)
{
    public static CacheProvenance Of(RuntimeSubject subject) =>
        new(subject.Key, subject.Repository ?? "", subject.Ref, subject.Workflow, subject.Actor, subject.TokenSha256);
}
