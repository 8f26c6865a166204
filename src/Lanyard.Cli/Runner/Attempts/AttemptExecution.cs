using Lanyard.Cli.Runner.Endpoint;
using Lanyard.Cli.Runner.Logs;
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
    private readonly AttemptBounds _bounds = new(services.Plane, new AttemptKey(payload.Run, payload.Attempt), services.Time);
    private readonly StopSwitch _stop = new();
    private readonly AttemptTimeout _timeout = new(TimeSpan.FromSeconds(payload.TimeoutSeconds), services.Time);
    private volatile string _state = AttemptStates.Accepted;

    public override string State => _state;

    public override bool IsOver => _bounds.HasEnded || _stop.Reason is StopReason.Abandoned;

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

        var steps = new AttemptSteps(payload, services, Key, _stop, _timeout, place, log, bearer);
        var (outcome, reason) = await RunStepsAsync(steps, reports);

        reports.Complete();
        var total = log.Complete();
        await reported;
        await uploaded;
        return await EndAsync(new EndRequest("", outcome, reason, total.Bytes, total.Sha256, log.Masked is > 0 and var masked ? masked : null, outcome == RunStates.Succeeded ? steps.Plan : null));
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

    private async Task<(string Outcome, string? Reason)> RunStepsAsync(AttemptSteps steps, StepReports reports)
    {
        if (PayloadCheck.FirstMistake(Key, payload) is { } mistake)
        {
            return (AttemptOutcomes.RunnerError, $"the runner does not take this payload: {mistake}");
        }

        return await StartAsync() ? await steps.RunAsync(reports) : StopOutcome.Of(_stop.Reason, _timeout);
    }

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
