using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json.Nodes;
using Lanyard.Cli.Runner.Server;
using Microsoft.Extensions.Logging;

namespace Lanyard.Cli.Runner.Kubernetes;

/// <summary>
/// Clears away Jobs of this runner: finished ones when they have been kept for long enough, and orphans, which no process of this runner ever held:
/// the server has given their attempts to somebody else, and their pods get nothing from it any more. What is held is left alone, whatever a list shows.
/// </summary>
internal sealed class JobSweeper(ClusterApi cluster, string selector, TimeSpan keep, TimeProvider time, ILogger log) : IAsyncDisposable
{
    private static readonly TimeSpan Every = TimeSpan.FromMinutes(1);


    /// <summary>So long may a Job take to be finished after its attempt has come to its end here. What could not be deleted then is deleted afterwards.</summary>
    private static readonly TimeSpan Finishing = TimeSpan.FromMinutes(5);

    /// <summary>When an attempt was left (<see cref="TimeProvider.GetTimestamp"/>); null: it is held. What is left and gone is not remembered for ever.</summary>
    private readonly ConcurrentDictionary<AttemptKey, long?> _held = new();
    private readonly CancellationTokenSource _stop = new();
    private Task _running = Task.CompletedTask;

    public void Start(IEnumerable<AttemptKey> held)
    {
        foreach (var key in held)
        {
            Held(key);
        }

        _running = RunAsync();
    }

    /// <summary>From now on the Job of this attempt is no orphan: whoever holds it ends it.</summary>
    public void Held(AttemptKey key) => _held[key] = null;

    /// <summary>Whoever held it has done what could be done.</summary>
    public void Left(AttemptKey key) => _held[key] = time.GetTimestamp();

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        _stop.Dispose();
    }

    internal static bool IsFinished(JsonObject job) => FinishedAt(job) is not null;

    internal static AttemptKey? KeyOf(JsonObject job)
    {
        var labels = job["metadata"]?["labels"];
        var number = ClusterApi.Text(labels?[JobManifest.AttemptLabel]);
        return ClusterApi.Text(labels?[JobManifest.RunLabel]) is { } run && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var attempt)
            && new AttemptKey(run, attempt) is { IsWellFormed: true } key
            && ClusterApi.Text(job["metadata"]?["name"]) == JobManifest.NameOf(key)
            ? key
            : null;
    }

    /// <summary>Whether it is to be deleted now.</summary>
    private bool IsDue(JsonObject job, AttemptKey key)
    {
        var isKnown = _held.TryGetValue(key, out var left);
        return !(isKnown && left is null)
            && (FinishedAt(job) is { } finished ? time.GetUtcNow() - finished > keep : left is not { } at || time.GetElapsedTime(at) > Finishing);
    }

    private static DateTimeOffset? FinishedAt(JsonObject job)
    {
        var end = (job["status"]?["conditions"] as JsonArray ?? []).OfType<JsonObject>().FirstOrDefault(condition =>
            ClusterApi.Text(condition["type"]) is "Complete" or "Failed" && ClusterApi.Text(condition["status"]) == "True");
        return end is null ? null
            : DateTimeOffset.TryParse(ClusterApi.Text(end["lastTransitionTime"]), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) ? at
            : DateTimeOffset.MinValue;
    }

    private async Task RunAsync()
    {
        try
        {
            while (true)
            {
                await Task.Delay(Every * (0.8 + (0.4 * Jitter.Fraction())), time, _stop.Token);
                try
                {
                    await SweepAsync();
                }
                catch (Exception exception) when (exception is not (OutOfMemoryException or OperationCanceledException))
                {
                    log.SweepFailed(exception); // the next one may go better
                }
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The runner goes.
        }
    }

    internal async Task SweepAsync()
    {
        if ((await cluster.ListJobsAsync(selector, _stop.Token)).Items is not { } jobs)
        {
            return;
        }

        var present = jobs.Select(KeyOf).OfType<AttemptKey>().ToHashSet();
        foreach (var gone in _held.Where(held => held.Value is not null && !present.Contains(held.Key)))
        {
            _held.TryRemove(gone);
        }

        foreach (var job in jobs)
        {
            if (KeyOf(job) is { } key && JobManifest.UidOf(job) is { } uid && IsDue(job, key)
                && await cluster.DeleteJobAsync(JobManifest.NameOf(key), uid, _stop.Token) is { IsSuccess: true } or { IsMissing: true })
            {
                log.JobSwept(key);
                _held.TryRemove(key, out _);
            }
        }
    }
}
