using Lanyard.Server.Storage;

namespace Lanyard.Server.Cache.Limits;

/// <summary>In which order entries make way.</summary>
internal enum EvictionTurn
{
    /// <summary>Pull requests' entries.</summary>
    Pulls,

    /// <summary>All others that are ready.</summary>
    Branches,

    /// <summary>Only as far as they alone are over the quota: whoever goes on saving makes none of what is kept for a look at it go.</summary>
    Quarantined,
}

/// <param name="Size">Bytes.</param>
internal sealed record Evictable(long Id, string Blob, long Size);

/// <summary>
/// The SQL of eviction. An entry goes in two steps: it becomes <c>gone</c>, which frees its key, unless somebody may be reading it; later its bytes and
/// rows go.
/// </summary>
internal sealed class CacheEvictionStore(Database database, TimeProvider time)
{
    public Task<List<string>> WorkspacesAsync(CancellationToken cancellationToken) =>
        database.QueryAsync($"select id from workspaces order by id", static row => row.GetString(0), cancellationToken);

    public Task<List<(string Repository, long Bytes)>> RepositoriesAsync(string workspaceId, CancellationToken cancellationToken) =>
        database.QueryAsync(
            $"""
            select repository, cast(sum(bytes) as bigint) from (
                select repository, sum(size) as bytes from cache_entries where workspace = {workspaceId} and state = 'ready' group by repository
                union all select repository, sum(size) from cache_entries where workspace = {workspaceId} and state = 'quarantined' group by repository) as sums
            group by repository
            """,
            static row => (row.GetString(0), row.GetInt64(1)),
            cancellationToken);

    /// <summary>What takes disk: what is ready or quarantined.</summary>
    /// <param name="repository">Null: of the whole workspace.</param>
    public async Task<long> BytesAsync(string workspaceId, string? repository, CancellationToken cancellationToken) =>
        await QuarantinedAsync(workspaceId, repository, cancellationToken)
        + (await database.ScalarAsync(
            $"select cast(coalesce(sum(size), 0) as bigint) from cache_entries where workspace = {workspaceId} {OfEither(repository)} and state = 'ready'", cancellationToken) ?? 0);

    public async Task<long> QuarantinedAsync(string workspaceId, string? repository, CancellationToken cancellationToken) => await database.ScalarAsync(
        $"select cast(coalesce(sum(size), 0) as bigint) from cache_entries where workspace = {workspaceId} {Of(repository)} and state = 'quarantined'", cancellationToken) ?? 0;

    /// <summary>What was uploaded and is not finalised, by repository, and of pull requests by itself.</summary>
    public Task<List<KeyValuePair<(string Repository, bool IsPull), long>>> UnfinishedAsync(string workspaceId, CancellationToken cancellationToken) =>
        database.QueryAsync(
            $"""
            select repository, pull, cast(sum(staged_bytes) as bigint) from cache_entries where workspace || '/' = {workspaceId + "/"} and state = 'pending' group by repository, pull
            """,
            static row => KeyValuePair.Create((row.GetString(0), row.GetBoolean(1)), row.GetInt64(2)),
            cancellationToken);

    /// <summary>While one replica makes way in a workspace no other does.</summary>
    /// <returns>Null where another does and nobody waits.</returns>
    public Task<DatabaseHold?> AloneAsync(string workspaceId, bool isWaiting, CancellationToken cancellationToken) => database.HoldAsync($"cache eviction {workspaceId}", isWaiting, cancellationToken);

    /// <summary>What may go, in the order in which it goes: the longest unused first, or the longest quarantined.</summary>
    public Task<List<Evictable>> CandidatesAsync(string workspaceId, string? repository, EvictionTurn turn, int limit, CancellationToken cancellationToken) =>
        database.QueryAsync(
            turn == EvictionTurn.Quarantined
                ? (Sql)$"""
                select id, blob, size from cache_entries
                where workspace = {workspaceId} {Of(repository)} and state = 'quarantined' and read_until <= {time.GetUtcNow()} order by read_until limit {limit}
                """
                : $"""
                select id, blob, size from cache_entries
                where workspace = {workspaceId} {Of(repository)} and pull = {turn == EvictionTurn.Pulls} and state = 'ready' and read_until <= {time.GetUtcNow()}
                order by used_at limit {limit}
                """,
            Read,
            cancellationToken);

    public Task<List<Evictable>> QuarantinedAsync(string workspaceId, DateTimeOffset before, int limit, CancellationToken cancellationToken) => database.QueryAsync(
        $"select id, blob, size from cache_entries where workspace = {workspaceId} and read_until < {before} and state = 'quarantined' limit {limit}", Read, cancellationToken);

