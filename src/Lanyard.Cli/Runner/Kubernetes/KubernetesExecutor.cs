using System.Text.Json.Nodes;
using Lanyard.Cli.Runner.Server;
using Lanyard.Identity;
using Lanyard.Protocol.Runs;
using Microsoft.Extensions.Logging;

namespace Lanyard.Cli.Runner.Kubernetes;

/// <summary>Runs attempts as Jobs of a cluster. What it must know after a restart lies in the Jobs' labels and nowhere else.</summary>
internal sealed class KubernetesExecutor : Executor
{
    private readonly KubernetesSettings _settings;
    private readonly RunnerSettings _runner;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private ClusterApi? _cluster;
    private PodWatch? _watch;
    private JobSweeper? _sweeper;
    private LeaderLease? _lease;
    private RunnerServices? _services;

    private KubernetesExecutor(KubernetesSettings settings, RunnerSettings runner, TimeProvider time, ILogger log) =>
        (_settings, _runner, _time, _log) = (settings, runner, time, log);

    public override string Name => "kubernetes";

    public override bool IsSandboxed => true;

    public override bool OutlivesRunner => true;

    public static Outcome<KubernetesExecutor> Open(KubernetesSettings settings, RunnerSettings runner, TimeProvider time, ILogger log) =>
        new KubernetesExecutor(settings, runner, time, log);

    /// <summary>Whether Jobs may be listed; an API server that is away is waited for.</summary>
    public override async Task<Refusal?> CheckAsync(CancellationToken cancellationToken)
    {
        if (!(await ClusterConnection.OpenAsync(_settings, _time, _log, cancellationToken)).TryGet(out _cluster, out var refusal))
        {
            return refusal;
        }

        return await CheckAsync(_cluster, _time, _log, cancellationToken);
    }

    internal static async Task<Refusal?> CheckAsync(ClusterApi cluster, TimeProvider time, ILogger log, CancellationToken cancellationToken)
    {
        var backoff = new Backoff(time, TimeSpan.FromSeconds(5));
        var patience = new DenialPatience(time);
        while (true)
        {
            var answer = await cluster.ListJobsAsync(JobManifest.RunnerLabel, cancellationToken, limit: 1);
            if (answer.Items is not null)
            {
                return null;
            }

            if (!patience.MayPass(answer))
            {
                return new Refusal(RefusalReason.Forbidden, $"Jobs in the namespace {cluster.Namespace}: {(answer.IsSuccess ? "the answer is no list of Jobs" : answer.Message)}");
            }

            log.ClusterAway(answer.Message);
            await backoff.WaitAsync(answer.RetryAfter, cancellationToken);
        }
    }

    public override CancellationToken TurnIsOver => _lease?.Lost ?? CancellationToken.None;

    public override Task WaitForTurnAsync(CancellationToken cancellationToken)
    {
        if (_settings.Lease is not { } name)
        {
            return Task.CompletedTask;
        }

        _lease = new LeaderLease(_cluster!, name, $"{Environment.MachineName}_{Guid.NewGuid():n}", _time, _log);
        return _lease.AcquireAsync(cancellationToken);
    }

    public override async Task<IReadOnlyList<HeldAttempt>> StartAsync(RunnerServices services, SessionResponse session, CancellationToken cancellationToken)
    {
        _services = services;
        var selector = $"{JobManifest.RunnerLabel}={session.Runner}";
        _watch = new PodWatch(_cluster!, selector, _time, _log);
        _watch.Start();
        var held = await AdoptAsync(selector, cancellationToken);
        _sweeper = new JobSweeper(_cluster!, selector, _settings.Keep, _time, _log);
        _sweeper.Start(held.Select(attempt => attempt.Key));
        return held;
    }

    public override HeldAttempt Create(AttemptPayload payload, int slot, SessionResponse session)
    {
        var key = new AttemptKey(payload.Run, payload.Attempt);
        var job = JobManifest.Create(payload, _runner, session.Runner);
        return Follow(key, job, null, payload.Pod?.ServiceAccount ?? _settings.ServiceAccount);
    }

    public override async ValueTask DisposeAsync()
    {
        if (_sweeper is not null)
        {
            await _sweeper.DisposeAsync();
        }

        if (_watch is not null)
        {
            await _watch.DisposeAsync();
        }

        if (_lease is not null)
        {
            await _lease.DisposeAsync();
        }

        _cluster?.Dispose();
    }

    private PodAttempt Follow(AttemptKey key, Outcome<JsonObject>? job, string? jobUid, string serviceAccount)
    {
        _sweeper?.Held(key);
        return new PodAttempt(key, job, jobUid, serviceAccount, _settings, _cluster!, _watch!, _services!) { OnLeft = () => _sweeper?.Left(key) };
    }

    private async Task<List<HeldAttempt>> AdoptAsync(string selector, CancellationToken cancellationToken)
    {
        var backoff = new Backoff(_time, TimeSpan.FromSeconds(5));
        while (true)
        {
            var list = await _cluster!.ListJobsAsync(selector, cancellationToken);
            if (list.Items is { } jobs)
            {
                return [.. jobs.Where(static job => !JobSweeper.IsFinished(job)).Select(Adopted).OfType<HeldAttempt>()];
            }

            _log.ClusterAway(list.Message);
            await backoff.WaitAsync(list.RetryAfter, cancellationToken);
        }
    }

    private PodAttempt? Adopted(JsonObject job) =>
        JobSweeper.KeyOf(job) is { } key
            ? Follow(key, null, JobManifest.UidOf(job), ClusterApi.Text(job["spec"]?["template"]?["spec"]?["serviceAccountName"]) ?? _settings.ServiceAccount)
            : null;
}
