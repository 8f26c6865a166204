using System.Globalization;
using Lanyard.Bench.Dispatch;
using Lanyard.Bench.Parts;
using Lanyard.Bench.Rows;
using Lanyard.Protocol.Runs;
using Lanyard.Testing;

namespace Lanyard.Bench.Runs;

/// <summary>
/// Whole runs out of a full queue on PostgreSQL (polled for, accepted, started, ended; the audit on): against the same statements by pgbench, graphile-worker, and pg-boss,
/// all on the same PostgreSQL with the same durability, each in every round.
/// </summary>
internal static class DrainBench
{
    private const int Clients = 8;
    private const int WideRunners = 4;
    private const int Batch = 50;
    private const int Jobs = 3000;
    private const int WideJobs = 9000;
    private const string Runs = "runs / s";
    private static readonly string WideName = $"whole runs, {WideRunners} runners that take 50 at once";

    public static async Task MeasureAsync(List<BenchRow> rows, List<string> notes)
    {
        var postgres = await PostgresServer.SharedAsync() ?? throw new InvalidOperationException("PostgreSQL is missing");
        var same = await SameStatements.PrepareAsync(postgres);
        var peers = Psql.NameOf(await postgres.CreateDatabaseAsync());
        var location = await postgres.CreateDatabaseAsync();
        await using var installation = await BenchInstallation.StartAsync(location);
        await using var load = await Drain.StartAsync(installation, new Psql(postgres, Psql.NameOf(location)), () => [Cpu.Of(installation.ServerId), Cpu.OfFamily(postgres.Id), Cpu.OfSelf]);
        using var graphile = await NodePeer.StartAsync("graphile.mjs", postgres.SocketFolder, PostgresServer.User, peers);
        using var boss = await NodePeer.StartAsync("pgboss.mjs", postgres.SocketFolder, PostgresServer.User, peers);
        await WarmUp.RunAsync(async () => (await load.SingleAsync(Jobs))["single"]);
        await WarmUp.RunAsync(async () => (await load.BatchedAsync(WideJobs))["batched"]);
        var series = 1000;
        var medians = await new RoundLoop("drain", [installation.ServerId, postgres.Id, graphile.Id, boss.Id], TimeSpan.FromSeconds(150)).RunAsync(async () => new(
        [
            .. await load.SingleAsync(Jobs),
            new("pgbench", await same.MeasureAsync(Jobs, series++, Clients)),
            .. await load.BatchedAsync(WideJobs),
            new("graphile", await graphile.MeasureAsync(WideJobs.ToString(CultureInfo.InvariantCulture))),
            new("boss", await boss.MeasureAsync(WideJobs.ToString(CultureInfo.InvariantCulture))),
        ]));
        rows.Add(BenchRow.Rate("whole runs, 8 runners, one at a time", medians["single"], medians["pgbench"], "pgbench, the same statements", Runs, 0.6));
        rows.Add(BenchRow.Rate(WideName, medians["batched"], medians["graphile"], "graphile-worker 0.17.3, concurrency 10", Runs, 2));
        rows.Add(BenchRow.Rate(WideName, medians["batched"], medians["boss"], "pg-boss 10.4.2, batches of 100", Runs, 1));
        notes.Add($"drain: {medians.Note}");
        foreach (var how in (string[])["single", "batched"])
            notes.Add($"CPU for a run, {how}: {string.Join(", ", Drain.Parts.Select(part => FormattableString.Invariant($"{part} {medians[$"{how}, {part}"]:0.00} ms")))}");
    }

    private static async Task<List<BenchRunner>> RunnersAsync(BenchInstallation installation, int count)
    {
        var runners = new List<BenchRunner>();
        for (var i = 0; i < count; i++)
            runners.Add(await BenchRunner.OpenAsync(installation.Url, await installation.AddRunnerAsync(i), 1));
        return runners;
    }

    private static async Task<List<WideRunner>> WideRunnersAsync(BenchInstallation installation, int count)
    {
        var runners = new List<WideRunner>();
        for (var i = 0; i < count; i++)
            runners.Add(await WideRunner.OpenAsync(installation.Url, await installation.AddRunnerAsync(100 + i), Batch));
        return runners;
    }

    /// <param name="cpu">Seconds that each of <see cref="Parts"/> has used.</param>
    internal sealed class Drain(Psql psql, List<BenchRunner> single, List<WideRunner> wide, Func<double[]> cpu) : IAsyncDisposable
    {
        public static readonly IReadOnlyList<string> Parts = ["server", "PostgreSQL", "load"];
        private int _series = 1000;

        public static async Task<Drain> StartAsync(BenchInstallation installation, Psql psql, Func<double[]> cpu)
        {
            await installation.CreateRunAsync("main");
            await Backlog.TakeOriginalsAsync(psql);
            return new(psql, await RunnersAsync(installation, Clients), await WideRunnersAsync(installation, WideRunners), cpu);
        }

        public Task<Dictionary<string, double>> SingleAsync(int runs) => TimedAsync("single", runs, async () =>
        {
            var left = runs;
            await Task.WhenAll(single.Select(async runner =>
            {
                while (Volatile.Read(ref left) > 0)
                {
                    if (await runner.PollAsync(0) is not { } offer)
                        continue;
                    Interlocked.Decrement(ref left);
                    await runner.AcceptAsync(offer);
                    await runner.FinishAsync(offer);
                }
            }));
        });

        public Task<Dictionary<string, double>> BatchedAsync(int runs) => TimedAsync("batched", runs, async () =>
        {
            var left = new WideRunner.Left(runs);
            await Task.WhenAll(wide.Select(runner => runner.DrainAsync(left)));
        });

        public ValueTask DisposeAsync()
        {
            single.ForEach(static runner => runner.Dispose());
            wide.ForEach(static runner => runner.Dispose());
            return ValueTask.CompletedTask;
        }

        /// <returns>Runs a second, and the CPU-milliseconds that a run cost each part.</returns>
        private async Task<Dictionary<string, double>> TimedAsync(string name, int runs, Func<Task> work)
        {
            await Backlog.FillAsync(psql, runs, "", _series++);
            // The server hears of runs that went past it when it reads its queues, every five seconds.
            await Task.Delay(TimeSpan.FromSeconds(6), TimeProvider.System);
            var (began, before) = (TimeProvider.System.GetTimestamp(), cpu());
            await work();
            var seconds = TimeProvider.System.GetElapsedTime(began).TotalSeconds;
            return new(Parts.Zip(cpu(), before).Select(part => KeyValuePair.Create($"{name}, {part.First}", (part.Second - part.Third) * 1000 / runs)).Prepend(KeyValuePair.Create(name, runs / seconds)));
        }
    }
}
