using Lanyard.Server.Storage;

namespace Lanyard.Server.Runs;

/// <summary>An attempt on offer to a session.</summary>
internal sealed record OfferedRun(string Run, int Attempt, string Workspace, string Collection, long Deadline);

/// <summary>
/// The claims: which run is offered next. One statement a queue over a partial index (its plan must never depend on how many runs there are),
/// the same text for both databases.
/// </summary>
internal sealed class ClaimStore(Database database, RunMemory memory)
{
    /// <summary>
    /// Offers up to <paramref name="limit"/> runs of a queue to a session, by priority, then age. Nothing is offered to a session that was replaced:
    /// the statement itself looks.
    /// </summary>
    public async Task<IReadOnlyList<OfferedRun>> ClaimAsync(
        string queue, string runner, string session, int limit, long now, long deadline, CancellationToken cancellationToken = default)
    {
        var claimed = await database.QueryAsync(
            $"""
            update runs set waiting = false, live = true, attempt = attempt + 1, attempt_state = 'offered', runner = {runner}, session = {session},
                deadline = {deadline}, stop_by = 0, offered_at = {now}, accepted_at = 0, started_at = 0, ended_at = 0, outcome = null, reason = null,
                log_bytes = 0, log_sha256 = null, log_complete = false, version = version + 1
            where {Picked(queue, limit)} and exists (select 1 from runner_sessions where runner = {runner} and session = {session})
            returning {RunStore.Columns}
            """,
            RunStore.Read,
            cancellationToken);
        claimed.ForEach(memory.Remember);
        return claimed.ConvertAll(static run => new OfferedRun(run.Id, run.Attempt, run.Workspace, run.Collection, run.Deadline));
    }

    /// <summary>One row needs no list: the plan is a look-up by key.</summary>
    private SqlPart Picked(string queue, int limit)
    {
        if (limit == 1)
            return RunStore.Part($"id = (select id from runs where queue = {queue} and waiting order by priority desc, id limit 1 {database.SkipLocked})");
        return RunStore.Part(
            $"""
            id in (with picked as (select id from runs where queue = {queue} and waiting order by priority desc, id limit {limit} {database.SkipLocked})
                select id from picked)
            """);
    }

    /// <summary>Why a claim came back short: whether runs wait all the same, and whether the session is still the runner's present one.</summary>
    public async Task<(bool RunsWait, bool IsPresent)> LookAgainAsync(string queue, string runner, string session, CancellationToken cancellationToken = default)
    {
        var rows = await database.QueryAsync(
            $"""
            select (select count(*) from (select 1 from runs where queue = {queue} and waiting limit 1) as waiting_runs),
                (select count(*) from runner_sessions where runner = {runner} and session = {session})
            """,
            static row => (row.GetInt64(0) > 0, row.GetInt64(1) > 0),
            cancellationToken);
        return rows[0];
    }

    /// <summary>Offers to the session that still stand: the answer that brought them may have been lost.</summary>
    public Task<List<OfferedRun>> StandingAsync(string runner, string session, long now, CancellationToken cancellationToken = default) =>
        database.QueryAsync(
            $"""
            select id, attempt, workspace, collection, deadline from runs
            where runner = {runner} and session = {session} and live and attempt_state = 'offered' and deadline > {now} order by id
            """,
            static row => new OfferedRun(row.GetString(0), row.GetInt(1), row.GetString(2), row.GetString(3), row.GetInt64(4)),
            cancellationToken);

    /// <summary>Every queue that has a run to offer. Jumps from key to key through the index, however many runs wait.</summary>
    public Task<List<string>> WaitingQueuesAsync(CancellationToken cancellationToken = default) =>
        database.QueryAsync(
            $"""
            select queue from (with recursive keys (queue) as (
                select min(queue) from runs where waiting
                union all
                select (select min(runs.queue) from runs where waiting and runs.queue > keys.queue) from keys where keys.queue is not null)
            select queue from keys) as found where queue is not null
            """,
            static row => row.GetString(0),
            cancellationToken);
}
