using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json.Nodes;
using Lanyard.Cli.Runner.Server;
using Microsoft.Extensions.Logging;

namespace Lanyard.Cli.Runner.Kubernetes;

/// <summary>
/// Clears away Jobs of this runner: finished ones when they have been kept for long enough, and orphans, which no process of this runner ever held:
/// the server has given their attempts to somebody else, and their pods get nothing from it any more.
/// </summary>
internal sealed class JobSweeper(ClusterApi cluster, string selector, TimeSpan keep, TimeProvider time, ILogger log) : IAsyncDisposable
{
    private static readonly TimeSpan Every = TimeSpan.FromMinutes(1);

    /// <summary>Whether the Job was seen since: one that is gone again (Kubernetes clears finished ones away itself) is not remembered for ever.</summary>
    private readonly ConcurrentDictionary<AttemptKey, bool> _held = new();
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
    public void Held(AttemptKey key) => _held[key] = false;

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
    internal static bool IsDue(JsonObject job, bool isHeld, TimeSpan keep, DateTimeOffset now) =>
        FinishedAt(job) is { } finished ? now - finished > keep : !isHeld;

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
                await SweepAsync();
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The runner goes.
        }
    }

    /// <summary>What was held and never seen may be about to be made.</summary>
    private void Remember(HashSet<AttemptKey> present)
    {
        foreach (var held in _held)
        {
            if (present.Contains(held.Key))
            {
                _held[held.Key] = true;
            }
            else if (held.Value)
            {
                _held.TryRemove(held);
            }
        }
    }

    internal async Task SweepAsync()
    {
        var list = await cluster.ListJobsAsync(selector, _stop.Token);
        if (list is not { IsSuccess: true, Body: { } body })
        {
            return;
        }

        var jobs = (body["items"] as JsonArray ?? []).OfType<JsonObject>().ToList();
        Remember([.. jobs.Select(KeyOf).OfType<AttemptKey>()]);
        foreach (var job in jobs)
        {
            if (KeyOf(job) is not { } key || JobManifest.UidOf(job) is not { } uid || !IsDue(job, _held.ContainsKey(key), keep, time.GetUtcNow()))
            {
                continue;
            }

            if (await cluster.DeleteJobAsync(JobManifest.NameOf(key), uid, _stop.Token) is { IsSuccess: true } or { IsMissing: true })
            {
                log.JobSwept(key);
                _held.TryRemove(key, out _);
            }
        }
    }
}
