using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Lanyard.Cli.Runner.Server;
using Microsoft.Extensions.Logging;

namespace Lanyard.Cli.Runner.Kubernetes;

/// <summary>
/// Knows the pods of a runner: one list, then one watch, for all its attempts together. While the API server is away it goes on knowing what it knew;
/// afterwards a fresh list puts right what was missed.
/// </summary>
internal sealed class PodWatch(ClusterApi cluster, string selector, TimeProvider time, ILogger log) : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<string, PodState> _pods = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, TaskCompletionSource> _waiting = new(StringComparer.Ordinal);
    private Task _running = Task.CompletedTask;
    private volatile int _lists;

    /// <summary>How many whole lists there were: what a later one does not show is gone.</summary>
    public int Lists => _lists;

    public void Start() => _running = RunAsync();

    /// <summary>The pod of a Job, as last seen.</summary>
    public PodState? Find(string job) => _pods.GetValueOrDefault(job);

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
            try
            {
                var list = await cluster.ListPodsAsync(selector, _stop.Token);
                if (list is { IsSuccess: true, Body: { } body })
                {
                    Replace(body["items"] as JsonArray ?? []);
                    backoff.Reset();
                    await FollowAsync(ClusterApi.Text(body["metadata"]?["resourceVersion"]) ?? "");
                    continue;
                }

                log.ClusterAway(list.Message);
            }
            catch (Exception exception) when (exception is HttpRequestException or IOException
                || (exception is OperationCanceledException && !_stop.IsCancellationRequested))
            {
                log.ClusterAway(exception.Message);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            try
            {
                await backoff.WaitAsync(null, _stop.Token);
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
        // A pod that is replaced (by a Job that was made anew) must not be forgotten with its predecessor.
        if (type is not "DELETED")
        {
            _pods[state.Job] = state;
        }
        else if (_pods.TryGetValue(state.Job, out var known) && known.Uid == state.Uid)
        {
            _pods.TryRemove(state.Job, out _);
        }

        Tell(state.Job);
    }

    private void Replace(JsonArray items)
    {
        var present = items.OfType<JsonObject>().Select(PodState.Of).OfType<PodState>().ToDictionary(static pod => pod.Job, StringComparer.Ordinal);
        foreach (var gone in _pods.Keys.Except(present.Keys, StringComparer.Ordinal).ToList())
        {
            _pods.TryRemove(gone, out _);
        }

        foreach (var (job, state) in present)
        {
            _pods[job] = state;
        }

        _lists++;
        foreach (var job in _waiting.Keys)
        {
            Tell(job);
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
