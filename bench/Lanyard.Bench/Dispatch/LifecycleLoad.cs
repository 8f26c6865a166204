using System.Text;
using Lanyard.Bench.Parts;

namespace Lanyard.Bench.Dispatch;

/// <summary>Makes runs of the one definition.</summary>
internal sealed class RunCreator(LeanHttp http, BenchInstallation installation) : IDisposable
{
    private readonly byte[] _request = LeanHttp.Request(
        installation.Url, "POST", BenchInstallation.Runs, installation.AdminToken, "application/json", Encoding.ASCII.GetBytes("""{"definition":"build"}"""));

    public Task CreateAsync() => http.SendAsync(_request);

    public void Dispose() => http.Dispose();
}

/// <summary>Simulated runners, each of which makes a run, takes one (mostly another's), accepts, starts and ends it, and again.</summary>
internal sealed class LifecycleLoad : IDisposable
{
    private readonly List<(BenchRunner Runner, RunCreator Creator)> _pairs = [];

    public static async Task<LifecycleLoad> StartAsync(BenchInstallation installation, int runners)
    {
        var load = new LifecycleLoad();
        for (var i = 0; i < runners; i++)
        {
            var runner = await BenchRunner.OpenAsync(installation.Url, await installation.AddRunnerAsync(i));
            load._pairs.Add((runner, new RunCreator(await LeanHttp.ConnectAsync(installation.Url), installation)));
        }
        return load;
    }

    /// <returns>Runs that ended.</returns>
    public async Task<int> RunAsync(TimeSpan duration)
    {
        var began = TimeProvider.System.GetTimestamp();
        var done = await Task.WhenAll(_pairs.Select(pair => LoopAsync(pair.Runner, pair.Creator, began, duration)));
        return done.Sum();
    }

    public void Dispose()
    {
        foreach (var (runner, creator) in _pairs)
        {
            runner.Dispose();
            creator.Dispose();
        }
    }

    private static async Task<int> LoopAsync(BenchRunner runner, RunCreator creator, long began, TimeSpan duration)
    {
        var done = 0;
        while (TimeProvider.System.GetElapsedTime(began) < duration)
        {
            await creator.CreateAsync();
            if (await runner.PollAsync(20) is not { } offer)
                throw new InvalidOperationException("a run was made and none was offered");
            await runner.AcceptAsync(offer);
            await runner.FinishAsync(offer);
            done++;
        }
        return done;
    }
}
