using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Lanyard.Cli.Runner.Attempts;
using Lanyard.Cli.Runner.Server;
using Lanyard.Identity;
using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runner.Kubernetes;

/// <summary>
/// One attempt as its runner sees it: makes the Job, names its pod to the server, watches, and speaks for the attempt only where its pod can't. The
/// pod starts, logs, holds and ends the attempt itself.
/// </summary>
/// <param name="job">The Job's manifest, or why there is none; null: it is there already.</param>
/// <param name="jobUid">Of the Job that is there already.</param>
internal sealed class PodAttempt(
    AttemptKey key, Outcome<JsonObject>? job, string? jobUid, string serviceAccount, KubernetesSettings settings, ClusterApi cluster, PodWatch watch, RunnerServices services)
    : HeldAttempt(key, services.Time)
{
    private static readonly string NoLog = Convert.ToHexStringLower(SHA256.HashData([]));
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LookSeldom = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Leaving = TimeSpan.FromSeconds(60);
    private readonly string _name = JobManifest.NameOf(key);
    private readonly JobRemoval _removal = new(key, cluster, watch, services);
    private readonly AttemptBounds _bounds = new(services.Plane, key, services.Time);
    private readonly StopSwitch _stop = new();
    private readonly PodTimeline _timeline = new(cluster, services.Plane, key, services.Time, services.Log);
    private readonly PodPatience _patience = new(services.Time);
    private long _began;
    private string? _jobUid = jobUid;
    private string? _uid;
    private bool _mayBeNamed = job is null;
    private bool _hasRun;

    /// <summary>This process has nothing more to do with it.</summary>
    public Action OnLeft { private get; init; } = static () => { };

    public override string State => _stop.Reason is StopReason.Canceled ? AttemptStates.Canceling : AttemptStates.Accepted;

    public override bool IsOver => _bounds.HasEnded || _stop.Reason is StopReason.Abandoned;

    public override void Stop(StopReason reason) => _stop.Stop(reason);

    public override void Dispose()
    {
        _stop.Dispose();
        OnLeft();
    }

    public override async Task<string?> RunAsync()
    {
        try
        {
            var verdict = job is { } manifest && await CreateAsync(manifest) is { } refused ? refused : await FollowAsync();
            return verdict is null ? await LeaveAsync() : await GiveUpAsync(verdict);
        }
        catch (OperationCanceledException) when (_stop.Silenced.IsCancellationRequested)
        {
            return await LeaveAsync();
        }
    }

    /// <summary>Null when the Job is there: made now, or by an earlier process of this runner.</summary>
    private async Task<PodVerdict?> CreateAsync(Outcome<JsonObject> manifest)
    {
        if (!manifest.TryGet(out var body, out var refusal))
        {
            return new(RunStates.Failed, refusal.Detail, 0);
        }

        var creation = new JobCreation(Key, settings, cluster, services, _stop);
        var refused = await creation.RunAsync(body);
        _jobUid = creation.Uid;
        return refused;
    }

    /// <summary>Null when the pod has come to its own end.</summary>
    private async Task<PodVerdict?> FollowAsync()
    {
        _began = services.Time.GetTimestamp();
        while (true)
        {
            var next = watch.Next(_name);
            var pod = Seen();
            if (pod is not null)
            {
                await BindAsync(pod);
                _hasRun |= pod.Find(JobManifest.LanyardContainer)?.IsRunning is true;
            }

            if (pod is { Phase: "Succeeded" })
            {
                return null;
            }

            if (Judge(pod) is { } verdict && (!verdict.IsByAbsence || !_mayBeNamed || await StandsAsync(verdict)))
            {
                return verdict;
            }

            var isQuiet = pod is not null && pod.Containers.Count > 1 && pod.Containers.All(container => container.IsRunning);
            await _timeline.TellAsync(pod, _stop.Silenced);
            await WaitAsync(next, isQuiet ? LookSeldom : Look);
        }
    }

    /// <summary>The attempt's own pod, or (before it is named) the one that is to be. Another that takes its place gets nothing from the server, and does not count.</summary>
    private PodState? Seen() => watch.Find(_name, _uid, _jobUid);

    private PodVerdict? Judge(PodState? pod)
    {
        // The pod is told of a cancel by the server; one that has not begun has nobody to hear it.
        if (!_hasRun && _stop.Reason is StopReason.Canceled or StopReason.RunnerStopped)
        {
            return PodVerdict.CanceledBeforeStart;
        }

        return _patience.Judge(pod is not null ? PodVerdict.Of(pod) : _uid is not null ? PodVerdict.Gone : null)
            ?? (!_hasRun && services.Time.GetElapsedTime(_began) > settings.StartLimit ? PodVerdict.NotStarted(settings.StartLimit) : null);
    }

    /// <summary>
    /// A pod that the server may know by now could have begun while the API server was away, or before this process was there: who ended its attempt would end
    /// what runs. So the API server is asked once more, for as long as it takes; the server has its own limits.
    /// </summary>
    private async Task<bool> StandsAsync(PodVerdict verdict)
    {
        var list = await cluster.ListPodsOfAsync(_name, _stop.Silenced);
        if (list.Items is not { } items)
        {
            services.Log.ClusterAway(list.Message);
            return false;
        }

        var pod = items.Select(PodState.Of).FirstOrDefault(pod => pod?.Owner is not null && pod.Owner == _jobUid && (_uid is null || pod.Uid == _uid));
        _hasRun |= pod is { IsOver: true } || pod?.Find(JobManifest.LanyardContainer) is { IsRunning: true } or { Ended: not null };
        return pod is null || (verdict != PodVerdict.Gone && !_hasRun);
    }

    private async Task BindAsync(PodState pod)
    {
        if (_uid is not null)
        {
            return;
        }

        _mayBeNamed = true;
        var answer = await services.Plane.PutPodAsync(Key, new PodReport("", cluster.Namespace, pod.Name, pod.Uid, serviceAccount), _stop.Silenced);
        if (answer.Kind is AnswerKind.Stale or AnswerKind.Over)
        {
            _stop.Stop(StopReason.Abandoned);
            _stop.Silenced.ThrowIfCancellationRequested();
        }

        _uid = answer.Kind is AnswerKind.Ok ? pod.Uid : null;
    }

    private async Task WaitAsync(Task next, TimeSpan longest)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(_stop.Reason is StopReason.None ? _stop.Stopped : _stop.Silenced);
        await Task.WhenAny(next, Task.Delay(longest, services.Time, over.Token));
        await over.CancelAsync();
        _stop.Silenced.ThrowIfCancellationRequested();
    }

    /// <summary>
    /// No step is alive any more before the end is told. Where none can be, it is told first: a pod that is deleted would say that it was, and not why.
    /// </summary>
    private async Task<string?> GiveUpAsync(PodVerdict verdict)
    {
        services.Log.PodGivenUp(Key, verdict.Reason);
        var pod = Seen();
        await _timeline.TellAsync(pod, _stop.Silenced);
        await _timeline.TellAsync(verdict, _stop.Silenced);
        var mayRun = pod?.Find(JobManifest.StepsContainer)?.IsRunning is true;
        if (mayRun)
        {
            await RemoveAsync(_stop.Silenced);
        }

        var outcome = await EndAsync(verdict);
        if (!mayRun)
        {
            await RemoveAsync(_stop.Silenced);
        }

        return outcome;
    }

    /// <summary>Whether a Job was made is not known where the API server's answer was lost: one that is this attempt's goes too.</summary>
    private Task RemoveAsync(CancellationToken cancellationToken) =>
        _removal.RunAsync(_jobUid, job is { } manifest && manifest.TryGet(out var body, out _) ? body : null, cancellationToken);

    private async Task<string?> EndAsync(PodVerdict verdict) =>
        (await _bounds.EndAsync(new EndRequest("", verdict.Outcome, verdict.Reason, 0, NoLog), _stop.Silenced)).Kind is AnswerKind.Ok ? verdict.Outcome : null;

    /// <summary>The attempt is over, or another's, or this runner goes. What the pod has not told itself by then is told, and nothing is left running.</summary>
    private async Task<string?> LeaveAsync()
    {
        if (_stop.Reason is StopReason.Released)
        {
            return null;
        }

        using var limit = new CancellationTokenSource(Leaving, services.Time);
        try
        {
            while (Seen() is { IsOver: false })
            {
                var next = watch.Next(_name);
                if (Seen() is { IsOver: false })
                {
                    await next.WaitAsync(limit.Token);
                }
            }

            await _timeline.TellAsync(Seen(), limit.Token);
            if (Seen() is not { IsOver: true } || watch.IsAnyAlive(_name))
            {
                await RemoveAsync(limit.Token);
            }
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested)
        {
            using var last = new CancellationTokenSource(Leaving, services.Time);
            await RemoveAsync(last.Token);
        }

        return null;
    }
}
