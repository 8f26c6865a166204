using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Collections;
using Lanyard.Server.Runners;

namespace Lanyard.Server.Runs;

/// <summary>Gathers what <see cref="WhyRules"/> needs to say why a run is where it is.</summary>
internal sealed class WhyWaiting(WhyQueries queries, CollectionDirectory collections, RunnerDirectory runners, RunRules rules)
{
    public async Task<WhyView> TellAsync(ListedRun listed, CancellationToken cancellationToken)
    {
        var run = listed.Run;
        if (run.Held)
        {
            var until = DateTimeOffset.FromUnixTimeMilliseconds(rules.ApprovalUntil(run)).ToString("yyyy-MM-dd HH:mm'Z'", System.Globalization.CultureInfo.InvariantCulture);
            return new(run.Id, run.State, "it waits for a human: lanyard approve or lanyard discard", [new(WhyCodes.Approval, $"its plan waits for approval until {until}, and then the run is timed out")]);
        }

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

    private async Task<WhyView> NotWaitingAsync(RunRecord run, CancellationToken cancellationToken)
    {
        var runner = run.Runner is null ? null : (await runners.FindActiveAsync(run.Runner, null, cancellationToken))?.Runner.Slug ?? run.Runner;
        var (code, text) = run switch
        {
            { IsFinal: true } => (WhyCodes.Finished, $"it is {run.State}{(run.Reason is null ? "" : $": {run.Reason}")}"),
            { AttemptState: AttemptStates.Offered } => (WhyCodes.Offered, $"attempt {run.Attempt} is offered to runner {runner}, which has until {Time(run.Deadline)} to accept it"),
            { AttemptState: AttemptStates.Canceling } => (WhyCodes.Running, $"it was canceled; runner {runner} has until {Time(run.StopBy)} to end it"),
            _ => (WhyCodes.Running, $"attempt {run.Attempt} is {run.AttemptState} on runner {runner}"),
        };
        return new(run.Id, run.State, text, [new(code, text, runner)]);
    }

    private static string Time(long milliseconds) => DateTimeOffset.FromUnixTimeMilliseconds(milliseconds).ToString("HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture);
}
