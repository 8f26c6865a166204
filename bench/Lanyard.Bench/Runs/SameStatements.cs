using Lanyard.Bench.Dispatch;
using Lanyard.Bench.Parts;
using Lanyard.Testing;

namespace Lanyard.Bench.Runs;

/// <summary>
/// What our server says to PostgreSQL for a whole run (claim, accept, start and end, with their audit events), said by pgbench: on a database of our schema with our rows, in the same
/// transactions, each in one message, and as durable. pgbench checks no token, decides nothing, signs and hashes nothing: its events bear texts of the same length.
/// </summary>
internal sealed class SameStatements
{
    /// <summary>A claim may find the last rows locked by others: there are some more.</summary>
    private const int Spare = 100;
    private readonly Psql _psql;
    private readonly string[] _names;

    private SameStatements(Psql psql, string[] names) => (_psql, _names) = (psql, names);

    private static readonly string Script =
        $"""
        update runs set waiting = false, live = true, attempt = attempt + 1, attempt_state = 'offered', runner = :runner, session = :session,
            deadline = :now, stop_by = 0, offered_at = :now, accepted_at = 0, started_at = 0, ended_at = 0, outcome = null, reason = null,
            log_bytes = 0, log_sha256 = null, log_complete = false, version = version + 1
        where id = (select id from runs where queue = :queue and waiting order by priority desc, id limit 1 for update skip locked)
            and exists (select 1 from runner_sessions where runner = :runner and session = :session)
        returning id, version, (select document from run_documents where run = runs.id and length(document) <= 16384) as document,
            set_config('synchronous_commit', 'off', true) as unsynced \gset
        \startpipeline
        {Change(1, "running", true, "accepted")}
        {Event}
        \endpipeline
        \startpipeline
        {Change(2, "running", true, "running")}
        \endpipeline
        \startpipeline
        {Change(3, "succeeded", false, "ended")}
        {Event}
        \endpipeline
        """;

    /// <summary>Of the client's own chain.</summary>
    private static string Event =>
        """
        \set seq :seq + 1
        insert into audit_events (chain, seq, id, action, decision, workspace, collection, principal, previous_hash, hash, event)
            values (:chain || :client_id, :seq, :chain || :client_id || '_' || :seq, 'attempt.accept', 'allow', :workspace, :queue, :runner, repeat('0', 64), repeat('1', 64), repeat('x', 700));
        """;

    /// <summary>Takes a server's database, which it then has for itself.</summary>
    public static async Task<SameStatements> PrepareAsync(PostgresServer postgres)
    {
        var location = await postgres.CreateDatabaseAsync();
        var psql = new Psql(postgres, Psql.NameOf(location));
        await using var installation = await BenchInstallation.StartAsync(location);
        await installation.CreateRunAsync("main");
        await Backlog.TakeOriginalsAsync(psql);
        using var runner = await BenchRunner.OpenAsync(installation.Url, await installation.AddRunnerAsync(0));
        var names = await psql.AskAsync("select 'runner=' || s.runner || ' session=' || s.session || ' queue=' || o.queue || ' workspace=' || o.workspace from runner_sessions s, bench_originals o");
        return new SameStatements(psql, names.Trim().Split(' '));
    }

    /// <returns>Runs a second.</returns>
    public async Task<double> MeasureAsync(int runs, int series, int clients)
    {
        await Backlog.FillAsync(_psql, runs + Spare, "", series);
        await _psql.ExecuteAsync($"insert into audit_chains (id, started) select 'chn_{series}_' || n, 0 from generate_series(0, {clients - 1}) n");
        string[] values = [.. _names, $"chain=chn_{series}_", "seq=0", $"now={TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds()}"];
        return await _psql.BenchAsync(Script, clients, ["-t", $"{runs / clients}", .. values.SelectMany(static value => (string[])["-D", value])]);
    }

    /// <summary>The run's next state, written onto the version that it was derived from.</summary>
    private static string Change(int step, string state, bool isLive, string attemptState)
    {
        var live = isLive ? "true" : "false";
        return $"""
            with changed as (update runs set state = '{state}', timeout_seconds = 3600, waiting = false, live = {live}, attempt_state = '{attemptState}', accepts = 1,
                deadline = :now, stop_by = :now, accepted_at = :now, started_at = :now, ended_at = :now,
                outcome = '{state}', reason = null, log_bytes = 0, log_sha256 = repeat('e', 64), log_complete = true,
                cancel_requested_at = 0, finished_at = :now, queue_until = 0, phase = 'run', held = false, plan_summary = null, version = :version + {step}
            where id = :id and version = :version + {step - 1} returning 1) select 1 / count(*) from changed;
            """;
    }
}
