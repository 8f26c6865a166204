using System.Data.Common;
using Lanyard.Identity;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Runs;

/// <summary>The SQL of runs and their attempts, but for the claims (<see cref="ClaimStore"/>) and what is only read (<see cref="RunQueries"/>).</summary>
internal sealed class RunStore(Database database, AuditLog audit)
{
    internal static readonly SqlPart Columns = Part(
        $"""
        id, workspace, collection, queue, phase, timeout_seconds, state, attempt, attempt_state, accepts, runner, session, deadline, stop_by, offered_at,
        accepted_at, started_at, ended_at, outcome, reason, log_bytes, log_sha256, log_complete, cancel_requested_at, created_at, finished_at, version,
        step_count, retry_attempts, retry_causes, queue_seconds, grace_seconds, queue_until, flow, held,
        plan_summary, approval_seconds
        """);

    /// <summary>How many <see cref="Columns"/> there are.</summary>
    internal const int ColumnCount = 37;

    /// <summary>Puts a new run into its queue. Nobody can delete its collection meanwhile: either the run is there for who deletes, or the collection is gone for the run.</summary>
    /// <param name="definition">Its id and its slug: the slug is shown, the id stays right when the slug is given to another.</param>
    /// <param name="idempotency">Null, or a text that one run of the collection can have only.</param>
    /// <param name="told">What the audit says of it.</param>
    /// <param name="inserted">Called right after the commit.</param>
    /// <returns>Null; or Conflict when the collection has a run with that idempotency text, NotFound when the collection has gone.</returns>
    public async Task<Refusal?> InsertAsync(
        RunRecord run,
        (string Id, string Slug) definition,
        int priority,
        string document,
        string? idempotency,
        string? requestHash,
        AuditEvent told,
        Action inserted,
        CancellationToken cancellationToken = default)
    {
        try
        {
            await audit.RecordWithAsync(
                [Insert(run, definition, priority, idempotency, requestHash).ChangingOne(), ((Sql)$"insert into run_documents (run, document) values ({run.Id}, {document})").OneOfMany()],
                idempotency is null ? run.Id : $"{run.Collection} {idempotency}",
                static (_, _) => Task.FromResult(true),
                told,
                inserted,
                cancellationToken);
            return null;
        }
        catch (ConstraintViolationException violation) when (violation.Kind == ConstraintKind.Unique && idempotency is not null)
        {
            return new Refusal(RefusalReason.Conflict, "the idempotency text is another run's");
        }
        catch (ConstraintViolationException violation) when (violation.Kind == ConstraintKind.Reference)
        {
            // The document that would be nobody's: no run was put in.
            return Access.Missing($"collection {run.Collection} is gone");
        }
    }

    public Task<RunRecord?> FindAsync(string run, CancellationToken cancellationToken = default) =>
        database.QuerySingleOrNullAsync($"select {Columns} from runs where id = {run}", Read, cancellationToken);

    /// <summary>The definition's snapshot and the context of a run, as JSON.</summary>
    public Task<string?> FindDocumentAsync(string run, CancellationToken cancellationToken = default) =>
        database.QuerySingleOrNullAsync($"select document from run_documents where run = {run}", static row => row.GetString(0), cancellationToken);

    /// <summary>Those that there are of some runs, each with what <see cref="FindDocumentAsync"/> answers.</summary>
    /// <param name="runs">At least one.</param>
    public Task<List<(RunRecord Run, string Document)>> FindWithDocumentsAsync(IReadOnlyList<string> runs, CancellationToken cancellationToken = default)
    {
        Sql values = $"({runs[0]})";
        foreach (var run in runs.Skip(1))
            values.AppendFormatted(Part($", ({run})"));
        return database.QueryAsync(
            $"select {Columns}, run_documents.document from runs join run_documents on run_documents.run = runs.id where id in (values {values.Part})",
            static row => (Read(row), row.GetString(ColumnCount)),
            cancellationToken);
    }

