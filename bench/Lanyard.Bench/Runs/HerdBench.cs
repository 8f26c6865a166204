using System.Globalization;
using System.Net.Sockets;
using Lanyard.Bench.Dispatch;
using Lanyard.Bench.Parts;
using Lanyard.Bench.Rows;

namespace Lanyard.Bench.Runs;

/// <summary>10,000 runners that only wait: what they cost, and how soon all stand in line again when the server was killed and comes back.</summary>
internal static class HerdBench
{
    private static readonly int Runners = int.Parse(Environment.GetEnvironmentVariable("BENCH_RUNS_RUNNERS") ?? "10000", CultureInfo.InvariantCulture);
    private const int AtOnce = 32;
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(15);

    public static async Task MeasureAsync(List<BenchRow> rows, List<string> notes)
    {
        await using var installation = await BenchInstallation.StartAsync();
        var herd = new Herd(installation);
        await Parallel.ForAsync(0, Runners, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (i, _) => await herd.AddAsync(i));

        // The first have waited for so long that their polls end and begin again: some are always on their way.
        await herd.StandAsync(Runners - (Runners / 100), TimeSpan.FromSeconds(300));
        var runners = Runners.ToString("N0", CultureInfo.InvariantCulture);
        rows.Add(BenchRow.Cost($"{runners} idle runners, memory (PSS)", MemoryUse.PssOf(installation.ServerId), 600, BenchRow.Limit, "MB"));

        await installation.RestartAsync();
        var began = TimeProvider.System.GetTimestamp();
        await herd.StandAsync(Runners, TimeSpan.FromSeconds(300));
        rows.Add(BenchRow.Cost($"{runners} runners stand in line again after a restart", TimeProvider.System.GetElapsedTime(began).TotalSeconds, 30, BenchRow.Limit, "s"));
        rows.Add(BenchRow.Cost("errors that they were answered meanwhile", herd.Errors, 0, BenchRow.Limit, "errors"));
        await herd.DisposeAsync();
        notes.Add("herd: measured once, on SQLite");
    }

    /// <summary>Each runner comes back as real ones do: full jitter over a window that doubles from 250 ms to 15 s.</summary>
    private sealed class Herd(BenchInstallation installation) : IAsyncDisposable
    {
        private readonly System.Collections.Concurrent.ConcurrentBag<Task> _polls = [];
        private readonly CancellationTokenSource _over = new();
        private int _standing;
        private int _errors;

        public int Errors => Volatile.Read(ref _errors);

        public async Task AddAsync(int number)
        {
            var bearer = await installation.AddRunnerAsync(number);
            _polls.Add(PollAsync(await BenchRunner.OpenAsync(installation.Url, bearer)));
        }

        /// <summary>Until so many polls wait at the server.</summary>
        public async Task StandAsync(int most, TimeSpan patience)
        {
            using var limit = new CancellationTokenSource(patience);
            var token = await installation.NewAdminTokenAsync();
            while (Volatile.Read(ref _standing) < most || !await WaitAsync(most, token))
                await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, limit.Token);
        }

        public async ValueTask DisposeAsync()
        {
            await _over.CancelAsync();
            await Task.WhenAll(_polls);
            _over.Dispose();
        }

        /// <summary>The server says itself how many wait.</summary>
        private async Task<bool> WaitAsync(int most, string token)
        {
            try
            {
                using var connection = await LeanHttp.ConnectAsync(installation.Url);
                var metrics = System.Text.Encoding.ASCII.GetString((await connection.SendAsync(
                    LeanHttp.Request(installation.Url, "GET", "/metrics", token, "text/plain", []))).Span);
                var line = metrics.Split('\n').FirstOrDefault(static line => line.StartsWith("lanyard_polls_waiting ", StringComparison.Ordinal) || line.StartsWith("lanyard_polls_waiting{", StringComparison.Ordinal));
                return line is not null && double.Parse(line.Split(' ')[^1], CultureInfo.InvariantCulture) >= most;
            }
            catch (Exception e) when (e is SocketException or InvalidOperationException)
            {
                return false; // not now: there is a limit to how often it is asked
            }
        }

        private async Task PollAsync(BenchRunner runner)
        {
            var failures = 0;
            while (!_over.IsCancellationRequested)
            {
                try
                {
                    Interlocked.Increment(ref _standing);
                    using var stop = _over.Token.Register(runner.Dispose);
                    await runner.PollAsync(50);
                    failures = 0;
                }
                catch (Exception e) when (e is SocketException or ObjectDisposedException or InvalidOperationException)
                {
                    if (e is InvalidOperationException && e is not ObjectDisposedException && e.Message != "the server closed the connection")
                        Interlocked.Increment(ref _errors);
                    runner.Dispose();
                    runner = await ReturnAsync(runner, failures++);
                }
                finally
                {
                    Interlocked.Decrement(ref _standing);
                }
            }
            runner.Dispose();
        }

        private async Task<BenchRunner> ReturnAsync(BenchRunner runner, int failures)
        {
            while (!_over.IsCancellationRequested)
            {
                var window = TimeSpan.FromMilliseconds(Math.Min(Longest.TotalMilliseconds, 250 * Math.Pow(2, Math.Min(failures++, 12))));
                await Task.Delay(window * Random.Shared.NextDouble(), TimeProvider.System);
                try
                {
                    return await runner.AgainAsync();
                }
                catch (SocketException)
                {
                    // Not there yet.
                }
            }
            return runner;
        }
    }
}
