using System.Data.Common;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Runs;

/// <summary>How much may be claimed beside what is asked for. The default value: as much as there is.</summary>
/// <param name="Collection">The collection, where it has a limit.</param>
/// <param name="RunnerMost">Attempts that the runner may have at once; null: no limit.</param>
/// <param name="IsEphemeral">The runner is given one run in its life.</param>
internal readonly record struct ClaimBounds(string? Collection, int? RunnerMost, bool IsEphemeral)
{
    public bool AreNone => Collection is null && RunnerMost is null && !IsEphemeral;
}

/// <param name="IsFull">The collection has as many attempts as it may.</param>
/// <param name="IsAtCapacity">The runner has.</param>
internal sealed record BoundedClaim(IReadOnlyList<OfferedRun> Offers, bool IsFull, bool IsAtCapacity);

/// <summary>An attempt on offer to a session.</summary>
internal sealed record OfferedRun(string Run, int Attempt, string Workspace, string Collection, long Deadline);

/// <summary>
/// The claims: which run is offered next. One statement a queue over a partial index (its plan must never depend on how many runs there are),
/// the same text for both databases.
/// </summary>
internal sealed class ClaimStore(Database database, RunMemory memory, OffersOut offersOut)
{
    /// <summary>The text of a statement differs with their number.</summary>
    private const int MostQueuesAtOnce = 8;

    /// <summary>
    /// Offers up to <paramref name="limit"/> runs of a queue to a session, by priority, then age. Nothing is offered to a session that was replaced:
    /// the statement itself looks. An offer acknowledges nothing: one that the database forgot is as if it had never been made, and its accept is refused.
    /// </summary>
    public async Task<IReadOnlyList<OfferedRun>> ClaimAsync(
        string queue, string runner, string session, int limit, long now, long deadline, CancellationToken cancellationToken = default)
    {
        var claimed = await database.QueryUnsyncedAsync(Claim(queue, runner, session, limit, now, deadline), Read, cancellationToken);
        return Made(session, claimed);
    }

    /// <summary>
    /// As <see cref="ClaimAsync"/>, within bounds: whoever claims waits for the rows of the runner's session and of the collection, so that two claims at
    /// the same moment can't both take the last place.
    /// </summary>
    public async Task<BoundedClaim> ClaimWithinAsync(
        ClaimBounds bounds, string queue, string runner, string session, int limit, long now, long deadline, CancellationToken cancellationToken = default)
    {
        var (claimed, inCollection, atRunner) = await database.TransactionAsync(
            async transaction =>
            {
                var atRunner = await RoomAtRunnerAsync(transaction, bounds, runner);
                var inCollection = atRunner <= 0 ? int.MaxValue : await RoomInCollectionAsync(transaction, bounds.Collection);
                var room = Math.Min(limit, Math.Min(atRunner, inCollection));
                if (room <= 0)
                    return ([], inCollection, atRunner);
                var offers = await transaction.QueryAsync(Claim(queue, runner, session, room, now, deadline), Read);
                if (bounds.IsEphemeral && offers.Count > 0)
                    await transaction.ExecuteAsync($"update runners set spent = {offers[0].Run.Id} where id = {runner}");
                return (offers, inCollection - offers.Count, atRunner - offers.Count);
            },
            cancellationToken);
        return new(Made(session, claimed), inCollection <= 0, atRunner <= 0);
    }

    private async Task<int> RoomAtRunnerAsync(Transaction transaction, ClaimBounds bounds, string runner)
    {
        if (bounds.RunnerMost is null && !bounds.IsEphemeral)
            return int.MaxValue;
        await transaction.QueryAsync($"select session from runner_sessions where runner = {runner} {database.ForUpdate}", static row => row.GetString(0));
        var most = bounds.IsEphemeral ? await HasBeenSpentAsync(transaction, runner) ? 0 : 1 : bounds.RunnerMost!.Value;
        return most - (int)(await transaction.ScalarAsync($"select count(*) from runs where runner = {runner} and live"))!.Value;
    }

    private async Task<int> RoomInCollectionAsync(Transaction transaction, string? collection)
    {
        if (collection is null)
            return int.MaxValue;
        var most = await transaction.ScalarAsync($"select concurrency from collections where id = {collection} {database.ForNoKeyUpdate}");
        return most is { } limit
            ? (int)(limit - (await transaction.ScalarAsync($"select count(*) from runs where collection = {collection} and live"))!.Value)
            : int.MaxValue;
    }

    /// <summary>It has accepted the run that it was once offered; an offer that lapsed does not count.</summary>
    private static async Task<bool> HasBeenSpentAsync(SqlExecutor executor, string runner) =>
        await executor.ScalarAsync(
            $"""
            select (select count(*) from runners join runs on runs.id = runners.spent where runners.id = {runner} and runs.runner = {runner} and runs.accepted_at > 0)
                + (select count(*) from runners join attempts on attempts.run = runners.spent
                    where runners.id = {runner} and attempts.runner = {runner} and attempts.accepted_at > 0)
            """) > 0;

