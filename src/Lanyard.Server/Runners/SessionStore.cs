using System.Data.Common;
using Lanyard.Server.Audit;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Runners;

/// <summary>The SQL of runners' sessions: one row a runner, so that a newer session is the end of the older.</summary>
internal sealed class SessionStore(Database database, AuditLog audit)
{
    private static readonly SqlPart Columns = ((Sql)$"runner, session, nonce, version, concurrency, labels, executors, sandboxed, started, last_seen, reconciled, no_room").Part;

    /// <summary>Makes the session the runner's present one. With the nonce of the present one nothing changes: the call was repeated.</summary>
    /// <param name="about">What the audit says of it, where something changes.</param>
    /// <returns>The session that is now present.</returns>
    public async Task<RunnerSession> OpenAsync(RunnerSession session, AuditEvent about, CancellationToken cancellationToken)
    {
        var opened = await audit.RecordWithAsync(
            $"""
            insert into runner_sessions ({Columns})
            values ({session.Runner}, {session.Session}, {session.Nonce}, {session.Version}, {session.Concurrency}, {string.Join(',', session.Labels)},
                {string.Join(',', session.Executors)}, {session.Sandboxed}, {session.Started}, {session.LastSeen}, false, null)
            on conflict (runner) do update
            set session = excluded.session, nonce = excluded.nonce, version = excluded.version, concurrency = excluded.concurrency, labels = excluded.labels,
                executors = excluded.executors, sandboxed = excluded.sandboxed, started = excluded.started, last_seen = excluded.last_seen, reconciled = false, no_room = null
            where runner_sessions.nonce <> excluded.nonce
            returning {Columns}
            """,
            session.Runner,
            Read,
            (_, _) => Task.FromResult(about),
            static () => { },
            cancellationToken);
        return opened ?? await FindAsync(session.Runner, cancellationToken) ?? session;
    }

    public Task<RunnerSession?> FindAsync(string runner, CancellationToken cancellationToken) =>
        database.QuerySingleOrNullAsync(
            $"select {Columns} from runner_sessions where runner = {runner}", Read, cancellationToken);

    public Task SeenAsync(string runner, string session, long now, CancellationToken cancellationToken) =>
        database.ExecuteAsync($"update runner_sessions set last_seen = {now} where runner = {runner} and session = {session}", cancellationToken);

    /// <param name="noRoom">Why it takes no run; null: it would.</param>
    public Task RoomAsync(string runner, string session, string? noRoom, CancellationToken cancellationToken) =>
        database.ExecuteAsync($"update runner_sessions set no_room = {noRoom} where runner = {runner} and session = {session}", cancellationToken);

    /// <summary>The session has said once what it holds: whatever else the runner had is lost.</summary>
    public Task ReconciledAsync(string runner, string session, CancellationToken cancellationToken) =>
        database.ExecuteAsync($"update runner_sessions set reconciled = true where runner = {runner} and session = {session}", cancellationToken);

    private static RunnerSession Read(DbDataReader row) => new(
        row.GetString(0), row.GetString(1), row.GetString(2), row.GetString(3), row.GetInt(4), Split(row.GetString(5)), Split(row.GetString(6)),
        row.GetBoolean(7), row.GetInt64(8), row.GetInt64(9), row.GetBoolean(10), row.GetStringOrNull(11));

    private static string[] Split(string text) => text.Split(',', StringSplitOptions.RemoveEmptyEntries);
}
