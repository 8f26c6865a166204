using System.Diagnostics.Metrics;
using Lanyard.Server.Collections;
using Lanyard.Protocol.Telemetry;
using Lanyard.Server.Http;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Runs;

/// <summary>How many runs of a queue are in a state.</summary>
/// <param name="State"><see cref="QueueDepths.Runnable"/>, or the state of an attempt.</param>
/// <param name="Oldest">Unix milliseconds of the oldest one's creation; 0 where that was not asked.</param>
internal sealed record Depth(string Queue, string State, long Count, long Oldest);

/// <summary>
/// What an autoscaler and an on-call person look at: how many runs could go on if there were a runner, how many do, and how many wait for a human and need none. Counted over two
/// partial indexes at most once in ten seconds, whoever asks: many scrapers are no load, and neither is a long backlog.
/// </summary>
internal sealed class QueueDepths(Database database, CollectionDirectory collections, Dispatch dispatch, LogTails tails, TimeProvider time) : IDisposable
{
    public const string Runnable = "runnable";
    public static readonly TimeSpan Fresh = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private readonly SemaphoreSlim _counting = new(1, 1);
    private IReadOnlyList<Depth> _depths = [];
    private long _counted;

    public async ValueTask<IReadOnlyList<Depth>> GetAsync(CancellationToken cancellationToken)
    {
        await _counting.WaitAsync(cancellationToken);
        try
        {
            if (_counted == 0 || time.GetElapsedTime(_counted) >= Fresh)
            {
                var began = time.GetTimestamp();
                _depths = await CountAsync(cancellationToken);
                _counted = began;
            }
            return _depths;
        }
        finally
        {
            _counting.Release();
        }
    }

    public async Task WriteAsync(PrometheusText text, CancellationToken cancellationToken)
    {
        var depths = await GetAsync(cancellationToken);
        text.Begin("lanyard_runs", "gauge", "Runs that are not over, by what they ask of a runner: runnable (a runner could take it), offered, accepted, running, canceling, waiting_for_human.");
        foreach (var depth in depths)
        {
            if (LabelsOf(depth) is { } labels)
                text.Add("lanyard_runs", depth.Count, labels);
        }
        text.Begin("lanyard_runs_oldest_seconds", "gauge", "How long the oldest runnable run has been there.");
        foreach (var depth in depths.Where(static d => d.Oldest != 0))
        {
            if (LabelsOf(depth) is { } labels)
                text.Add("lanyard_runs_oldest_seconds", AgeOf(depth), labels.AsSpan(0, labels.Length - 1));
        }
        text.Begin("lanyard_polls_waiting", "gauge", "Runners of this replica that wait for work.");
        text.Add("lanyard_polls_waiting", dispatch.Waiting);
        text.Begin("lanyard_log_followers", "gauge", "Streams of logs on this replica.");
        text.Add("lanyard_log_followers", tails.Followers);
    }

    /// <summary>The same for an OpenTelemetry SDK.</summary>
    public void ObserveBy(RunMetrics metrics)
    {
        metrics.Observe("lanyard.runs", null, () => Measure(Depths, static depth => depth.Count, static labels => labels));
        metrics.Observe("lanyard.runs.oldest", "s", () => Measure(Depths.Where(static d => d.Oldest != 0), depth => (long)AgeOf(depth), static labels => labels[..^1]));
        metrics.Observe("lanyard.polls.waiting", null, () => [new(dispatch.Waiting)]);
        metrics.Observe("lanyard.log.followers", null, () => [new(tails.Followers)]);
    }

    /// <summary>An SDK asks on a thread of its own and can't wait otherwise. Where the database is away: what was counted last.</summary>
    private IReadOnlyList<Depth> Depths
    {
        get
        {
            try
            {
                using var limit = new CancellationTokenSource(Patience, time);
                GetAsync(limit.Token).AsTask().GetAwaiter().GetResult();
            }
            catch (Exception e) when (e is System.Data.Common.DbException or OperationCanceledException or TimeoutException)
            {
                // Told again the next time.
            }
            return _depths;
        }
    }

    private IEnumerable<Measurement<long>> Measure(IEnumerable<Depth> depths, Func<Depth, long> value, Func<(string Name, string Value)[], (string Name, string Value)[]> some) =>
        depths.Select(depth => (Depth: depth, Labels: LabelsOf(depth))).Where(static d => d.Labels is not null).Select(d =>
            new Measurement<long>(value(d.Depth), some(d.Labels!).Select(static l => new KeyValuePair<string, object?>(l.Name, l.Value))));

    /// <summary>In seconds.</summary>
    private double AgeOf(Depth depth) => Math.Max(0, time.GetUtcNow().ToUnixTimeMilliseconds() - depth.Oldest) / 1000.0;

    public void Dispose() => _counting.Dispose();

    private async Task<IReadOnlyList<Depth>> CountAsync(CancellationToken cancellationToken)
    {
        var waiting = await database.QueryAsync(
            $"select queue, count(*), min(id) from runs where waiting group by queue",
            static row => new Depth(row.GetString(0), Runnable, row.GetInt64(1), Ids.TryParse(row.GetString(2), "run", out var id) ? Ids.TimeOf(id) : 0),
            cancellationToken);
        var live = await database.QueryAsync(
            $"select queue, attempt_state, count(*) from runs where live group by queue, attempt_state",
            static row => new Depth(row.GetString(0), row.GetString(1), row.GetInt64(2), 0),
            cancellationToken);
        var held = await database.QueryAsync(
            $"select queue, count(*) from runs where held group by queue", static row => new Depth(row.GetString(0), "waiting_for_human", row.GetInt64(1), 0), cancellationToken);
        return [.. waiting, .. live, .. held];
    }

    /// <summary>The state is the last. Null where the collection is gone.</summary>
    private (string Name, string Value)[]? LabelsOf(Depth depth)
    {
        var key = QueueKey.Parse(depth.Queue);
        return collections.FindById(key.Collection) is { } collection
            ? [("workspace", collection.Workspace.Slug), ("collection", collection.Slug), ("labels", string.Join(',', key.Labels)), ("runner", key.Runner ?? ""), ("state", depth.State)]
            : null;
    }
}
