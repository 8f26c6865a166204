using System.Data.Common;
using System.Globalization;
using Lanyard.Identity;
using Lanyard.Protocol.Runtime;
using Lanyard.Server.Audit;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Cache.Admin;

/// <summary>The SQL of what people see and change of entries.</summary>
internal sealed class CacheAdminStore(Database database, AuditLog audit, TimeProvider time)
{
    /// <summary>Entries that are changed in one transaction: it shares the commits of others, who do not wait for a whole cache.</summary>
    private const int Step = 1000;

    private const int Tries = 4;

    private static readonly SqlPart Columns = ((Sql)
        $"""
        id, repository, scope, key, version, state, size, created, used_at, digest, subject, producer_ref, producer_workflow, producer_actor, producer_token,
            reason, unverified
        """).Part;

    public Task<List<CacheEntryView>> ListAsync(string workspaceId, CacheFilter filter, long after, int limit, CancellationToken cancellationToken) =>
        database.QueryAsync(
            $"""
            select {Columns} from cache_entries where workspace = {workspaceId} and id > {after} and state not in ('gone', 'purged') {filter.Condition}
            order by id limit {limit}
            """,
            Read,
            cancellationToken);

    public Task<CacheEntryView?> FindAsync(string workspaceId, long id, CancellationToken cancellationToken) =>
        database.QuerySingleOrNullAsync(
            $"select {Columns} from cache_entries where id = {id} and workspace = {workspaceId} and state not in ('gone', 'purged')", Read, cancellationToken);

    /// <param name="by">One of <see cref="CacheFilter.Groups"/>.</param>
    public Task<List<CacheUsageRow>> UsageAsync(string workspaceId, string? repository, string by, int limit, CancellationToken cancellationToken)
    {
        var column = by switch { "scope" => ((Sql)$"scope").Part, "key" => ((Sql)$"key").Part, _ => ((Sql)$"repository").Part };
        var only = repository is null ? Sql.Empty : ((Sql)$"and repository = {repository}").Part;
        return database.QueryAsync(
            $"""
            select name, cast(sum(entries) as bigint), cast(sum(bytes) as bigint) from (
                select {column} as name, count(*) as entries, sum(size) as bytes from cache_entries where workspace = {workspaceId} {only} and state = 'ready' group by {column}
                union all select {column}, count(*), sum(size) from cache_entries where workspace = {workspaceId} {only} and state = 'quarantined' group by {column}) as sums
            group by name order by 3 desc, 1 limit {limit}
            """,
            static row => new CacheUsageRow(row.GetString(0), row.GetInt64(1), row.GetInt64(2)),
            cancellationToken);
    }

    /// <param name="state">Ready or quarantined.</param>
    public async Task<(long Entries, long Bytes)> TotalAsync(string workspaceId, string? repository, string state, CancellationToken cancellationToken)
    {
        var only = repository is null ? Sql.Empty : ((Sql)$"and repository = {repository}").Part;
        var rows = await database.QueryAsync(
            $"select count(*), cast(coalesce(sum(size), 0) as bigint) from cache_entries where workspace = {workspaceId} {only} and state = {state}",
            static row => (row.GetInt64(0), row.GetInt64(1)),
            cancellationToken);
        return rows[0];
    }

    /// <summary>Out of service at once; the bytes go when nobody reads them any more. A pending one goes when it lapses, and its URL is dead.</summary>
    /// <param name="told">What there is to record of so many that were changed in one step; null: nothing.</param>
    /// <returns>How many.</returns>
    public Task<int> DeleteAsync(string workspaceId, SqlPart which, Func<int, AuditEvent?> told, CancellationToken cancellationToken) => ChangeAsync(
        workspaceId,
        which,
        (transaction, step) => transaction.ExecuteAsync($"update cache_entries set state = 'gone', live = false where workspace = {workspaceId} and state not in ('gone', 'purged') {step}"),
        told,
        cancellationToken);

    /// <summary>Out of service, with its bytes kept; its key is free. What is being uploaded is given up: it would be finalised behind this, and be in service.</summary>
    public Task<int> QuarantineAsync(string workspaceId, SqlPart which, string? reason, Func<int, AuditEvent?> told, CancellationToken cancellationToken) => ChangeAsync(
        workspaceId,
        which,
        async (transaction, step) =>
        {
            var given = await transaction.ExecuteAsync($"update cache_entries set state = 'gone', live = false where workspace = {workspaceId} and state = 'pending' {step}");
            return given + await transaction.ExecuteAsync(
                $"""
                update cache_entries set state = 'quarantined', live = false, reason = {reason}, read_until = {time.GetUtcNow()}
                where workspace = {workspaceId} and state = 'ready' {step}
                """);
        },
        told,
        cancellationToken);

