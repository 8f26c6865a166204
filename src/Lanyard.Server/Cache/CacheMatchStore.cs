using Lanyard.Server.Cache.Limits;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Cache;

/// <summary>
/// The SQL of look-ups. Of a prefix the newest is wanted: where few keys begin with it they are read and compared; where many do (a restore key that all of a
/// repository's keys begin with), the entries are walked from the newest on until one does, which is soon. Neither way alone keeps its time in a large repository.
/// </summary>
internal sealed class CacheMatchStore(Database database)
{
    private const int Few = 64;

    private const int MostVersions = 64;

    /// <summary>What was found may be taken out before it is read.</summary>
    private const int Tries = 3;

    /// <param name="rules">Each: refs of the writers that are trusted.</param>
    /// <returns>What the first probe with an answer has found: the key itself, else of those that begin with it the newest.</returns>
    public async Task<CacheEntry?> MatchAsync(
        string workspaceId, string repository, string version, IReadOnlyList<CacheProbe> probes, IReadOnlyList<IReadOnlyList<string>> rules, CancellationToken cancellationToken)
    {
        if (probes.Count == 0) return null;
        var trusted = CacheReadRules.Condition(rules);
        if (database.HasLateral) return await AllAtOnceAsync(workspaceId, repository, version, probes, trusted, cancellationToken);
        for (var i = 0; i < Tries; i++)
        {
            if (await OneByOneAsync(workspaceId, repository, version, probes, trusted, cancellationToken) is not { } found) return null;
            var entry = found.Count <= Few || found.IsKey
                ? found.Entry
                : await NewestAsync(Of(workspaceId, repository, ((Sql)$"{found.Probe.Scope}").Part, version, trusted), found.Probe.Folded, cancellationToken);
            if (entry is not null) return entry;
        }

        return null;
    }

    /// <summary>What a scope has of a key, in the first versions that it knows: they are stepped through, because there are few, and of each there may be a million keys.</summary>
    public Task<List<CacheEntry>> OfKeyAsync(
        string workspaceId, string repository, string scope, string folded, IReadOnlyList<IReadOnlyList<string>> rules, CancellationToken cancellationToken)
    {
        var ready = ((Sql)$"live and workspace = {workspaceId} and repository = {repository} and scope = {scope}").Part;
        return database.QueryAsync(
            $"""
            with recursive known(step, name) as (
                select 1, min(version) from cache_entries where {ready}
                union all
                select step + 1, (select min(version) from cache_entries where {ready} and version > known.name) from known where name is not null and step < {MostVersions})
            select {CacheEntryStore.Columns} from cache_entries
            where {ready} and version in (select name from known) and folded = {folded} and state = 'ready' {CacheReadRules.Condition(rules)}
            """,
            CacheEntryStore.Read,
            cancellationToken);
    }

    /// <summary>
    /// For a database that is a journey away: one statement finds the entries of all probes, no more than <see cref="Few"/> and one of each, takes the first probe's and of them the best. Where
    /// there are more and none has the key itself it walks from the newest on, as <see cref="NewestAsync"/> does: in a sub-select that is not run where nobody asks for it.
    /// </summary>
    private Task<CacheEntry?> AllAtOnceAsync(
        string workspaceId, string repository, string version, IReadOnlyList<CacheProbe> probes, SqlPart trusted, CancellationToken cancellationToken)
    {
        var values = new Sql(0, 0);
        for (var i = 0; i < probes.Count; i++)
        {
            if (i > 0) values.AppendLiteral(", ");
            values.AppendFormatted(((Sql)$"({i}, {probes[i].Scope}, {probes[i].Folded}, {probes[i].Folded + CacheKeys.Highest})").Part);
        }

        return database.QuerySingleOrNullAsync(
            $"""
            with found as materialized (select p.probe, p.wanted, p.low, p.high, e.id as best, e.created as made, e.folded = p.low as is_key from (values {values.Part}) as p(probe, wanted, low, high)
                cross join lateral (select id, created, folded from cache_entries
                    where {Of(workspaceId, repository, ((Sql)$"p.wanted").Part, version, trusted)} and folded >= p.low and folded < p.high
                    order by folded limit {Few + 1}) as e),
            first as materialized (select probe, wanted, low, high, is_key, best from found order by probe, is_key desc, made desc, best desc limit 1)
            select {CacheEntryStore.Columns} from cache_entries where id = (select
                case when not f.is_key and (select count(*) from found where found.probe = f.probe) > {Few} then coalesce(
                    (select id from cache_entries where {Of(workspaceId, repository, ((Sql)$"f.wanted").Part, version, trusted)} and (folded || '') >= f.low and (folded || '') < f.high
                        order by created desc, id desc limit 1), f.best)
                else f.best end from first as f)
            """,
            CacheEntryStore.Read,
            cancellationToken);
    }

    /// <summary>
    /// For a database in this process: probe after probe, until one has an answer. States are written out, because a parameter that stands where an index says <c>where state = …</c> has
    /// SQLite prepare the statement again for each of its values. Only keys and times are read of all, because they stand in the index.
    /// </summary>
    private async Task<Found?> OneByOneAsync(
        string workspaceId, string repository, string version, IReadOnlyList<CacheProbe> probes, SqlPart trusted, CancellationToken cancellationToken)
    {
        foreach (var probe in probes)
        {
            var rows = await database.QueryAsync(
                $"""
                select id, created, folded = {probe.Folded} from cache_entries
                where {Of(workspaceId, repository, ((Sql)$"{probe.Scope}").Part, version, trusted)} and folded >= {probe.Folded} and folded < {probe.Folded + CacheKeys.Highest}
                order by folded limit {Few + 1}
                """,
                static row => (Id: row.GetInt64(0), Created: row.GetInt64(1), IsKey: row.GetBoolean(2)),
                cancellationToken);
            if (rows.Count == 0) continue;

            // The key itself sorts before all that begin with it.
            var best = rows[0].IsKey ? rows[0].Id : rows.MaxBy(static row => (row.Created, row.Id)).Id;
            var entry = await database.QuerySingleOrNullAsync(
                $"select {CacheEntryStore.Columns} from cache_entries where id = {best} and live and state = 'ready'", CacheEntryStore.Read, cancellationToken);
            return new Found(probe, rows[0].IsKey, rows.Count, entry);
        }

        return null;
    }

    /// <summary>The keys are hidden from the planner, so that it keeps to the index of the newest.</summary>
    private Task<CacheEntry?> NewestAsync(SqlPart of, string folded, CancellationToken cancellationToken) => database.QuerySingleOrNullAsync(
        $"""
        select {CacheEntryStore.Columns} from cache_entries where {of} and (folded || '') >= {folded} and (folded || '') < {folded + CacheKeys.Highest}
        order by created desc, id desc limit 1
        """,
        CacheEntryStore.Read,
        cancellationToken);

    private static SqlPart Of(string workspaceId, string repository, SqlPart scope, string version, SqlPart trusted) => ((Sql)
        $"live and workspace = {workspaceId} and repository = {repository} and scope = {scope} and version = {version} and state = 'ready' {trusted}").Part;

    /// <param name="Probe">The first that has an answer.</param>
    /// <param name="IsKey">The entry has the probe's key itself.</param>
    /// <param name="Count">Of those that begin with it, counted no further than to <see cref="Few"/> and one.</param>
    /// <param name="Entry">Null when it was taken out meanwhile.</param>
    private sealed record Found(CacheProbe Probe, bool IsKey, int Count, CacheEntry? Entry);
}