    /// <summary>
    /// Writes <paramref name="next"/> if the row is still at the version it was derived from. An attempt that is over while its run goes back into the
    /// queue is copied to the attempts first, in the same transaction.
    /// </summary>
    /// <param name="told">What the audit says of it; null: nothing.</param>
    /// <param name="saved">Called right after the commit.</param>
    /// <returns>False when somebody else changed the run: read it and decide again.</returns>
    public async Task<bool> SaveAsync(RunRecord next, AuditEvent? told, Action saved, CancellationToken cancellationToken = default)
    {
        var isOver = next.IsWaiting && next.Attempt > 0;
        if (told is not null)
            return await audit.RecordWithAsync([Update(next).OneOfMany()], next.Id, (transaction, counts) => ArchiveAsync(transaction, counts[0], isOver ? next : null), told, saved, cancellationToken);
        var isSaved = await database.SerialAsync(
            [Update(next).OneOfMany()], next.Id, (transaction, counts) => ArchiveAsync(transaction, counts[0], isOver ? next : null), cancellationToken);
        if (isSaved)
            saved();
        return isSaved;
    }

    private static async Task<bool> ArchiveAsync(Transaction transaction, int updated, RunRecord? over)
    {
        if (updated == 1 && over is not null)
            await transaction.ExecuteLaterAsync(Archive(AttemptRecord.Of(over)).OneOfMany());
        return updated == 1;
    }

    /// <summary>
    /// Renews the leases of what a session (null: any, for an attempt's own pod) holds, in one statement. Nothing happens to an offer, to an attempt whose lease has ended, or to one that
    /// is not the session's. What is being changed at this moment is not waited for: its change says what becomes of the lease, and waiting for many in another order than they
    /// are changed in would be a deadlock.
    /// </summary>
    /// <returns>Those of <paramref name="holds"/> that are the session's and live.</returns>
    public async Task<List<HeldAttempt>> RenewAsync(
        string runner, string? session, IReadOnlyList<(string Run, int Attempt)> holds, long now, long leaseEnd, CancellationToken cancellationToken = default)
    {
        if (holds.Count == 0)
            return [];
        Sql values = $"({holds[0].Run}, {holds[0].Attempt})";
        for (var i = 1; i < holds.Count; i++)
            values.AppendFormatted(Part($", ({holds[i].Run}, {holds[i].Attempt})"));
        var ofSession = session is null ? Sql.Empty : Part($"and session = {session}");
        var held = Part($"runner = {runner} {ofSession} and live and deadline > {now} and (id, attempt) in (values {values.Part})");
        var renewed = await database.QueryTogetherAsync(
            $"""
            update runs set deadline = case when attempt_state = 'offered' then deadline else {leaseEnd} end
            where id in (select id from runs where {held} {database.SkipLocked})
            returning {HeldColumns}
            """,
            ReadHeld,
            cancellationToken);
        if (renewed.Count >= holds.Count)
            return renewed;
        var changing = await database.QueryAsync($"select {HeldColumns} from runs where {held}", ReadHeld, cancellationToken);
        return [.. renewed, .. changing.Where(one => !renewed.Exists(other => other.Run == one.Run))];
    }

    private static readonly SqlPart HeldColumns = Part($"id, attempt, attempt_state, deadline, timeout_seconds");

    private static HeldAttempt ReadHeld(DbDataReader row) => new(row.GetString(0), row.GetInt(1), row.GetString(2), row.GetInt64(3), row.GetInt(4));

    /// <summary>Live attempts whose offer, lease or time is over.</summary>
    public Task<List<RunRecord>> OverdueAsync(long now, int limit, CancellationToken cancellationToken = default) =>
        database.QueryAsync(
            $"select {Columns} from runs where live and (deadline <= {now} or (stop_by <> 0 and stop_by <= {now})) limit {limit}", Read, cancellationToken);

