using System.Data.Common;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Runs;

/// <summary>A run with what its listing shows beside the hot row.</summary>
/// <param name="Definition">Its slug.</param>
internal sealed record ListedRun(RunRecord Run, string Definition, int Priority);

internal sealed record StepRecord(int Attempt, int Step, string State, int? ExitCode, int? Signal, long StartedAt, long EndedAt);

/// <summary>What people read of runs.</summary>
internal sealed class RunQueries(Database database)
{
    private static readonly SqlPart Columns = RunStore.Part($"{RunStore.Columns}, definition_slug, priority");

    /// <summary>A run of one collection; null when it has none of that id, also when another collection has.</summary>
    public Task<ListedRun?> FindAsync(string collection, string run, CancellationToken cancellationToken) =>
        database.QuerySingleOrNullAsync($"select {Columns} from runs where id = {run} and collection = {collection}", Read, cancellationToken);

    /// <summary>The newest first.</summary>
    /// <param name="before">Only runs with a smaller id; null from the newest on.</param>
    public Task<List<ListedRun>> ListAsync(string collection, string? state, string? before, int limit, CancellationToken cancellationToken)
    {
        var onlyState = state is null ? Sql.Empty : RunStore.Part($" and state = {state}");
        var older = before is null ? Sql.Empty : RunStore.Part($" and id < {before}");
        return database.QueryAsync(
            $"select {Columns} from runs where collection = {collection}{onlyState}{older} order by id desc limit {limit}", Read, cancellationToken);
    }

    /// <summary>The run that was created with an idempotency text, and the hash of that request.</summary>
    public Task<CreatedBefore?> FindByIdempotencyAsync(string collection, string idempotency, CancellationToken cancellationToken) =>
        database.QuerySingleOrNullAsync(
            $"select id, request_hash from runs where collection = {collection} and idempotency = {idempotency}",
            static row => new CreatedBefore(row.GetString(0), row.GetStringOrNull(1)),
            cancellationToken);

    /// <summary>Whether a runner has or had an attempt of the run, or an offer.</summary>
    public async Task<bool> HadAttemptAsync(string run, string runner, CancellationToken cancellationToken) =>
        await database.ScalarAsync(
            $"""
            select (select count(*) from runs where id = {run} and runner = {runner}) + (select count(*) from attempts where run = {run} and runner = {runner})
            """,
            cancellationToken) > 0;

    /// <summary>Attempts of a run that were not its last, by number.</summary>
    public Task<List<AttemptRecord>> AttemptsAsync(string run, CancellationToken cancellationToken) =>
        database.QueryAsync(
            $"""
            select run, attempt, state, runner, session, offered_at, accepted_at, started_at, ended_at, outcome, reason, log_bytes, log_sha256, log_complete
            from attempts where run = {run} order by attempt
            """,
            static row => new AttemptRecord(
                row.GetString(0), row.GetInt(1), row.GetString(2), row.GetStringOrNull(3), row.GetStringOrNull(4), row.GetInt64(5), row.GetInt64(6),
                row.GetInt64(7), row.GetInt64(8), row.GetStringOrNull(9), row.GetStringOrNull(10), row.GetInt64(11), row.GetStringOrNull(12), row.GetBoolean(13)),
            cancellationToken);

    public Task<List<StepRecord>> StepsAsync(string run, CancellationToken cancellationToken) =>
        database.QueryAsync(
            $"select attempt, step, state, exit_code, signal, started_at, ended_at from steps where run = {run} order by attempt, step",
            static row => new StepRecord(
                row.GetInt(0), row.GetInt(1), row.GetString(2), row.GetIntOrNull(3), row.GetIntOrNull(4), row.GetInt64(5), row.GetInt64(6)),
            cancellationToken);

    private static ListedRun Read(DbDataReader row) => new(RunStore.Read(row), row.GetString(RunStore.ColumnCount), row.GetInt(RunStore.ColumnCount + 1));
}

internal sealed record CreatedBefore(string Run, string? RequestHash);