    public Task<List<Evictable>> UnusedAsync(string workspaceId, DateTimeOffset before, int limit, CancellationToken cancellationToken) =>
        database.QueryAsync(
            $"""
            select id, blob, size from cache_entries
            where workspace = {workspaceId} and pull in (true, false) and used_at < {before} and state = 'ready' and read_until <= {time.GetUtcNow()} limit {limit}
            """,
            Read,
            cancellationToken);

    /// <summary>Takes entries out, but for those that a look-up has given out meanwhile, or somebody has quarantined or released. A part of the transaction that records it.</summary>
    public Task<List<Evictable>> TakeOutAsync(Transaction transaction, IEnumerable<Evictable> entries, bool isQuarantined) => transaction.QueryAsync(
        $"""
        update cache_entries set state = 'gone', live = false
        where blob in ({entries.Select(static entry => entry.Blob).ToArray()}) and state = {(isQuarantined ? CacheStates.Quarantined : CacheStates.Ready)} and read_until <= {time.GetUtcNow()}
        returning id, blob, size
        """,
        Read);

    /// <summary>What is out of service and read by nobody.</summary>
    public Task<List<Evictable>> OutAsync(int limit, CancellationToken cancellationToken) => database.QueryAsync(
        $"select id, blob, size from cache_entries where state in ('gone', 'damaged') and read_until <= {time.GetUtcNow()} order by read_until limit {limit}",
        Read,
        cancellationToken);

    /// <summary>After the bytes are away. What was made in this minute still counts as made: who takes away what he makes makes no more for it.</summary>
    public Task RemoveAsync(IReadOnlyList<string> blobs, CancellationToken cancellationToken) => database.TransactionAsync(
        async transaction =>
        {
            await transaction.ExecuteAsync($"delete from cache_layout where blob in ({blobs})");
            await transaction.ExecuteAsync($"delete from cache_segments where blob in ({blobs})");
            await transaction.ExecuteAsync(
                $"""
                insert into cache_leftovers (blob, look_at)
                select blob, {time.GetUtcNow() + CacheLeftovers.After} from cache_entries where blob in ({blobs}) and pending_until > {time.GetUtcNow() - CacheLeftovers.After} on conflict do nothing
                """);
            var counted = time.GetUtcNow() - CacheEntryStore.Minute;
            var removed = await transaction.ExecuteAsync($"delete from cache_entries where blob in ({blobs}) and state in ('gone', 'damaged') and created <= {counted}");
            if (removed < blobs.Count) await transaction.ExecuteAsync($"update cache_entries set state = {CacheStates.Purged} where blob in ({blobs}) and state in ('gone', 'damaged')");
        },
        cancellationToken);

    /// <summary>What was purged in the minute in which it was made, and counts no more.</summary>
    /// <returns>How many rows went.</returns>
    public Task<int> ForgetAsync(int limit, CancellationToken cancellationToken)
    {
        var counted = time.GetUtcNow() - CacheEntryStore.Minute;
        return database.ExecuteAsync(
            $"""
            delete from cache_entries where state = 'purged' and id in (select id from cache_entries where state = 'purged' and created <= {counted} limit {limit} {database.SkipLocked})
            """,
            cancellationToken);
    }

    /// <summary>After the bytes could not be deleted: they are tried again later, and later each time.</summary>
    public Task<int> StepBackAsync(IReadOnlyList<string> blobs, TimeSpan first, CancellationToken cancellationToken) => database.ExecuteAsync(
        $"""
        update cache_entries set purge_tries = purge_tries + 1,
            read_until = {time.GetUtcNow().ToUnixTimeMilliseconds()} + {(long)first.TotalMilliseconds} * (case when purge_tries < 6 then 1 << cast(purge_tries as integer) else 64 end)
        where blob in ({blobs}) and state in ('gone', 'damaged')
        """,
        cancellationToken);

    /// <summary>While a long read goes on, no replica takes the bytes away.</summary>
    public Task<int> HoldAsync(IReadOnlyList<string> blobs, DateTimeOffset until, CancellationToken cancellationToken) =>
        database.ExecuteAsync($"update cache_entries set read_until = {until} where blob in ({blobs}) and read_until < {until}", cancellationToken);

    private static SqlPart Of(string? repository) => repository is null ? Sql.Empty : ((Sql)$"and repository = {repository}").Part;

    /// <summary>Says nothing, but leads planners to the index that has the sizes: by another each entry would be looked at.</summary>
    private static SqlPart OfEither(string? repository) => repository is null ? Sql.Empty : ((Sql)$"and repository = {repository} and pull in (true, false)").Part;

    private static Evictable Read(System.Data.Common.DbDataReader row) => new(row.GetInt64(0), row.GetString(1), row.GetInt64(2));
}
