using Lanyard.Bench.Parts;
using Lanyard.Bench.Rows;

namespace Lanyard.Bench.Dispatch;

/// <summary>What runners cost that only wait: each has a connection and a long poll.</summary>
internal static class IdleRunners
{
    private const int Runners = 5000;
    private const int AtOnce = 16;
    private static readonly TimeSpan Watched = TimeSpan.FromSeconds(20);

    public static async Task MeasureAsync(List<BenchRow> rows)
    {
        await using var installation = await BenchInstallation.StartAsync();
        var runners = new BenchRunner[Runners];
        await Parallel.ForAsync(0, Runners, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (i, _) =>
            runners[i] = await BenchRunner.OpenAsync(installation.Url, await installation.AddRunnerAsync(i)));
        var polls = runners.Select(static runner => PollAsync(runner)).ToArray();
        // Until every poll stands in line; then the server has nothing to do but to wait.
        await Task.Delay(TimeSpan.FromSeconds(8), TimeProvider.System);
        var cpu = Cpu.Of(installation.ServerId);
        await Task.Delay(Watched, TimeProvider.System);
        rows.Add(BenchRow.Cost("5,000 idle runners, share of a core", (Cpu.Of(installation.ServerId) - cpu) / Watched.TotalSeconds * 100, 3, BenchRow.Limit, "%"));
        rows.Add(BenchRow.Cost("5,000 idle runners, memory (PSS)", MemoryUse.PssOf(installation.ServerId), 200, BenchRow.Limit, "MB"));
        foreach (var runner in runners)
            runner.Dispose();
        await Task.WhenAll(polls);
    }

    private static async Task PollAsync(BenchRunner runner)
    {
        try
        {
            while (true)
                await runner.PollAsync(50);
        }
        catch (Exception e) when (e is System.Net.Sockets.SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // The measuring is over.
        }
    }
}
