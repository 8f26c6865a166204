using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Collections;
using Lanyard.Server.Runners;

namespace Lanyard.Server.Runs;

/// <summary>Gathers what <see cref="WhyRules"/> and <see cref="WhyEnded"/> need to say why a run is where it is.</summary>
internal sealed class WhyWaiting(WhyQueries queries, RunQueries runs, RunStore store, CollectionDirectory collections, RunnerDirectory runners, RunRules rules)
{
    public async Task<WhyView> TellAsync(ListedRun listed, CancellationToken cancellationToken)
    {
        var run = listed.Run;
        if (run.Held)
        {
            var until = DateTimeOffset.FromUnixTimeMilliseconds(rules.ApprovalUntil(run)).ToString("yyyy-MM-dd HH:mm'Z'", System.Globalization.CultureInfo.InvariantCulture);
            return new(run.Id, run.State, "it waits for a human: lanyard approve or lanyard discard", [new(WhyCodes.Approval, $"its plan waits for approval until {until}, and then the run is timed out")]);
        }

        if (run.IsFinal)
            return await EndedAsync(run, cancellationToken);
        if (!run.IsWaiting)
            return await NotWaitingAsync(run, cancellationToken);
        var collection = collections.FindById(run.Collection);
        var waiting = new WaitingFacts(
            run.Collection,
            QueueKey.Parse(run.Queue),
            collection?.State ?? CollectionStates.Active,
            collection?.Concurrency,
            collection?.Concurrency is null ? 0 : await queries.LiveAsync(run.Collection, cancellationToken),
            await queries.AheadAsync(run, listed.Priority, cancellationToken),
            rules.Now);
        var reasons = WhyRules.Reasons(waiting, await queries.RunnersAsync(run.Collection, cancellationToken));
        return new(run.Id, run.State, $"it waits: {reasons[0].Text}", reasons);
    }

    private async Task<WhyView> EndedAsync(RunRecord run, CancellationToken cancellationToken)
    {
        var before = new List<(AttemptRecord, string?)>();
        foreach (var attempt in (await runs.AttemptsAsync(run.Id, cancellationToken)).Where(attempt => attempt.Attempt != run.Attempt))
            before.Add((attempt, await NameAsync(attempt.Runner, cancellationToken)));
        var reasons = WhyEnded.Reasons(new EndedFacts(run, await NameAsync(run.Runner, cancellationToken), await StepAsync(run, cancellationToken), before));
        return new(run.Id, run.State, reasons[0].Text, reasons);
    }

    /// <summary>The step in which the last attempt came to its end, unless that was a good one.</summary>
    private async Task<string?> StepAsync(RunRecord run, CancellationToken cancellationToken)
    {
        if (run.Attempt == 0 || run.State == RunStates.Succeeded)
            return null;
        var last = (await runs.StepsAsync(run.Id, cancellationToken)).Find(step => step.Attempt == run.Attempt && step.State is not (RunStates.Succeeded or "skipped"));
        return last is null ? null : RunDocument.Parse((await store.FindDocumentAsync(run.Id, cancellationToken))!).Spec.Steps[last.Step].Name;
    }

    private async Task<string?> NameAsync(string? runner, CancellationToken cancellationToken) =>
        runner is null ? null : (await runners.FindActiveAsync(runner, null, cancellationToken))?.Runner.Slug ?? runner;

    private async Task<WhyView> NotWaitingAsync(RunRecord run, CancellationToken cancellationToken)
    {
        var runner = await NameAsync(run.Runner, cancellationToken);
        var (code, text) = run switch
        {
            { AttemptState: AttemptStates.Offered } => (WhyCodes.Offered, $"attempt {run.Attempt} is offered to runner {runner}, which has until {Time(run.Deadline)} to accept it"),
            { AttemptState: AttemptStates.Canceling } => (WhyCodes.Running, $"it was canceled; runner {runner} has until {Time(run.StopBy)} to end it"),
            _ => (WhyCodes.Running, $"attempt {run.Attempt} is {run.AttemptState} on runner {runner}"),
        };
        return new(run.Id, run.State, text, [new(code, text, runner)]);
    }

    private static string Time(long milliseconds) => DateTimeOffset.FromUnixTimeMilliseconds(milliseconds).ToString("HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture);
}
