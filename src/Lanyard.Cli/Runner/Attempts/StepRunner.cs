using Lanyard.Cli.Runner.Endpoint;
using Lanyard.Cli.Runner.Logs;
using Lanyard.Cli.Runner.Sandbox;
using Lanyard.Identity;
using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runner.Attempts;

/// <summary>How a step went. <paramref name="State"/> is what the report says; <paramref name="Reason"/> is for people.</summary>
internal sealed record StepResult(string State, StepExit? Exit = null, string? Reason = null);

/// <summary>Runs one step after the other in an attempt's folder: makes its tokens and its environment, and has it executed.</summary>
internal sealed class StepRunner(
    AttemptPayload payload,
    StepPlace place,
    AttemptLog log,
    StopSwitch stop,
    TimeProvider time,
    (string Url, string Bearer) endpoint,
    IdentityTokenExchange exchange,
    IReadOnlyDictionary<string, string> clouds,
    CachePlace? cache)
{
    private static readonly Dictionary<string, string> NoCache = [];
    private readonly StepExecution _execution = new(payload, place, log, stop, time);

    public async Task<StepResult> RunAsync(StepPayload step)
    {
        log.AppendNote($"step {Printable(step.Name)}");
        try
        {
            var command = await PrepareAsync(step);
            if (!command.TryGet(out var ready, out var refusal))
            {
                return Failed(refusal.Detail);
            }

            return await _execution.RunAsync(step, ready);
        }
        catch (OperationCanceledException) when (stop.Stopped.IsCancellationRequested)
        {
            return new StepResult(StepExecution.StateOf(stop.Reason));
        }
        catch (Exception exception) when (exception is System.ComponentModel.Win32Exception or IOException or UnauthorizedAccessException)
        {
            return Failed($"the step could not be run: {exception.Message}");
        }
    }

    private static string Printable(string name) => string.Concat(name.Select(c => char.IsControl(c) ? '?' : c));

    /// <summary>The client wants a folder for its archives, which elsewhere the job's runner makes.</summary>
    private Dictionary<string, string> CacheOf(StepPayload step)
    {
        if (cache is null || !step.Cache)
        {
            return NoCache;
        }

        var variables = new Dictionary<string, string>(cache.Variables, StringComparer.Ordinal);
        if (!step.Environment.ContainsKey("RUNNER_TEMP") && !payload.Variables.ContainsKey("RUNNER_TEMP"))
        {
            variables["RUNNER_TEMP"] = place.Temporary;
        }

        return variables;
    }

    private StepResult Failed(string reason)
    {
        log.AppendNote(reason);
        return new StepResult(RunStates.Failed, Reason: reason);
    }

    private async Task<Outcome<StepCommand>> PrepareAsync(StepPayload step)
    {
        var built = StepEnvironment.Build(payload, step, place.Home, place.SearchPath, endpoint, clouds, CacheOf(step));
        if (!built.TryGet(out var environment, out var refusal))
        {
            return refusal;
        }

        if (await AddTokensAsync(environment, step) is { } noToken)
        {
            return noToken;
        }

        return step.Script is { } script ? place.Script(script, environment) : new StepCommand(step.Argv!, environment, IsScript: false);
    }

    /// <summary>Tokens that the definition wants in the environment, good for as long as the step may take.</summary>
    private async Task<Refusal?> AddTokensAsync(Dictionary<string, string> environment, StepPayload step)
    {
        if (step.OidcAudiences is not { } asked)
        {
            return null;
        }

        var audiences = asked.Count == 0 ? [payload.DefaultAudience] : asked;
        for (var index = 0; index < audiences.Count; index++)
        {
            var subject = step.OidcSubjects is { } subjects && index < subjects.Count ? subjects[index] : null;
            var token = await exchange.MintAsync(audiences[index], TimeSpan.FromSeconds(step.TimeoutSeconds), stop.Stopped, subject);
            if (!token.TryGet(out var value, out var refusal))
            {
                return refusal with { Detail = $"no identity token for the audience {Printable(audiences[index])}: {refusal.Detail}" };
            }

            environment[StepEnvironment.TokenName(index)] = value;
        }

        return null;
    }
}