    /// <summary>Waiting runs whose own time in the queue is over.</summary>
    public Task<List<RunRecord>> QueuedUntilAsync(long now, int limit, CancellationToken cancellationToken = default) =>
        database.QueryAsync($"select {Columns} from runs where waiting and queue_until <> 0 and queue_until <= {now} limit {limit}", Read, cancellationToken);

    /// <summary>The first that wait in a queue.</summary>
    public Task<List<RunRecord>> WaitingInAsync(string queue, int limit, CancellationToken cancellationToken = default) =>
        database.QueryAsync($"select {Columns} from runs where queue = {queue} and waiting order by priority desc, id limit {limit}", Read, cancellationToken);

    /// <summary>Runs without a time of their own that have waited since before <paramref name="createdBefore"/>.</summary>
    public Task<List<RunRecord>> WaitingSinceAsync(long createdBefore, int limit, CancellationToken cancellationToken = default) =>
        database.QueryAsync($"select {Columns} from runs where waiting and queue_until = 0 and created_at <= {createdBefore} limit {limit}", Read, cancellationToken);

    /// <summary>Runs that have waited too long for a human.</summary>
    /// <param name="life">In milliseconds, where the definition said nothing.</param>
    public Task<List<RunRecord>> UnapprovedAsync(long now, long life, int limit, CancellationToken cancellationToken = default) =>
        database.QueryAsync($"select {Columns} from runs where held and ended_at + coalesce(approval_seconds * 1000, {life}) <= {now} limit {limit}", Read, cancellationToken);

    /// <summary>Everything that a runner has: offers and accepted attempts, of whatever session.</summary>
    public Task<List<RunRecord>> LiveOfAsync(string runner, CancellationToken cancellationToken = default) =>
        database.QueryAsync($"select {Columns} from runs where runner = {runner} and live", Read, cancellationToken);

    /// <summary>Puts everything that a runner has under its new session, so that every call of an older one is stale from here on.</summary>
    /// <returns>What was moved.</returns>
    public Task<List<RunRecord>> MoveToSessionAsync(string runner, string session, CancellationToken cancellationToken = default) =>
        database.QueryAsync(
            $"""
            update runs set session = {session}, version = version + 1 where runner = {runner} and live and session <> {session} returning {Columns}
            """,
            Read,
            cancellationToken);

    /// <summary>A report on a step; the last one stands, but a step that is over stays over.</summary>
    /// <returns>Whether anything was written: not for a step that the run does not have.</returns>
    public async Task<bool> PutStepAsync(
        string run, int attempt, int step, string state, int? exitCode, int? signal, long now, CancellationToken cancellationToken = default)
    {
        var ended = state == "running" ? 0 : now;
        return await database.ExecuteTogetherAsync(
            $"""
            insert into steps (run, attempt, step, state, exit_code, signal, started_at, ended_at)
            select id, {attempt}, {step}, {state}, {exitCode}, {signal}, {now}, {ended} from runs where id = {run} and step_count > {step}
            on conflict (run, attempt, step) do update
            set state = excluded.state, exit_code = excluded.exit_code, signal = excluded.signal, ended_at = excluded.ended_at
            where steps.state = 'running'
            """,
            run,
            cancellationToken) == 1;
    }

    internal static RunRecord Read(DbDataReader row) => new(
        row.GetString(0), row.GetString(1), row.GetString(2), row.GetString(3), row.GetString(4), row.GetInt(5), row.GetString(6), row.GetInt(7),
        row.GetString(8), row.GetInt(9), row.GetStringOrNull(10), row.GetStringOrNull(11), row.GetInt64(12), row.GetInt64(13), row.GetInt64(14),
        row.GetInt64(15), row.GetInt64(16), row.GetInt64(17), row.GetStringOrNull(18), row.GetStringOrNull(19), row.GetInt64(20), row.GetStringOrNull(21),
        row.GetBoolean(22), row.GetInt64(23), row.GetInt64(24), row.GetInt64(25), row.GetInt64(26), row.GetInt(27),
        new RunTerms(row.GetIntOrNull(28), (RetryCauses?)row.GetIntOrNull(29), row.GetIntOrNull(30), row.GetIntOrNull(31), row.GetIntOrNull(36)), row.GetInt64(32), row.GetStringOrNull(33), row.GetBoolean(34), row.GetStringOrNull(35));

