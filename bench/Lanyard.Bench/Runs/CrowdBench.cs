using System.Collections.Concurrent;
using Lanyard.Bench.Dispatch;
using Lanyard.Bench.Parts;
using Lanyard.Bench.Rows;
using Lanyard.Testing;

namespace Lanyard.Bench.Runs;

/// <summary>From before the request that makes a run until after the answer to its accept, with 1,000 runners that wait on 100 collections and 200,000 runs that no runner can take.</summary>
internal static class CrowdBench
{
    private const int Collections = 100;
    private const int Runners = 1000;
    private const int Waiting = 200_000;
    private const int RunsARound = 200;

    public static async Task MeasureAsync(List<BenchRow> rows, List<string> notes)
    {
        var postgres = await PostgresServer.SharedAsync() ?? throw new InvalidOperationException("PostgreSQL is missing");
        var location = await postgres.CreateDatabaseAsync();
        await using var installation = await BenchInstallation.StartAsync(location);
        var psql = new Psql(postgres, Psql.NameOf(location));
        await installation.AddCollectionsAsync(Collections);
        await Backlog.TakeOriginalsAsync(psql);
        await Backlog.FillAsync(psql, Waiting / Collections, "nobody", 2000);
        await using var crowd = await Crowd.StartAsync(installation);
        await WarmUp.RunAsync(async () => 1 / Samples.Median(await crowd.RoundAsync(RunsARound)));
        var medians = await new RoundLoop("crowd", [installation.ServerId, postgres.Id], TimeSpan.FromSeconds(60)).RunAsync(async () =>
        {
            var times = await crowd.RoundAsync(RunsARound);
            return new() { ["p50"] = Samples.Median(times), ["p99"] = Samples.Percentile(times, 0.99) };
        });
        rows.Add(BenchRow.Cost("queued to accepted, p50, 1,000 runners, 100 collections, 200,000 runs behind", medians["p50"], 10, BenchRow.Limit, "ms"));
        rows.Add(BenchRow.Cost("queued to accepted, p99, 1,000 runners, 100 collections, 200,000 runs behind", medians["p99"], 50, BenchRow.Limit, "ms"));
        notes.Add($"crowd: {medians.Note}");
    }

    private sealed class Crowd(BenchInstallation installation, LeanHttp creator) : IAsyncDisposable
    {
        private readonly List<BenchRunner> _runners = [];
        private readonly ConcurrentDictionary<string, TaskCompletionSource<long>> _accepted = new();
        private readonly Random _random = new(7);
        private Task _polls = Task.CompletedTask;

        public static async Task<Crowd> StartAsync(BenchInstallation installation)
        {
            var crowd = new Crowd(installation, await LeanHttp.ConnectAsync(installation.Url));
            for (var i = 0; i < Runners; i++)
                crowd._runners.Add(await BenchRunner.OpenAsync(installation.Url, await installation.AddRunnerAsync(i, $"c{i % Collections}", $"c{(i + 1) % Collections}")));
            crowd._polls = Task.WhenAll(crowd._runners.Select(crowd.PollAsync));

            // The one run that each collection was made with goes first.
            await Task.Delay(TimeSpan.FromSeconds(8), TimeProvider.System);
            return crowd;
        }

        public async Task<double[]> RoundAsync(int runs)
        {
            var times = new double[runs];
            var token = await installation.NewAdminTokenAsync();
            for (var i = 0; i < runs; i++)
            {
                var request = LeanHttp.Request(
                    installation.Url, "POST", $"/v1/workspaces/acme/collections/c{_random.Next(Collections)}/runs", token, "application/json", """{"definition":"build"}"""u8);
                var began = TimeProvider.System.GetTimestamp();
                var body = await creator.SendAsync(request);
                var id = System.Text.Json.JsonDocument.Parse(body).RootElement.GetProperty("id").GetString()!;
                var at = await _accepted.GetOrAdd(id, static _ => new(TaskCreationOptions.RunContinuationsAsynchronously)).Task.WaitAsync(TimeSpan.FromSeconds(60), TimeProvider.System);
                times[i] = TimeProvider.System.GetElapsedTime(began, at).TotalMilliseconds;
            }
            return times;
        }

        public async ValueTask DisposeAsync()
        {
            creator.Dispose();
            foreach (var runner in _runners)
                runner.Dispose();
            await _polls;
        }

        private async Task PollAsync(BenchRunner runner)
        {
            try
            {
                while (true)
                {
                    if (await runner.PollAsync(50) is not { } offer)
                        continue;
                    await runner.AcceptAsync(offer);
                    _accepted.GetOrAdd(offer.Run, static _ => new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult(TimeProvider.System.GetTimestamp());
                    await runner.FinishAsync(offer);
                }
            }
            catch (Exception e) when (e is System.Net.Sockets.SocketException or ObjectDisposedException or InvalidOperationException)
            {
                // The measuring is over.
            }
        }
    }
}
