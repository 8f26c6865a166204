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

    /// <summary>Asks all probes in one statement; a second one follows where the first with an answer is a prefix of many.</summary>
    /// <param name="rules">Each: refs of the writers that are trusted.</param>
    /// <returns>What the first probe with an answer has found: of a prefix, the newest.</returns>
    public async Task<CacheEntry?> MatchAsync(
        string workspaceId, string repository, string version, IReadOnlyList<CacheProbe> probes, IReadOnlyList<IReadOnlyList<string>> rules, CancellationToken cancellationToken)
    {
        if (probes.Count == 0) return null;
        var trusted = CacheReadRules.Condition(rules);
        Sql all = $"select {CacheEntryStore.Columns}, probe, matches from (";
        for (var i = 0; i < probes.Count; i++)
        {
            if (i > 0) all.AppendLiteral(" union all ");
            all.AppendFormatted(BestOf(i, Of(workspaceId, repository, probes[i].Scope, version, trusted), probes[i].Folded));
        }

        all.AppendLiteral(") as found order by probe limit 1");
        var found = await database.QuerySingleOrNullAsync(all, static row => new Match(CacheEntryStore.Read(row), row.GetInt(17), row.GetInt64(18)), cancellationToken);
        if (found is null || found.Matches <= Few) return found?.Entry;
        var probe = probes[found.Probe];
        return await NewestAsync(Of(workspaceId, repository, probe.Scope, version, trusted), probe.Folded, cancellationToken) ?? found.Entry;
    }

    /// <summary>The key itself sorts before all that begin with it. Of more than <see cref="Few"/> others it is not known here which is the newest.</summary>
    private static SqlPart BestOf(int number, SqlPart of, string folded) => ((Sql)
        $"""
        select * from (
            select {number} as probe, case when is_key then 1 else matches end as matches, {CacheEntryStore.Columns} from (
                select few_id, is_key, count(*) over () as matches from (
                    select id as few_id, created as few_created, folded = {folded} as is_key from cache_entries
                    where {of} and folded >= {folded} and folded < {folded + CacheKeys.Highest} order by folded limit {Few + 1}) as few
                order by is_key desc, few_created desc, few_id desc limit 1) as best
            join cache_entries on id = few_id) as p
        """).Part;

    /// <summary>The keys are hidden from the planner, so that it keeps to the index of the newest.</summary>
    private Task<CacheEntry?> NewestAsync(SqlPart of, string folded, CancellationToken cancellationToken) => database.QuerySingleOrNullAsync(
        $"""
        select {CacheEntryStore.Columns} from cache_entries where {of} and (folded || '') >= {folded} and (folded || '') < {folded + CacheKeys.Highest}
        order by created desc, id desc limit 1
        """,
        CacheEntryStore.Read,
        cancellationToken);

    private static SqlPart Of(string workspaceId, string repository, string scope, string version, SqlPart trusted) => ((Sql)
        $"""
        live and workspace = {workspaceId} and repository = {repository} and scope = {scope} and version = {version} and state = {CacheStates.Ready} {trusted}
        """).Part;

    private sealed record Match(CacheEntry Entry, int Probe, long Matches);
}