    /// <summary>Ephemeral runners whose one run ended, or was lost, before <paramref name="before"/>: their ids and versions.</summary>
    public Task<List<(string Runner, long Version)>> SpentAsync(long before, int limit, CancellationToken cancellationToken) =>
        database.QueryAsync(
            $"""
            select runners.id, runners.version from runners join runs on runs.id = runners.spent
            where runners.spent is not null and not (runs.live and runs.runner = runners.id) and (runs.ended_at <= {before} or runs.runner <> runners.id)
                and ((runs.runner = runners.id and runs.accepted_at > 0)
                    or exists (select 1 from attempts where attempts.run = runners.spent and attempts.runner = runners.id and attempts.accepted_at > 0))
            limit {limit}
            """,
            static row => (Runner: row.GetString(0), Version: row.GetInt64(1)),
            cancellationToken);

    /// <summary>The accept, which most often comes at once, finds the run and its document in memory. Runs of one definition most often have the same document.</summary>
    private List<OfferedRun> Made(string session, List<(RunRecord Run, string? Document)> claimed)
    {
        var documents = new Dictionary<string, Lazy<RunDocument>>(StringComparer.Ordinal);
        foreach (var (run, json) in claimed)
        {
            memory.Remember(run);
            if (json is null)
                continue;
            if (!documents.TryGetValue(json, out var document))
                documents[json] = document = new(() => RunDocument.Parse(json));
            memory.Remember(run.Id, document);
        }
        var offers = claimed.ConvertAll(static one => Offered(one.Run));
        offersOut.Made(session, offers);
        return offers;
    }

    private static (RunRecord Run, string? Document) Read(DbDataReader row) => (RunStore.Read(row), row.GetStringOrNull(RunStore.ColumnCount));

    private static OfferedRun Offered(RunRecord run) => new(run.Id, run.Attempt, run.Workspace, run.Collection, run.Deadline);

    /// <summary>The claim itself; tests look at its plan.</summary>
    internal Sql Claim(string queue, string runner, string session, int limit, long now, long deadline) =>
            $"""
            update runs set waiting = false, live = true, attempt = attempt + 1, attempt_state = 'offered', runner = {runner}, session = {session},
                deadline = {deadline}, stop_by = 0, offered_at = {now}, accepted_at = 0, started_at = 0, ended_at = 0, outcome = null, reason = null,
                log_bytes = 0, log_sha256 = null, log_complete = false, version = version + 1
            where {Picked(queue, limit)} and exists (select 1 from runner_sessions where runner = {runner} and session = {session})
            returning {RunStore.Columns},
                (select document from run_documents where run = runs.id and length(document) <= {RunMemory.LongestDocument})
            """;

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

    /// <summary>The first runs of several queues, up to <paramref name="each"/> of each: through the index, however many wait.</summary>
    public async Task<List<(string Queue, long Priority, string Run)>> FrontsAsync(IReadOnlyList<string> queues, int each, CancellationToken cancellationToken = default)
    {
        var fronts = new List<(string, long, string)>();
        foreach (var some in queues.Chunk(MostQueuesAtOnce))
            fronts.AddRange(await database.QueryAsync(Fronts(some, each), static row => (row.GetString(0), row.GetInt64(1), row.GetString(2)), cancellationToken));
        return fronts;
    }

    /// <summary>The statement of <see cref="FrontsAsync"/>; tests look at its plan.</summary>
    internal static Sql Fronts(IReadOnlyList<string> queues, int each)
    {
        Sql fronts = $"{Front(queues[0], each)}";
        for (var i = 1; i < queues.Count; i++)
            fronts.AppendFormatted(RunStore.Part($" union all {Front(queues[i], each)}"));
        return fronts;
    }

    private static SqlPart Front(string queue, int each) =>
        RunStore.Part($"select * from (select queue, priority, id from runs where queue = {queue} and waiting order by priority desc, id limit {each}) as front");

    /// <summary>Why a claim came back short: whether runs wait all the same, and whether the session is still the runner's present one.</summary>
    /// <remarks>The order makes it read the index: without it a planner may go through the table for a queue that has most of the runs.</remarks>
    public async Task<(bool RunsWait, bool IsPresent)> LookAgainAsync(string queue, string runner, string session, CancellationToken cancellationToken = default)
    {
        var rows = await database.QueryAsync(
            $"""
            select (select count(*) from (select 1 from runs where queue = {queue} and waiting order by priority desc, id limit 1) as waiting_runs),
                (select count(*) from runner_sessions where runner = {runner} and session = {session})
            """,
            static row => (row.GetInt64(0) > 0, row.GetInt64(1) > 0),
            cancellationToken);
        return rows[0];
    }

    /// <summary>Offers to the session that still stand and are not among those <paramref name="named"/>: the answer that brought them may have been lost.</summary>
    public async Task<List<OfferedRun>> StandingAsync(string runner, string session, IReadOnlyList<Hold> named, long now, CancellationToken cancellationToken = default)
    {
        if (offersOut.Look(session, named) is not { } look)
            return [];
        var standing = await database.QueryAsync(
            $"""
            select id, attempt, workspace, collection, deadline from runs
            where runner = {runner} and session = {session} and live and attempt_state = 'offered' and deadline > {now} order by id
            """,
            static row => new OfferedRun(row.GetString(0), row.GetInt(1), row.GetString(2), row.GetString(3), row.GetInt64(4)),
            cancellationToken);
        look.Saw(standing);
        standing.RemoveAll(offer => named.Any(hold => hold.Run == offer.Run && hold.Attempt == offer.Attempt));
        return standing;
    }

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
