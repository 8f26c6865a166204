using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Lanyard.Cli.Runner.Server;
using Lanyard.Identity.Federation;
using Microsoft.Extensions.Logging;

namespace Lanyard.Cli.Runner.Kubernetes;

/// <summary>
/// Knows the pods of a runner: one list, then one watch, for all its attempts together. While the API server is away it goes on knowing what it knew;
/// afterwards a fresh list puts right what was missed. A Job has several pods where one is taken away: Kubernetes makes another while the first still ends.
/// </summary>
internal sealed class PodWatch(ClusterApi cluster, string selector, TimeProvider time, ILogger log) : IAsyncDisposable
{
    /// <summary>A watch that is refused or ended at once is begun anew ever later: lists are what costs an API server most.</summary>
    private static readonly TimeSpan WorthKeeping = TimeSpan.FromSeconds(5);

    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<string, IReadOnlyList<PodState>> _pods = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, TaskCompletionSource> _waiting = new(StringComparer.Ordinal);
    private Task _running = Task.CompletedTask;

    public void Start() => _running = RunAsync();

    /// <summary>The pod of a Job, as last seen: with this uid, or (null) the first that was made. What only says by a label that it is the Job's is not.</summary>
    /// <param name="owner">The Job's own uid.</param>
    public PodState? Find(string job, string? uid, string? owner) =>
        _pods.GetValueOrDefault(job)?.FirstOrDefault(pod => pod.Owner is not null && pod.Owner == owner && (uid is null || pod.Uid == uid));

    /// <summary>Whether a pod of a Job is there that has not come to its end.</summary>
    public bool IsAnyAlive(string job) => _pods.GetValueOrDefault(job)?.Any(static pod => !pod.IsOver) is true;

    /// <summary>Completes with the next change of the Job's pod; to be taken before looking.</summary>
    public Task Next(string job) => _waiting.GetOrAdd(job, static _ => new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        var backoff = new Backoff(time, TimeSpan.FromSeconds(5));
        while (!_stop.IsCancellationRequested)
        {
            var (asked, began) = ((TimeSpan?)null, (long?)null);
            try
            {
                var list = await cluster.ListPodsAsync(selector, _stop.Token);
                asked = list.RetryAfter;
                if (list.Items is { } pods)
                {
                    Replace(pods);
                    began = time.GetTimestamp();
                    await FollowAsync(ClusterApi.Text(list.Body!["metadata"]?["resourceVersion"]) ?? "");
                }
                else
                {
                    log.ClusterAway(list.Message);
                }
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception) when (exception is not OutOfMemoryException)
            {
                log.ClusterAway(ConnectionFault.Words(exception)); // whatever it was: without its watch a runner sees no pod any more
            }

            if (began is { } since && time.GetElapsedTime(since) > WorthKeeping)
            {
                backoff.Reset();
            }

            try
            {
                await backoff.WaitAsync(asked, _stop.Token);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private async Task FollowAsync(string version)
    {
        await foreach (var change in cluster.WatchPodsAsync(selector, version, _stop.Token))
        {
            var type = ClusterApi.Text(change["type"]);
            if (type is "ERROR")
            {
                return; // mostly 410: the version is too old
            }

            if (type is "ADDED" or "MODIFIED" or "DELETED" && change["object"] is JsonObject pod && PodState.Of(pod) is { } state)
            {
                Apply(type, state);
            }
        }
    }

    private void Apply(string type, PodState state)
    {
        var others = (_pods.GetValueOrDefault(state.Job) ?? []).Where(pod => pod.Uid != state.Uid);
        Put(state.Job, type is "DELETED" ? others : others.Append(state));
        Tell(state.Job);
    }

    private void Replace(IReadOnlyList<JsonObject> pods)
    {
        var present = pods.Select(PodState.Of).OfType<PodState>().ToLookup(static pod => pod.Job, StringComparer.Ordinal);
        foreach (var gone in _pods.Keys.Where(job => !present.Contains(job)).ToList())
        {
            _pods.TryRemove(gone, out _);
        }

        foreach (var ofJob in present)
        {
            Put(ofJob.Key, ofJob);
        }

        foreach (var job in _waiting.Keys)
        {
            Tell(job);
        }
    }

    private void Put(string job, IEnumerable<PodState> pods)
    {
        IReadOnlyList<PodState> sorted = [.. pods.OrderBy(static pod => pod.Made, StringComparer.Ordinal)];
        if (sorted.Count == 0)
        {
            _pods.TryRemove(job, out _);
        }
        else
        {
            _pods[job] = sorted;
        }
    }

    private void Tell(string job)
    {
        if (_waiting.TryRemove(job, out var waiting))
        {
            waiting.TrySetResult();
        }
    }
}
