using System.Globalization;
using Lanyard.Protocol.Runs;

namespace Lanyard.Server.Runs;

/// <summary>What is known of a run that has ended.</summary>
/// <param name="Runner">Of its last attempt, by name; null: nobody had it.</param>
/// <param name="Step">The step of the last attempt that did not come to a good end, by name; null: none.</param>
/// <param name="Before">The attempts before the last, each with its runner's name.</param>
internal sealed record EndedFacts(RunRecord Run, string? Runner, string? Step, IReadOnlyList<(AttemptRecord Attempt, string? Runner)> Before);

/// <summary>How a run ended: when, in which attempt, on whose machine, why, and where more of it is told.</summary>
internal static class WhyEnded
{
    /// <summary>Runs that end while they wait: their last attempt, where they had one, was over before.</summary>
    private static readonly string[] EndsOfWaiting =
        [RunReasons.QueueExpired, RunReasons.CanceledBeforeStart, RunReasons.CollectionDrained, RunReasons.Discarded, RunReasons.ApprovalExpired];

    /// <returns>The first says it all; the others are where to look.</returns>
    public static IReadOnlyList<WhyReason> Reasons(EndedFacts facts)
    {
        var run = facts.Run;
        var reasons = new List<WhyReason> { new(WhyCodes.Finished, Sentence(facts), facts.Runner) };
        foreach (var (attempt, runner) in facts.Before)
            reasons.Add(new(WhyCodes.Attempt, $"attempt {Number(attempt.Attempt)}{On(runner)} {(attempt.State == AttemptStates.Lost ? "was lost" : $"ended ({attempt.Outcome})")} at {Time(attempt.EndedAt)}{Because(attempt.Reason)}", runner));
        if (run.CancelRequestedAt != 0 && run.Reason != RunReasons.CollectionDrained)
            reasons.Add(new(WhyCodes.Canceled, $"its end was asked for at {Time(run.CancelRequestedAt)}: by whom is in the audit, as run.cancel or operation.cancel of {run.Id}"));
        if (run.StartedAt != 0 || run.LogBytes > 0 || facts.Before.Any(static before => before.Attempt.LogBytes > 0))
            reasons.Add(new(WhyCodes.Log, $"lanyard logs {run.Id}{(facts.Before.Count > 0 ? $" --attempt 1 to {Number(run.Attempt)}" : "")}"));
        return reasons;
    }

    private static string Sentence(EndedFacts facts)
    {
        var run = facts.Run;
        var verb = run.State switch
        {
            RunStates.Canceled => "was canceled",
            RunStates.TimedOut => "timed out",
            _ => run.State,
        };
        if (run.Attempt == 0 || (run.Reason is { } reason && EndsOfWaiting.Contains(reason)))
            return $"it {verb} at {Time(run.FinishedAt)}{Because(run.Reason)}";
        var step = facts.Step is { } name && run.State != RunStates.Succeeded ? $"in step {name} of" : "in";
        return $"it {verb} at {Time(run.FinishedAt)} {step} attempt {Number(run.Attempt)}{On(facts.Runner)}{Because(run.Reason)}";
    }

    private static string On(string? runner) => runner is null ? "" : $" on runner {runner}";

    private static string Because(string? reason) => reason is null ? "" : Words(reason) is { } words ? $": {words} ({reason})" : $": {reason}";

    /// <summary>Of the server's own reasons; the others are a runner's words, and for people already.</summary>
    private static string? Words(string reason) => reason switch
    {
        RunReasons.OfferLapsed => "the runner did not accept it in time",
        RunReasons.OfferWithdrawn => "no runner had accepted it yet",
        RunReasons.NeverAccepted => "it was offered again and again, and accepted by nobody",
        RunReasons.LeaseExpired => "nothing was heard of it until its lease had ended",
        RunReasons.NotHeld => "its runner did not have it any more",
        RunReasons.LostInApply => "it was lost after the apply had begun, and that is never tried again",
        RunReasons.AttemptsExhausted => "that was the last attempt that it may have",
        RunReasons.StopOverdue => "it did not stop when it had to",
        RunReasons.QueueExpired => "no runner took it for as long as it may wait",
        RunReasons.CanceledBeforeStart => "no runner had it",
        RunReasons.CollectionDrained => "its collection was being drained",
        RunReasons.Discarded => "its plan was discarded",
        RunReasons.ApprovalExpired => "nobody approved its plan in time",
        RunReasons.NoPlan => "it was to plan, and there is no plan",
        _ => null,
    };

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Time(long milliseconds) => DateTimeOffset.FromUnixTimeMilliseconds(milliseconds).ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
