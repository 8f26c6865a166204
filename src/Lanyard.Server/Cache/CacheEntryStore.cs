using System.Data.Common;
using System.Security.Cryptography;
using System.Text.Json;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Cache;

/// <summary>The SQL of entries, but for what makes one ready (<see cref="Blobs.SegmentStore"/>).</summary>
internal sealed class CacheEntryStore(Database database, TimeProvider time)
{
    /// <summary>Ids stay below 2^53, which every client's number type holds exactly.</summary>
    private const int LowBits = 22;

    /// <summary>In which new entries are counted.</summary>
    internal static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    internal static readonly SqlPart Columns = ((Sql)
        $"""
        id, workspace, repository, scope, version, key, state, blob, staged_bytes, committed, size, subject, created, pending_until, used_at,
            read_until, encrypted
        """).Part;

    internal const int ColumnCount = 17;

    /// <summary>The one that holds the name: pending or ready.</summary>
    public Task<CacheEntry?> FindAsync(CacheName name, CancellationToken cancellationToken) =>
        database.QuerySingleOrNullAsync($"select {Columns} from cache_entries where {Is(name)}", Read, cancellationToken);

    public Task<CacheEntry?> FindByIdAsync(long id, string workspaceId, string repository, CancellationToken cancellationToken) =>
        database.QuerySingleOrNullAsync(
            $"select {Columns} from cache_entries where id = {id} and live and workspace = {workspaceId} and repository = {repository}", Read, cancellationToken);

    public Task<CacheEntry?> FindByBlobAsync(string workspaceId, string blob, CancellationToken cancellationToken) =>
        database.QuerySingleOrNullAsync($"select {Columns} from cache_entries where blob = {blob} and live and workspace = {workspaceId}", Read, cancellationToken);

    /// <summary>
    /// Takes the name for a subject, if nobody holds it. Entries of the last minute are counted in the same statement: many at once would else all count before any is there. On several replicas too:
    /// <see cref="Database.ExecuteCountingAsync"/>.
    /// </summary>
    /// <param name="perMinute">New entries that the repository may have in a minute; 0: as many as come.</param>
    /// <returns>Null when somebody does, the minute is full, or the workspace has gone.</returns>
    public async Task<CacheEntry?> InsertAsync(
        CacheName name, string subject, CacheProvenance provenance, DateTimeOffset pendingUntil, bool encrypted, long perMinute, CancellationToken cancellationToken)
    {
        var json = JsonSerializer.Serialize(provenance, CacheJson.Default.CacheProvenance);
        var now = time.GetUtcNow();
        var (id, blob) = (NewId(), NewBlob());
        var isFree = perMinute == 0 ? ((Sql)$"true").Part : ((Sql)$"({Recent(name.WorkspaceId, name.Repository, perMinute)}) < {perMinute}").Part;
        Sql insert =
            $"""
            insert into cache_entries (id, workspace, repository, scope, version, key, folded, state, live, blob, staged_bytes, staged_count, committed, size,
                subject, provenance, created, pending_until, ready_at, used_at, pull, producer_ref, producer_workflow, producer_actor, producer_token, encrypted)
            select {id}, {name.WorkspaceId}, {name.Repository}, {name.Scope}, {name.Version}, {name.Key}, {name.Folded}, {CacheStates.Pending}, true,
                {blob}, 0, 0, false, 0, {subject}, {json}, {now}, {pendingUntil}, 0, {now},
                {CacheName.IsPull(name.Scope)}, {provenance.Ref ?? ""}, {provenance.Workflow ?? ""}, {provenance.Actor ?? ""},
                {provenance.TokenSha256}, {encrypted}
            where {isFree}
            on conflict do nothing
            """;
        return await IsInsertedAsync(insert, name, perMinute, cancellationToken)
            ? new CacheEntry(
                id, name.WorkspaceId, name.Repository, name.Scope, name.Version, name.Key, CacheStates.Pending, blob, 0, false, 0, subject, now, pendingUntil, now,
                DateTimeOffset.UnixEpoch, encrypted)
            : null;
    }

    /// <summary>The same subject asks for its pending entry again.</summary>
    /// <returns>False when it is not pending any more.</returns>
    public async Task<bool> RenewAsync(CacheEntry entry, DateTimeOffset pendingUntil, CancellationToken cancellationToken) =>
        await database.ExecuteTogetherAsync(
            $"update cache_entries set pending_until = {pendingUntil} where id = {entry.Id} and state = 'pending' and subject = {entry.Subject}",
            entry.Name.Row,
            cancellationToken) == 1;

    /// <summary>Takes a pending entry out that nobody will finish: its name is free at once, its bytes and rows are for <see cref="Limits.CacheEvictor"/> to purge.</summary>
    /// <param name="isOver">Whoever reserved it is known to be, however young it is.</param>
    /// <returns>False when it was renewed or finalised meanwhile.</returns>
    public async Task<bool> AbandonAsync(CacheEntry entry, bool isOver, CancellationToken cancellationToken) =>
        await database.ExecuteAsync(
            $"update cache_entries set state = 'gone', live = false where id = {entry.Id} and state = 'pending' and (pending_until <= {time.GetUtcNow()} or {isOver})",
            cancellationToken) == 1;

