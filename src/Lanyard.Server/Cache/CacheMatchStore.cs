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

    /// <summary>
    /// Asks all probes in one statement, for no more than the keys' ids: whatever else it did, databases would take longer to prepare it than to find the keys. States are written out, because a parameter that stands where an index says <c>where state = …</c> has SQLite prepare the statement again for each of its values.
    /// </summary>
    /// <param name="rules">Each: refs of the writers that are trusted.</param>
    /// <returns>What the first probe with an answer has found: the key itself, else of those that begin with it the newest.</returns>
    public async Task<CacheEntry?> MatchAsync(
        string workspaceId, string repository, string version, IReadOnlyList<CacheProbe> probes, IReadOnlyList<IReadOnlyList<string>> rules, CancellationToken cancellationToken)
    {
        if (probes.Count == 0) return null;
        var trusted = CacheReadRules.Condition(rules);
        for (var i = 0; i < Tries; i++)
        {
            var found = await FindAsync(workspaceId, repository, version, probes, trusted, cancellationToken);
            if (found.Count == 0) return null;
            var probe = probes[found[0].Probe];
            var entry = found is [{ IsKey: false }, ..] && found.Count > Few
                ? await NewestAsync(Of(workspaceId, repository, ((Sql)$"{probe.Scope}").Part, version, trusted), probe.Folded, cancellationToken)
                : await database.QuerySingleOrNullAsync(
                    $"select {CacheEntryStore.Columns} from cache_entries where id = {BestOf(found)} and live and state = 'ready'", CacheEntryStore.Read, cancellationToken);
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

    /// <returns>Of the first probe that found something, the first <see cref="Few"/> and one, by their keys: the key itself sorts before all that begin with it.</returns>
    private async Task<List<Found>> FindAsync(
        string workspaceId, string repository, string version, IReadOnlyList<CacheProbe> probes, SqlPart trusted, CancellationToken cancellationToken)
    {
        var all = database.HasLateral ? Laterally(workspaceId, repository, version, probes, trusted) : Together(workspaceId, repository, version, probes, trusted);
        var rows = await database.QueryAsync(all, static row => new Found(row.GetInt(0), row.GetInt64(1), row.GetInt64(2), row.GetBoolean(3)), cancellationToken);
        if (rows.Count == 0) return rows;
        var first = rows.Min(static row => row.Probe);
        return [.. rows.Where(row => row.Probe == first).OrderByDescending(static row => row.IsKey)];
    }

    private static Sql Together(string workspaceId, string repository, string version, IReadOnlyList<CacheProbe> probes, SqlPart trusted)
    {
        var all = new Sql(0, 0);
        for (var i = 0; i < probes.Count; i++)
        {
            var folded = probes[i].Folded;
            if (i > 0) all.AppendLiteral(" union all ");
            all.AppendFormatted(((Sql)
                $"""
                select * from (select {i} as probe, id, created, folded = {folded} as is_key from cache_entries
                    where {Of(workspaceId, repository, ((Sql)$"{probes[i].Scope}").Part, version, trusted)} and folded >= {folded} and folded < {folded + CacheKeys.Highest}
                    order by folded limit {Few + 1}) as found
                """).Part);
        }

        // SQLite asks one branch after the other: those behind the first that has an answer need not be asked to their end.
        all.AppendLiteral($" limit {Few + 1}");
        return all;
    }

    private static Sql Laterally(string workspaceId, string repository, string version, IReadOnlyList<CacheProbe> probes, SqlPart trusted)
    {
        var values = new Sql(0, 0);
        for (var i = 0; i < probes.Count; i++)
        {
            if (i > 0) values.AppendLiteral(", ");
            values.AppendFormatted(((Sql)$"({i}, {probes[i].Scope}, {probes[i].Folded}, {probes[i].Folded + CacheKeys.Highest})").Part);
        }

        return $"""
            select p.probe, e.id, e.created, e.folded = p.low as is_key from (values {values.Part}) as p(probe, wanted, low, high)
            cross join lateral (select id, created, folded from cache_entries
                where {Of(workspaceId, repository, ((Sql)$"p.wanted").Part, version, trusted)} and folded >= p.low and folded < p.high
                order by folded limit {Few + 1}) as e
            """;
    }

    private static long BestOf(List<Found> found) =>
        found[0].IsKey ? found[0].Id : found.MaxBy(static one => (one.Created, one.Id)).Id;

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

    /// <param name="IsKey">It has the probe's key itself.</param>
    private readonly record struct Found(int Probe, long Id, long Created, bool IsKey);
}
