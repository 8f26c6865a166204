using System.Globalization;
using Lanyard.Bench.Dispatch;
using Lanyard.Bench.Parts;
using Lanyard.Bench.Rows;
using Lanyard.Protocol.Runs;
using Lanyard.Testing;

namespace Lanyard.Bench.Runs;

/// <summary>
/// Whole runs out of a full queue on PostgreSQL (polled for, accepted, started, ended; the audit on): against claim and complete by pgbench, graphile-worker, and pg-boss,
/// all on the same PostgreSQL with the same durability, each in every round.
/// </summary>
internal static class DrainBench
{
    private const int Clients = 8;
    private const int Batch = 50;
    private const int Jobs = 3000;
    private const string Runs = "runs / s";

    private const string ClaimAndComplete = """
        update bench_jobs set waiting = false, state = 'running', taken = now()
        where id = (select id from bench_jobs where queue = 'q' and waiting order by priority desc, id limit 1 for update skip locked) returning id \gset
        update bench_jobs set state = 'done', ended = now() where id = :id;
        """;

    public static async Task MeasureAsync(List<BenchRow> rows, List<string> notes)
    {
        var postgres = await PostgresServer.SharedAsync() ?? throw new InvalidOperationException("PostgreSQL is missing");
        var location = await postgres.CreateDatabaseAsync();
        var peers = await PeersDatabaseAsync(postgres);
        await using var installation = await BenchInstallation.StartAsync(location);
        var psql = new Psql(postgres, Psql.NameOf(location));
        await installation.CreateRunAsync("main");
        await Backlog.TakeOriginalsAsync(psql);
        using var graphile = await NodePeer.StartAsync("graphile.mjs", postgres.SocketFolder, PostgresServer.User, peers.Name);
        using var boss = await NodePeer.StartAsync("pgboss.mjs", postgres.SocketFolder, PostgresServer.User, peers.Name);
        var single = await RunnersAsync(installation, Clients);
        var wide = await WideRunner.OpenAsync(installation.Url, await installation.AddRunnerAsync(100), Batch);
        await using var load = new Drain(psql, single, wide);
        await load.SingleAsync(Jobs);
        await load.BatchedAsync(Jobs);
        var medians = await new RoundLoop("drain", [installation.ServerId, postgres.Id, graphile.Id, boss.Id], TimeSpan.FromSeconds(150)).RunAsync(async () => new()
        {
            ["single"] = await load.SingleAsync(Jobs),
            ["pgbench"] = await peers.Psql.BenchAsync(ClaimAndComplete, Clients, 4),
            ["batched"] = await load.BatchedAsync(Jobs),
            ["graphile"] = await graphile.MeasureAsync(Jobs.ToString(CultureInfo.InvariantCulture)),
            ["boss"] = await boss.MeasureAsync((2 * Jobs).ToString(CultureInfo.InvariantCulture)),
        });
        rows.Add(BenchRow.Rate("whole runs, 8 runners, one at a time", medians["single"], medians["pgbench"], "pgbench, claim + complete", Runs, 0.6));
        rows.Add(BenchRow.Rate("whole runs, a runner that takes 50 at once", medians["batched"], medians["graphile"], "graphile-worker 0.17.3, concurrency 10", Runs, 2));
        rows.Add(BenchRow.Rate("whole runs, a runner that takes 50 at once", medians["batched"], medians["boss"], "pg-boss 10.4.2, batches of 100", Runs, 1));
        notes.Add($"drain: {medians.Note}");
    }

    private static async Task<(string Name, Psql Psql)> PeersDatabaseAsync(PostgresServer postgres)
    {
        var name = Psql.NameOf(await postgres.CreateDatabaseAsync());
        var psql = new Psql(postgres, name);
        await psql.ExecuteAsync(
            """
            create table bench_jobs (id bigint primary key, queue text not null, priority int not null, waiting boolean not null, state text not null, payload text not null, taken timestamptz, ended timestamptz);
            insert into bench_jobs select n, 'q', 0, true, 'queued', repeat('x', 500), null, null from generate_series(1, 300000) n;
            create index bench_jobs_queue on bench_jobs (queue, priority desc, id) where waiting;
            """);
        await psql.ExecuteAsync("vacuum analyze bench_jobs");
        return (name, psql);
    }

    private static async Task<List<BenchRunner>> RunnersAsync(BenchInstallation installation, int count)
    {
        var runners = new List<BenchRunner>();
        for (var i = 0; i < count; i++)
            runners.Add(await BenchRunner.OpenAsync(installation.Url, await installation.AddRunnerAsync(i), 1));
        return runners;
    }

    private sealed class Drain(Psql psql, List<BenchRunner> single, WideRunner wide) : IAsyncDisposable
    {
        private int _series = 1000;

        /// <returns>Runs a second.</returns>
        public Task<double> SingleAsync(int runs) => TimedAsync(runs, async left =>
        {
            await Task.WhenAll(single.Select(async runner =>
            {
                while (Volatile.Read(ref left.Value) > 0)
                {
                    if (await runner.PollAsync(1) is not { } offer)
                        continue;
                    await runner.AcceptAsync(offer);
                    await runner.FinishAsync(offer);
                    Interlocked.Decrement(ref left.Value);
                }
            }));
        });

        /// <returns>Runs a second.</returns>
        public Task<double> BatchedAsync(int runs) => TimedAsync(runs, _ => wide.DrainAsync(runs));

        public ValueTask DisposeAsync()
        {
            single.ForEach(static runner => runner.Dispose());
            wide.Dispose();
            return ValueTask.CompletedTask;
        }

        private async Task<double> TimedAsync(int runs, Func<Left, Task> work)
        {
            await Backlog.FillAsync(psql, runs, "", _series++);
            // The server hears of runs that went past it when it reads its queues, every five seconds.
            await Task.Delay(TimeSpan.FromSeconds(6), TimeProvider.System);
            var began = TimeProvider.System.GetTimestamp();
            await work(new Left { Value = runs });
            return runs / TimeProvider.System.GetElapsedTime(began).TotalSeconds;
        }
    }

    private sealed class Left
    {
        public int Value;
    }
}
