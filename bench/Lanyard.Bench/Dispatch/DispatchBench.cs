using Lanyard.Bench.Parts;
using Lanyard.Bench.Rows;
using Lanyard.Testing;

namespace Lanyard.Bench.Dispatch;

/// <summary>How fast a waiting runner gets a run, how many whole runs a server takes, what idle runners cost, and how fast a step has its token.</summary>
internal static class DispatchBench
{
    private const int RunsARound = 100;

    public static async Task<(List<BenchRow> Rows, string Note)> RunAsync()
    {
        var rows = new List<BenchRow>();
        var notes = new List<string>();
        await LatencyAsync("SQLite", null, [], rows, notes);
        var postgres = await PostgresServer.SharedAsync() ?? throw new InvalidOperationException("PostgreSQL is missing");
        await LatencyAsync("PostgreSQL", await postgres.CreateDatabaseAsync(), [postgres.Id], rows, notes);
        await LifecyclesAsync(rows, notes);
        await IdleRunners.MeasureAsync(rows);
        await TokenCommand.MeasureAsync(rows, notes);
        return (rows, string.Join("\n", notes));
    }

    /// <summary>From before the request that makes the run until after the answer to its accept: more than from queued to accepted.</summary>
    private static async Task LatencyAsync(string name, string? database, int[] processes, List<BenchRow> rows, List<string> notes)
    {
        await using var installation = await BenchInstallation.StartAsync(database);
        using var runner = await BenchRunner.OpenAsync(installation.Url, await installation.AddRunnerAsync(0));
        using var creator = new RunCreator(await LeanHttp.ConnectAsync(installation.Url), installation);
        await WarmUp.RunAsync(async () => 1 / Samples.Median(await RoundAsync(runner, creator)));
        var medians = await new RoundLoop($"latency on {name}", [installation.ServerId, .. processes], TimeSpan.FromSeconds(15)).RunAsync(async () =>
        {
            var times = await RoundAsync(runner, creator);
            return new() { ["p50"] = Samples.Median(times), ["p99"] = Samples.Percentile(times, 0.99) };
        });
        rows.Add(BenchRow.Cost($"queued to accepted, p50, {name}", medians["p50"], 10, BenchRow.Limit, "ms"));
        rows.Add(BenchRow.Cost($"queued to accepted, p99, {name}", medians["p99"], 50, BenchRow.Limit, "ms"));
        notes.Add($"queued to accepted, {name}: {medians.Note}");
    }

    private static async Task<List<double>> RoundAsync(BenchRunner runner, RunCreator creator)
    {
        var times = new List<double>(RunsARound);
        for (var i = 0; i < RunsARound; i++)
        {
            var polled = runner.PollAsync(20);
            await Task.Delay(TimeSpan.FromMilliseconds(3), TimeProvider.System);
            var began = TimeProvider.System.GetTimestamp();
            var created = creator.CreateAsync();
            var offer = await polled ?? throw new InvalidOperationException("no offer came");
            await runner.AcceptAsync(offer);
            times.Add(TimeProvider.System.GetElapsedTime(began).TotalMilliseconds);
            await created;
            await runner.FinishAsync(offer);
        }
        return times;
    }

    private static async Task LifecyclesAsync(List<BenchRow> rows, List<string> notes)
    {
        await using var installation = await BenchInstallation.StartAsync();
        var load = await LifecycleLoad.StartAsync(installation, runners: 32);
        await WarmUp.RunAsync(async () => await load.RunAsync(TimeSpan.FromSeconds(3)));
        var medians = await new RoundLoop("lifecycles", [installation.ServerId], TimeSpan.FromSeconds(30)).RunAsync(async () =>
        {
            var (cpu, began) = (Cpu.Of(installation.ServerId), TimeProvider.System.GetTimestamp());
            var done = await load.RunAsync(TimeSpan.FromSeconds(3));
            return new()
            {
                ["wall"] = done / TimeProvider.System.GetElapsedTime(began).TotalSeconds,
                ["cpu"] = done / (Cpu.Of(installation.ServerId) - cpu),
            };
        });
        load.Dispose();
        rows.Add(BenchRow.Rate("whole runs, 32 runners, SQLite", medians["wall"], 1000, BenchRow.Limit, "runs / s", 1));
        rows.Add(BenchRow.Rate("whole runs, 32 runners, SQLite, by the server's CPU", medians["cpu"], 1000, BenchRow.Limit, "runs / CPU-s", 1));
        notes.Add($"whole runs: {medians.Note}");
    }
}
