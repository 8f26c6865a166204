using Lanyard.Cli.Runner.Clouds;
using Lanyard.Cli.Runner.Endpoint;
using Lanyard.Cli.Runner.Logs;
using Lanyard.Cli.Runner.Opentofu;
using Lanyard.Cli.Runner.Server;
using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runner.Attempts;

/// <summary>
/// One attempt from its acceptance to its end: start, steps, log, end. Whatever happens in between, its processes are dead before the
/// end is told, and the end is told unless the server has given the attempt to somebody else.
/// </summary>
internal sealed class AttemptExecution(AttemptPayload payload, AttemptServices services, int slot, int maxLogChunkBytes)
    : HeldAttempt(new AttemptKey(payload.Run, payload.Attempt), services.Time)
{
    private const string RunnerError = "runner_error";
    private readonly AttemptBounds _bounds = new(services.Plane, new AttemptKey(payload.Run, payload.Attempt), services.Time);
    private readonly StopSwitch _stop = new();
    private TofuAttempt? _tofu;
    private readonly AttemptTimeout _timeout = new(TimeSpan.FromSeconds(payload.TimeoutSeconds), services.Time);
    private volatile string _state = AttemptStates.Accepted;

    public override string State => _state;

    /// <summary>Somebody wants its end.</summary>
    public CancellationToken Stopped => _stop.Stopped;

    public override void Stop(StopReason reason)
    {
        if (reason is StopReason.Canceled or StopReason.RunnerStopped)
        {
            _state = AttemptStates.Canceling;
        }

        _stop.Stop(reason);
    }

    public override void LastFor(int seconds) => _timeout.LastFor(TimeSpan.FromSeconds(seconds));

    public override void Dispose()
    {
        _timeout.Dispose();
        _stop.Dispose();
    }

    public override async Task<string?> RunAsync()
    {
        using var over = new CancellationTokenSource();
        var fence = LeaseFence.WatchAsync(
            Lease, TimeSpan.FromSeconds(payload.LeaseSeconds), TimeSpan.FromSeconds(payload.GraceSeconds), _stop, services.Time, over.Token);
        try
        {
            using var place = services.PlaceOf(Key, slot);
            using var log = new AttemptLog(services.LogFileOf(Key), services.LogLimit);
            return await RunAsync(place, log);
        }
        catch (OperationCanceledException) when (_stop.Silenced.IsCancellationRequested)
        {
            return null;
        }
        finally
        {
            await over.CancelAsync();
            await fence.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }

    private async Task<string?> RunAsync(StepPlace place, AttemptLog log)
    {
        var bearer = new EndpointBearer();
        log.TryHide(bearer.Text, payload.RuntimeToken, payload.RuntimeToken[(payload.RuntimeToken.LastIndexOf('.') + 1)..]);
        HideDeclared(log);
        var uploaded = UploadAsync(new LogUploader(services.Plane, Key, log, maxLogChunkBytes, services.Time));
        var reports = new StepReports(services.Plane, Key, _stop, services.Time);
        var reported = reports.RunAsync();

        var (outcome, reason) = await RunStepsAsync(place, log, reports, bearer);

        reports.Complete();
        var total = log.Complete();
        await reported;
        await uploaded;
        return await EndAsync(new EndRequest("", outcome, reason, total.Bytes, total.Sha256, log.Masked is > 0 and var masked ? masked : null, outcome == RunStates.Succeeded ? _tofu?.Plan : null));
    }

    /// <summary>The values of the variables that the definition names. What can't be masked is said, and not hidden.</summary>
    private void HideDeclared(AttemptLog log)
    {
        foreach (var name in payload.Mask ?? [])
        {
            var values = payload.Steps.Select(step => step.Environment).Append(payload.Variables).Append(payload.Cloud?.Variables ?? payload.Variables)
                .Select(variables => variables.GetValueOrDefault(name)).Where(value => !string.IsNullOrEmpty(value)).Distinct();
            foreach (var value in values)
            {
                if (!log.TryMask(value!))
                {
                    log.AppendNote($"the value of {AttemptBounds.Printable(name)} is too short to be masked, or there are too many");
                }
            }
        }
    }

    /// <summary>The log is the call that is made most often: often the first to hear that the attempt is another's.</summary>
    private async Task UploadAsync(LogUploader uploader)
    {
        if (await uploader.RunAsync(_stop.Silenced) is AnswerKind.Stale or AnswerKind.Over)
        {
            _stop.Stop(StopReason.Abandoned);
        }
    }

    private async Task<(string Outcome, string? Reason)> RunStepsAsync(StepPlace place, AttemptLog log, StepReports reports, EndpointBearer bearer)
    {
        if (PayloadCheck.FirstMistake(Key, payload) is { } mistake)
        {
            return (RunnerError, $"the runner does not take this payload: {mistake}");
        }

        if (!await StartAsync())
        {
            return OutcomeOfStop();
        }

        var exchange = new IdentityTokenExchange(services.Http, payload, log, services.Time);
        using var aws = payload.Cloud?.Aws is { } role ? new AwsCredentials(role, exchange, services.Http, log, services.Time) : null;
        _tofu = payload.Opentofu is { } tofu ? new TofuAttempt(payload, tofu, place, services.Plane, Key, log, services.Time) : null;
        using var door = services.Endpoint.Open(Key, bearer, exchange, aws, _tofu is null ? null : new StateDoor(services.Plane, Key, services.Time).AnswerAsync);
        using var cache = await OpenCacheAsync(place, log);
        using var registration = _timeout.Begin(() => _stop.Stop(StopReason.TimedOut));
        if (payload.Cloud is not { } cloud)
        {
            return await RunStepsAsync(StepRunnerWith(new Dictionary<string, string>()), reports, bearer);
        }

        using var files = place.OpenClouds();
        var text = new CloudText(place.Clouds, services.Endpoint.UrlOf(Key), services.Endpoint.AwsUrlOf(Key), bearer.Text);
        return await WithCloudsAsync(
            new CloudFiles(cloud, files, text, exchange, log, services.Time), aws, () => RunStepsAsync(StepRunnerWith(text.Fill(cloud.Variables)), reports, bearer));

        StepRunner StepRunnerWith(IReadOnlyDictionary<string, string> clouds) =>
            new(payload, place, log, _stop, services, (services.Endpoint.UrlOf(Key), bearer.Text), exchange, clouds, cache);
    }

    /// <summary>Where the attempt has a cache; where its pass can't be masked any more, it has none.</summary>
    private async Task<CachePlace?> OpenCacheAsync(StepPlace place, AttemptLog log)
    {
        if (payload.Cache is not { } scopes || !payload.Steps.Any(static step => step.Cache))
        {
            return null;
        }

        var cache = await services.Cache.OpenAsync(payload, scopes, place.TryName(CacheListener.FastHost), _stop.Silenced);
        if (log.TryHide(cache.Pass.Text, cache.Pass.Secret))
        {
            return cache;
        }

        cache.Dispose();
        return null;
    }

    /// <summary>The files are there before the first step and fresh while there are steps; a stop ends the renewal, not the files.</summary>
    private async Task<(string Outcome, string? Reason)> WithCloudsAsync(
        CloudFiles files, AwsCredentials? aws, Func<Task<(string Outcome, string? Reason)>> steps)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(_stop.Stopped);
        var keys = aws?.KeepFreshAsync(over.Token) ?? Task.CompletedTask;
        try
        {
            if (!(await files.PrepareAsync(over.Token)).TryGet(out var minted, out var refusal))
            {
                return (RunStates.Failed, refusal.Detail);
            }

            var fresh = files.KeepFreshAsync(minted, over.Token);
            var result = await steps();
            await over.CancelAsync();
            await fresh;
            return result;
        }
        catch (OperationCanceledException) when (_stop.Stopped.IsCancellationRequested)
        {
            return OutcomeOfStop();
        }
        finally
        {
            await over.CancelAsync();
            await keys;
        }
    }

    private async Task<(string Outcome, string? Reason)> RunStepsAsync(StepRunner runner, StepReports reports, EndpointBearer bearer)
    {
        (string Outcome, string? Reason) result = _tofu is not null && await _tofu.PrepareAsync(_stop.Stopped) is { } missing ? (RunStates.Failed, missing) : (RunStates.Succeeded, null);
        for (var index = 0; index < payload.Steps.Count; index++)
        {
            if (result.Outcome != RunStates.Succeeded || _stop.Reason is not StopReason.None)
            {
                reports.Add(index, "skipped");
                continue;
            }

            reports.Add(index, AttemptStates.Running);
            var step = await RunStepAsync(runner, payload.Steps[index], bearer);
            reports.Add(index, step.State, step.Exit?.ExitCode, step.Exit?.Signal);
            if (step.State != RunStates.Succeeded)
            {
                result = (step.State, step.Reason);
            }
        }

        return _stop.Reason is StopReason.None ? result : OutcomeOfStop();
    }

    private async Task<StepResult> RunStepAsync(StepRunner runner, StepPayload step, EndpointBearer bearer)
    {
        if (_tofu is null || step.Name != TofuAttempt.StepName)
        {
            return await runner.RunAsync(step);
        }

        var result = await runner.RunAsync(_tofu.Step(step, services.Endpoint, bearer));
        return result.State == RunStates.Succeeded && await _tofu.FinishAsync(_stop.Stopped) is { } trouble
            ? new StepResult(RunStates.Failed, result.Exit, trouble)
            : result;
    }

    private (string Outcome, string? Reason) OutcomeOfStop() => _stop.Reason switch
    {
        StopReason.TimedOut => (RunStates.TimedOut, $"the run took longer than its {_timeout.Seconds} s"),
        StopReason.Canceled => (RunStates.Canceled, null),
        StopReason.RunnerStopped => (RunStates.Canceled, "the runner was stopped"),
        StopReason.PodEnding => (RunnerError, "the pod was told to end: deleted, evicted, or its node is drained"),
        StopReason.LeaseEnding => (RunnerError, "the lease could not be renewed"),
        _ => (RunnerError, "the attempt could not be started"),
    };

    /// <summary>No step begins before the server knows that one may have: an effect without a trace would be repeated.</summary>
    private async Task<bool> StartAsync()
    {
        try
        {
            var answer = await _bounds.StartAsync(_stop.Stopped);
            if (answer is { Kind: AnswerKind.Ok, Value.State: AttemptStates.Canceling })
            {
                Stop(StopReason.Canceled);
                return false;
            }

            if (answer.Kind is AnswerKind.Stale or AnswerKind.Over)
            {
                _stop.Stop(StopReason.Abandoned);
            }
            else if (answer.Kind is AnswerKind.Ok)
            {
                _state = AttemptStates.Running;
            }

            return answer.Kind is AnswerKind.Ok;
        }
        catch (OperationCanceledException) when (_stop.Stopped.IsCancellationRequested)
        {
            return false; // stopped before it began
        }
    }

    private async Task<string?> EndAsync(EndRequest request)
    {
        var answer = await _bounds.EndAsync(request, _stop.Silenced);
        if (answer.Kind is AnswerKind.Ok)
        {
            return request.Outcome;
        }

        services.Log.EndNotTaken(Key, answer.Detail);
        return null;
    }
}