    /// <summary>It puts nothing in where the collection is gone, and the document behind it fails then. A column that references the collection would keep that from going while old runs are there.</summary>
    private Sql Insert(RunRecord run, (string Id, string Slug) definition, int priority, string? idempotency, string? requestHash) =>
        $"""
        insert into runs (id, workspace, collection, definition, queue, priority, phase, timeout_seconds, state, waiting, live, attempt, attempt_state,
            accepts, deadline, stop_by, offered_at, accepted_at, started_at, ended_at, log_bytes, log_complete, cancel_requested_at, created_at,
            finished_at, idempotency, request_hash, version, definition_slug, step_count, retry_attempts, retry_causes, queue_seconds, grace_seconds, queue_until, flow, approval_seconds)
        select {run.Id}, {run.Workspace}, {run.Collection}, {definition.Id}, {run.Queue}, {priority}, {run.Phase}, {run.TimeoutSeconds}, {run.State},
            {run.IsWaiting}, {run.IsLive}, 0, '', 0, 0, 0, 0, 0, 0, 0, 0, false, 0, {run.CreatedAt}, 0, {idempotency}, {requestHash}, {run.Version}, {definition.Slug},
            {run.StepCount}, {run.Terms.Attempts}, {(int?)run.Terms.Retry}, {run.Terms.QueueSeconds}, {run.Terms.GraceSeconds}, {run.QueueUntil}, {run.Flow}, {run.Terms.ApprovalSeconds}
        from collections where id = {run.Collection} {database.ForKeyShare}
        """;

    internal static Sql Update(RunRecord next) =>
        $"""
        update runs set state = {next.State}, timeout_seconds = {next.TimeoutSeconds}, waiting = {next.IsWaiting}, live = {next.IsLive}, attempt_state = {next.AttemptState}, accepts = {next.Accepts},
            deadline = {next.Deadline}, stop_by = {next.StopBy}, accepted_at = {next.AcceptedAt}, started_at = {next.StartedAt}, ended_at = {next.EndedAt},
            outcome = {next.Outcome}, reason = {next.Reason}, log_bytes = {next.LogBytes}, log_sha256 = {next.LogSha256}, log_complete = {next.LogComplete},
            cancel_requested_at = {next.CancelRequestedAt}, finished_at = {next.FinishedAt}, queue_until = {next.QueueUntil}, phase = {next.Phase}, held = {next.Held}, plan_summary = {next.PlanSummary}, version = {next.Version}
        where id = {next.Id} and version = {next.Version - 1}
        """;

    private static Sql Archive(AttemptRecord attempt) =>
        $"""
        insert into attempts (run, attempt, state, runner, session, offered_at, accepted_at, started_at, ended_at, outcome, reason, log_bytes, log_sha256, log_complete)
        values ({attempt.Run}, {attempt.Attempt}, {attempt.State}, {attempt.Runner}, {attempt.Session}, {attempt.OfferedAt}, {attempt.AcceptedAt},
            {attempt.StartedAt}, {attempt.EndedAt}, {attempt.Outcome}, {attempt.Reason}, {attempt.LogBytes}, {attempt.LogSha256}, {attempt.LogComplete})
        """;

    internal static SqlPart Part(Sql sql) => sql.Part;
}

/// <summary>An attempt that is the caller's, with the end of its offer or lease in Unix milliseconds.</summary>
/// <param name="TimeoutSeconds">How long it may take.</param>
internal sealed record HeldAttempt(string Run, int Attempt, string State, long Deadline, int TimeoutSeconds);
