using System.Data.Common;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Audit;

internal sealed record AuditRow(
    string Chain,
    long Sequence,
    string Id,
    string Action,
    string Decision,
    string? Workspace,
    string? Collection,
    string? Principal,
    string PreviousHash,
    string Hash,
    string Event);

internal sealed record AuditCheckpoint(string Chain, long Sequence, string Hash);

/// <summary>What is looked for; null members don't restrict.</summary>
internal sealed record AuditFilter
{
    public string? Workspace { get; init; }

    public string? Action { get; init; }

    public string? Principal { get; init; }

    public string? Decision { get; init; }

    /// <summary>Ids greater than this.</summary>
    public string After { get; init; } = "";

    /// <summary>Ids smaller than this.</summary>
    public string? Before { get; init; }
}

internal static class AuditStore
{
    public static Task<AuditRow?> FindAsync(SqlExecutor database, string id) => database.QuerySingleOrNullAsync(
        $"""
        select chain, seq, id, action, decision, workspace, collection, principal, previous_hash, hash, event
        from audit_events where id = {id}
        """,
        Read);

    /// <param name="newestFirst">With it the filter's newest events come, else its oldest. Both ascending in the answer.</param>
    public static async Task<List<AuditRow>> ListAsync(SqlExecutor database, AuditFilter filter, int limit, bool newestFirst)
    {
        var order = newestFirst ? Descending : Ascending;
        var rows = await database.QueryAsync(
            $"""
            select chain, seq, id, action, decision, workspace, collection, principal, previous_hash, hash, event
            from audit_events where id > {filter.After}
            {And(filter.Before, $"and id < {filter.Before}")} {And(filter.Workspace, $"and workspace = {filter.Workspace}")}
            {And(filter.Action, $"and action = {filter.Action}")} {And(filter.Principal, $"and principal = {filter.Principal}")}
            {And(filter.Decision, $"and decision = {filter.Decision}")}
            {order} limit {limit}
            """,
            Read);
        if (newestFirst)
        {
            rows.Reverse();
        }

        return rows;
    }

    /// <summary>A chain from a place on, in order.</summary>
    public static Task<List<AuditRow>> ChainAsync(SqlExecutor database, string chain, long after, int limit) => database.QueryAsync(
        $"""
        select chain, seq, id, action, decision, workspace, collection, principal, previous_hash, hash, event
        from audit_events where chain = {chain} and seq > {after} order by seq limit {limit}
        """,
        Read);

    public static Task<List<(string Chain, DateTimeOffset Started)>> ChainsAsync(SqlExecutor database) => database.QueryAsync(
        $"select id, started from audit_chains order by id", static row => (row.GetString(0), row.GetTime(1)));

    public static Task<List<AuditCheckpoint>> CheckpointsAsync(SqlExecutor database, string chain) => database.QueryAsync(
        $"select chain, seq, hash from audit_checkpoints where chain = {chain} order by seq",
        static row => new AuditCheckpoint(row.GetString(0), row.GetInt64(1), row.GetString(2)));

    /// <summary>Ends of the newest chains.</summary>
    public static Task<List<ChainHead>> HeadsAsync(SqlExecutor database, int limit) => database.QueryAsync(
        $"""
        select e.chain, e.seq, e.hash from audit_events e
        join (select id from audit_chains order by id desc limit {limit}) c on c.id = e.chain
        where e.seq = (select max(l.seq) from audit_events l where l.chain = e.chain)
        """,
        static row => new ChainHead(row.GetString(0), row.GetInt64(1), row.GetString(2)));

    public static Sql InsertOf(AuditRow row) =>
        $"""
        insert into audit_events (chain, seq, id, action, decision, workspace, collection, principal, previous_hash, hash, event)
        values ({row.Chain}, {row.Sequence}, {row.Id}, {row.Action}, {row.Decision}, {row.Workspace}, {row.Collection}, {row.Principal}, {row.PreviousHash}, {row.Hash}, {row.Event})
        """;

    private static SqlPart Ascending => ((Sql)$"order by id").Part;

    private static SqlPart Descending => ((Sql)$"order by id desc").Part;

    private static SqlPart And(string? value, Sql condition) => value is null ? Sql.Empty : condition.Part;

    private static AuditRow Read(DbDataReader row) => new(
        row.GetString(0),
        row.GetInt64(1),
        row.GetString(2),
        row.GetString(3),
        row.GetString(4),
        row.GetStringOrNull(5),
        row.GetStringOrNull(6),
        row.GetStringOrNull(7),
        row.GetString(8),
        row.GetString(9),
        row.GetString(10));
}