    /// <summary>The same for all that were abandoned.</summary>
    public Task<int> AbandonAsync(int limit, CancellationToken cancellationToken) =>
        database.ExecuteAsync(
            $"""
            update cache_entries set state = 'gone', live = false where state = 'pending' and pending_until <= {time.GetUtcNow()}
                and id in (select id from cache_entries where state = 'pending' and pending_until <= {time.GetUtcNow()} limit {limit})
            """,
            cancellationToken);

    /// <summary>Whose reservations stand, in an order.</summary>
    /// <param name="after">From where on.</param>
    public Task<List<string>> OwnersAsync(string after, int limit, CancellationToken cancellationToken) => database.QueryAsync(
        $"select distinct subject from cache_entries where state = 'pending' and subject > {after} order by subject limit {limit}", static row => row.GetString(0), cancellationToken);

    /// <summary>The same for all of an owner that is known to be over.</summary>
    public Task<int> AbandonAsync(string owner, int limit, CancellationToken cancellationToken) => database.ExecuteAsync(
        $"""
        update cache_entries set state = 'gone', live = false
        where state = 'pending' and subject = {owner} and id in (select id from cache_entries where state = 'pending' and subject = {owner} limit {limit})
        """,
        cancellationToken);

    /// <summary>Takes a ready entry whose bytes are not what was written out of service; its key is free again.</summary>
    public Task<int> MarkDamagedAsync(long id, CancellationToken cancellationToken) =>
        database.ExecuteAsync(
            $"update cache_entries set state = {CacheStates.Damaged}, live = false where id = {id} and state = 'ready'", cancellationToken);

    /// <summary>Notes the use of a ready entry, and holds its bytes.</summary>
    /// <returns>False when it was taken out meanwhile.</returns>
    public async Task<bool> MarkUsedAsync(CacheEntry entry, DateTimeOffset readUntil, CancellationToken cancellationToken) =>
        await database.ExecuteTogetherAsync(
            $"update cache_entries set used_at = {time.GetUtcNow()}, read_until = {readUntil} where id = {entry.Id} and state = 'ready'", entry.Name.Row, cancellationToken) == 1;

    /// <summary>Its bytes have been handed out by another way than ours, without a check.</summary>
    public Task<int> MarkUnverifiedAsync(long id, CancellationToken cancellationToken) =>
        database.ExecuteAsync($"update cache_entries set unverified = true where id = {id} and not unverified", cancellationToken);

    /// <summary>New entries of a repository in the last minute, counted to a limit.</summary>
    public async Task<long> CountRecentAsync(string workspaceId, string repository, long limit, CancellationToken cancellationToken) =>
        await database.ScalarAsync($"{Recent(workspaceId, repository, limit)}", cancellationToken) ?? 0;

    private SqlPart Recent(string workspaceId, string repository, long limit) => ((Sql)
        $"""
        select count(*) from (select 1 from cache_entries where workspace || '/' || repository = {workspaceId + "/" + repository} and created > {time.GetUtcNow() - Minute} limit {limit}) as c
        """).Part;

    private async Task<bool> IsInsertedAsync(Sql insert, CacheName name, long perMinute, CancellationToken cancellationToken)
    {
        try
        {
            return 1 == (perMinute == 0
                ? await database.ExecuteTogetherAsync(insert, name.Row, cancellationToken)
                : await database.ExecuteCountingAsync(insert, name.Row, $"new cache entries {name.WorkspaceId}/{name.Repository}", cancellationToken));
        }
        catch (ConstraintViolationException violation) when (violation.Kind == ConstraintKind.Reference)
        {
            return false;
        }
    }

    internal static CacheEntry Read(DbDataReader row) => new(
        row.GetInt64(0), row.GetString(1), row.GetString(2), row.GetString(3), row.GetString(4), row.GetString(5), row.GetString(6), row.GetString(7),
        row.GetInt64(8), row.GetBoolean(9), row.GetInt64(10), row.GetString(11), row.GetTime(12), row.GetTime(13), row.GetTime(14), row.GetTime(15),
        row.GetBoolean(16));

    internal static SqlPart Is(CacheName name) => ((Sql)
        $"""
        live and workspace = {name.WorkspaceId} and repository = {name.Repository} and scope = {name.Scope} and version = {name.Version}
            and folded = {name.Folded}
        """).Part;

    private static long NewId() => ((long)RandomNumberGenerator.GetInt32(int.MaxValue) << LowBits) + RandomNumberGenerator.GetInt32(1 << LowBits) + 1;

    /// <summary>128 random bits.</summary>
    private static string NewBlob() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
}
