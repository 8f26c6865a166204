using Lanyard.Server.Storage;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("5.2")]
public sealed class SqlitePodNamesMigrationTests() : PodNamesMigrationTests(DatabaseKind.Sqlite);

[Line("5.2")]
[Needs("postgres")]
public sealed class PostgresPodNamesMigrationTests() : PodNamesMigrationTests(DatabaseKind.Postgres);

/// <summary>A database of before, in which a runner has named another's pod as its own.</summary>
public abstract class PodNamesMigrationTests(DatabaseKind kind)
{
    [Fact]
    public async Task Pods_that_are_not_called_as_their_attempts_are_let_go_and_keep_nobody_out_any_more()
    {
        await using var test = await TestDatabase.CreateAsync(kind, migrate: false);
        var all = Migrations.Of(test.Database.Dialect);
        await test.Database.TransactionAsync(t => Migrations.RunAsync(t, [.. all.Where(static m => string.CompareOrdinal(m.Name, "0198") < 0)], TimeProvider.System));
        foreach (var (run, attempt, name, uid) in ((string, int, string, string)[])[
            ("run_a", 1, "run-a-1-x7k2p", "u1"), ("run_b", 1, "run-c-1-x7k2p", "u2"), ("run_d", 11, "run-d-1-x7k2p", "u3"), ("run_e", 11, "run-e-11-x7k2p", "u4")])
        {
            await AddRunAsync(test.Database, run);
            await AddPodAsync(test.Database, run, attempt, name, uid);
        }

        await test.Database.MigrateAsync(TimeProvider.System);

        Assert.Equal(["run_a", "run_e"], await test.Database.QueryAsync($"select run from attempt_pods order by run", static row => row.GetString(0)));
        await AddPodAsync(test.Database, "run_b", 1, "run-b-1-x7k2p", "u1");
    }

    private static Task<int> AddRunAsync(Database database, string run) => database.ExecuteAsync(
        $"""
        insert into runs (id, workspace, collection, definition, queue, priority, phase, timeout_seconds, state, waiting, live, attempt, attempt_state, accepts, deadline, stop_by,
            offered_at, accepted_at, started_at, ended_at, log_bytes, log_complete, cancel_requested_at, created_at, finished_at, version)
        values ({run}, 'ws_1', 'col_1', 'def_1', 'col_1', 0, 'run', 60, 'running', false, true, 1, 'running', 1, 0, 0, 0, 0, 0, 0, 0, false, 0, 0, 0, 1)
        """);

    private static Task<int> AddPodAsync(Database database, string run, int attempt, string name, string uid) => database.ExecuteAsync(
        $"""
        insert into attempt_pods (run, attempt, runner, trust_record, namespace, name, uid, service_account, bound_at)
        values ({run}, {attempt}, 'rnr_1', 'clu_1', 'runs', {name}, {uid}, 'run', 1)
        """);
}