    /// <summary>Back into service, but for those whose key was taken meanwhile.</summary>
    public Task<int> ReleaseAsync(string workspaceId, SqlPart which, Func<int, AuditEvent?> told, CancellationToken cancellationToken) => ChangeAsync(
        workspaceId,
        which,
        async (transaction, step) =>
        {
            var ids = await transaction.QueryAsync(
                $"select id from cache_entries where workspace = {workspaceId} and state = 'quarantined' {step} order by id", static row => row.GetInt64(0));
            var released = 0;
            foreach (var id in ids)
            {
                released += await transaction.ExecuteAsync(
                    $"""
                    update cache_entries set state = 'ready', live = true, reason = null, used_at = {time.GetUtcNow()}
                    where id = {id} and state = 'quarantined' and not exists (
                        select 1 from cache_entries other where other.live and other.workspace = cache_entries.workspace
                            and other.repository = cache_entries.repository and other.scope = cache_entries.scope
                            and other.version = cache_entries.version and other.folded = cache_entries.folded)
                    """);
            }

            return released;
        },
        told,
        cancellationToken);

    /// <summary>Each step is a change of its own, with its own event; where there is nothing to change the first tells so.</summary>
    private async Task<int> ChangeAsync(
        string workspaceId, SqlPart which, Func<Transaction, SqlPart, Task<int>> change, Func<int, AuditEvent?> told, CancellationToken cancellationToken)
    {
        for (var (after, all) = (0L, 0); ;)
        {
            var last = await database.ScalarAsync(
                $"select max(id) from (select id from cache_entries where workspace = {workspaceId} and id > {after} {which} order by id limit {Step}) step", cancellationToken);
            if (last is null && after > 0) return all;
            var step = ((Sql)$"{which} and id > {after} and id <= {last ?? after}").Part;
            var isFirst = after == 0;
            all += await ChangeAsync(async transaction => await change(transaction, step), count => count > 0 || isFirst ? told(count) : null, cancellationToken);
            if (last is null) return all;
            after = last.Value;
        }
    }

    /// <summary>A key that somebody takes in this moment is not seen as taken before that is on disk.</summary>
    private async Task<int> ChangeAsync(Func<Transaction, Task<Outcome<int>>> step, Func<int, AuditEvent?> told, CancellationToken cancellationToken)
    {
        for (var tried = 1; ; tried++)
        {
            try
            {
                return (await audit.ChangeAsync(step, told, cancellationToken)).Value;
            }
            catch (ConstraintViolationException violation) when (violation.Kind == ConstraintKind.Unique && tried < Tries)
            {
                // It is there now, and the next look sees it.
            }
        }
    }

    public static SqlPart Of(long id) => ((Sql)$"and id = {id}").Part;

    /// <summary>Every member that is there must be the entry's.</summary>
    public static SqlPart Of(CacheProducer producer)
    {
        var all = new Sql(0, 0);
        if (producer.Subject is { } subject) all.AppendFormatted(((Sql)$" and subject = {subject}").Part);
        if (producer.Repository is { } repository) all.AppendFormatted(((Sql)$" and repository = {repository.ToLowerInvariant()}").Part);
        if (producer.Ref is { } gitRef) all.AppendFormatted(((Sql)$" and producer_ref = {gitRef}").Part);
        if (producer.Workflow is { } workflow) all.AppendFormatted(((Sql)$" and producer_workflow = {workflow}").Part);
        if (producer.Actor is { } actor) all.AppendFormatted(((Sql)$" and producer_actor = {actor}").Part);
        if (producer.TokenSha256 is { } token) all.AppendFormatted(((Sql)$" and producer_token = {token}").Part);
        return all.Part;
    }

    private static CacheEntryView Read(DbDataReader row) => new(
        row.GetInt64(0).ToString(CultureInfo.InvariantCulture), row.GetString(1), row.GetString(2), row.GetString(3), row.GetString(4), row.GetString(5),
        row.GetInt64(6), row.GetTime(7), row.GetTime(8), row.IsDBNull(9) ? null : Convert.ToHexStringLower(row.GetBytes(9)),
        new CacheProducer(row.GetString(10), row.GetString(1), Known(row, 11), Known(row, 12), Known(row, 13), Known(row, 14)), row.GetStringOrNull(15), !row.GetBoolean(16));

    private static string? Known(DbDataReader row, int column) => row.GetString(column) is { Length: > 0 } text ? text : null;
}
