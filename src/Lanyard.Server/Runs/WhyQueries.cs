using Lanyard.Server.Storage;

namespace Lanyard.Server.Runs;

/// <summary>A runner that serves a collection, as far as it matters to a run that waits there.</summary>
/// <param name="Spec">The resource's spec as JSON.</param>
/// <param name="LastSeen">Unix milliseconds; null: it has never had a session.</param>
/// <param name="First">The first collection that it serves: the only one where it has no sandboxes.</param>
/// <param name="Live">Attempts that it holds or is offered, of whatever collection.</param>
/// <param name="Spent">It is ephemeral and has accepted its run.</param>
/// <param name="NoRoom">Why its last poll would take no run, whatever places are free; null: it would.</param>
internal sealed record ServingRunner(
    string Id, string Slug, string Spec, long? LastSeen, int Concurrency, IReadOnlyList<string> Labels, IReadOnlyList<string> Executors, bool IsSandboxed, string First,
    int Live, bool Spent, string? NoRoom = null);

/// <summary>What the answer to "why does it wait" is read from. Every number is bounded: a backlog of any length is not counted.</summary>
internal sealed class WhyQueries(Database database)
{
    public const int MostRunners = 500;
    public const int MostAhead = 1000;

    public Task<List<ServingRunner>> RunnersAsync(string collection, CancellationToken cancellationToken) =>
        database.QueryAsync(
            $"""
            select runners.id, runners.slug, runners.spec, sessions.last_seen, sessions.concurrency, sessions.labels, sessions.executors, sessions.sandboxed,
                (select firsts.collection from runner_collections firsts where firsts.runner = runners.id order by firsts.position limit 1),
                (select count(*) from runs where runs.runner = runners.id and runs.live),
                exists (select 1 from runs had where had.id = runners.spent and had.runner = runners.id and had.accepted_at > 0)
                    or exists (select 1 from attempts had where had.run = runners.spent and had.runner = runners.id and had.accepted_at > 0),
                sessions.no_room
            from runner_collections served join runners on runners.id = served.runner left join runner_sessions sessions on sessions.runner = runners.id
            where served.collection = {collection} order by runners.slug, runners.id limit {MostRunners}
            """,
            static row => new ServingRunner(
                row.GetString(0), row.GetString(1), row.GetString(2), row.GetInt64OrNull(3), row.GetIntOrNull(4) ?? 0, Split(row.GetStringOrNull(5)), Split(row.GetStringOrNull(6)),
                !row.IsDBNull(7) && row.GetBoolean(7), row.GetString(8), row.GetInt(9), row.GetBoolean(10), row.GetStringOrNull(11)),
            cancellationToken);

    /// <summary>Attempts of a collection that are offered or held.</summary>
    public async Task<int> LiveAsync(string collection, CancellationToken cancellationToken) =>
        (int)(await database.ScalarAsync($"select count(*) from runs where collection = {collection} and live", cancellationToken))!.Value;

    /// <summary>Runs of the same queue that are offered first, up to <see cref="MostAhead"/>.</summary>
    public async Task<int> AheadAsync(RunRecord run, int priority, CancellationToken cancellationToken)
    {
        var before = await database.ScalarAsync(
            $"""
            select (select count(*) from (select 1 from runs where queue = {run.Queue} and waiting and priority > {priority} order by priority desc, id limit {MostAhead}) as higher)
                + (select count(*) from (select 1 from runs where queue = {run.Queue} and waiting and priority = {priority} and id < {run.Id} order by id limit {MostAhead}) as older)
            """,
            cancellationToken);
        return (int)Math.Min(before!.Value, MostAhead);
    }

    private static string[] Split(string? text) => text?.Split(',', StringSplitOptions.RemoveEmptyEntries) ?? [];
}
