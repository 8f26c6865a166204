using Lanyard.Cli.Runner.Clouds;
using Lanyard.Cli.Runner.Endpoint;
using Lanyard.Cli.Runner.Logs;
using Lanyard.Cli.Runner.Opentofu;
using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runner.Attempts;

/// <summary>The steps of one attempt, one after the other, and what they find around them while they run: token endpoint, cloud files, cache, state.</summary>
internal sealed class AttemptSteps(
    AttemptPayload payload, AttemptServices services, AttemptKey key, StopSwitch stop, AttemptTimeout timeout, StepPlace place, AttemptLog log, EndpointBearer bearer)
{
    private TofuAttempt? _tofu;

    /// <summary>Of an attempt that only planned, once its steps are over.</summary>
    public PlanSummary? Plan => _tofu?.Plan;

    public async Task<(string Outcome, string? Reason)> RunAsync(StepReports reports)
    {
        var exchange = new IdentityTokenExchange(services.Http, payload, log, services.Time);
        var aws = payload.Cloud?.Aws is { } role ? new AwsCredentials(role, exchange, services.Clouds, log, services.Time) : null;
        _tofu = payload.Opentofu is { } tofu ? new TofuAttempt(payload, tofu, place, services.Plane, key, log, services.Time) : null;
        using var door = services.Endpoint.Open(key, bearer, exchange, aws, _tofu is null ? null : new StateDoor(services.Plane, key, services.Time).AnswerAsync);
        using var cache = await OpenCacheAsync();
        using var registration = timeout.Begin(() => stop.Stop(StopReason.TimedOut));
        if (payload.Cloud is not { } cloud)
        {
            return await RunEachAsync(StepRunnerWith(new Dictionary<string, string>()), reports);
        }

        using var files = place.OpenClouds();
        var text = new CloudText(place.Clouds, services.Endpoint.UrlOf(key), services.Endpoint.AwsUrlOf(key), bearer.Text);
        return await WithCloudsAsync(
            new CloudFiles(cloud, files, text, exchange, log, services.Time), aws, () => RunEachAsync(StepRunnerWith(text.Fill(cloud.Variables)), reports));

        StepRunner StepRunnerWith(IReadOnlyDictionary<string, string> clouds) =>
            new(payload, place, log, stop, services.Time, (services.Endpoint.UrlOf(key), bearer.Text), exchange, clouds, cache);
    }

    /// <summary>Where the attempt has a cache; where its pass can't be masked any more, it has none.</summary>
    private async Task<CachePlace?> OpenCacheAsync()
    {
        if (payload.Cache is not { } scopes || !payload.Steps.Any(static step => step.Cache))
        {
            return null;
        }

        var cache = await services.Cache.OpenAsync(payload, scopes, place.TryName(CacheListener.FastHost), stop.Silenced);
        if (log.TryHide(cache.Pass.Text, cache.Pass.Secret))
        {
            return cache;
        }

        cache.Dispose();
        return null;
    }

    /// <summary>The files are there before the first step, the keys as far as they can be had in time, and both are fresh while there are steps; a stop ends the renewal, not the files.</summary>
    private async Task<(string Outcome, string? Reason)> WithCloudsAsync(
        CloudFiles files, AwsCredentials? aws, Func<Task<(string Outcome, string? Reason)>> steps)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(stop.Stopped);
        var keys = aws?.KeepFreshAsync(over.Token) ?? Task.CompletedTask;
        try
        {
            if (!(await files.PrepareAsync(over.Token)).TryGet(out var minted, out var refusal))
            {
                return (RunStates.Failed, refusal.Detail);
            }

            if (aws is not null)
            {
                await aws.SettleAsync(over.Token);
            }

            var fresh = files.KeepFreshAsync(minted, over.Token);
            var result = await steps();
            await over.CancelAsync();
            await fresh;
            return result;
        }
        catch (OperationCanceledException) when (stop.Stopped.IsCancellationRequested)
        {
            return StopOutcome.Of(stop.Reason, timeout);
        }
        finally
        {
            await over.CancelAsync();
            await keys;
        }
    }

    private async Task<(string Outcome, string? Reason)> RunEachAsync(StepRunner runner, StepReports reports)
    {
        (string Outcome, string? Reason) result = _tofu is not null && await _tofu.PrepareAsync(stop.Stopped) is { } missing ? (RunStates.Failed, missing) : (RunStates.Succeeded, null);
        for (var index = 0; index < payload.Steps.Count; index++)
        {
            if (result.Outcome != RunStates.Succeeded || stop.Reason is not StopReason.None)
            {
                reports.Add(index, "skipped");
                continue;
            }

            reports.Add(index, AttemptStates.Running);
            var step = await RunStepAsync(runner, payload.Steps[index]);
            reports.Add(index, step.State, step.Exit?.ExitCode, step.Exit?.Signal);
            if (step.State != RunStates.Succeeded)
            {
                result = (step.State, step.Reason);
            }
        }

        return stop.Reason is StopReason.None ? result : StopOutcome.Of(stop.Reason, timeout);
    }

    private async Task<StepResult> RunStepAsync(StepRunner runner, StepPayload step)
    {
        if (_tofu is null || step.Name != TofuAttempt.StepName)
        {
            return await runner.RunAsync(step);
        }

        var result = await runner.RunAsync(_tofu.Step(step, services.Endpoint, bearer));
        return result.State == RunStates.Succeeded && await _tofu.FinishAsync(stop.Stopped) is { } trouble
            ? new StepResult(RunStates.Failed, result.Exit, trouble)
            : result;
    }
}
