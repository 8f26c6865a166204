using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Collections;

namespace Lanyard.Server.Runs;

/// <summary>
/// The state machine of a run and its attempts (docs/architecture.md, "Runs"). Each function takes a row and answers the next one, the same instance
/// where nothing changes, or a refusal. It knows no database: the store writes the next row only onto the version it was derived from, so two callers
/// can't both win. Only the offer itself and the renewal of a lease are done in SQL alone.
/// </summary>
public sealed class RunRules(RunsOptions options, TimeProvider time)
{
    public const string ApplyPhase = "apply";
    public const string PlanPhase = "plan";

    public long Now => time.GetUtcNow().ToUnixTimeMilliseconds();

    public RunsOptions Options => options;

    /// <summary>End of a lease that is given or renewed now.</summary>
    public long LeaseEnd => Now + Milliseconds(options.Lease);

    public long OfferEnd => Now + Milliseconds(options.Offer);

    /// <summary>Whether the call is from the one session that holds the attempt, and the attempt is not over.</summary>
    public static Refusal? Fence(RunRecord run, AttemptCall call)
    {
        if (!call.IsOf(run))
            return new(RefusalReason.StaleAttempt, $"attempt {call.Attempt} of {run.Id} by {call.Runner}/{call.Session}; present: {run.Attempt} by {run.Runner}/{run.Session}");
        return run.IsLive ? null : new(RefusalReason.AttemptOver, $"attempt {run.Attempt} of {run.Id} is {run.AttemptState} ({run.Reason ?? run.Outcome})");
    }

    /// <summary>Takes the offer. The same session may repeat it for as long as the attempt lives.</summary>
    public Outcome<RunRecord> Accept(RunRecord run, AttemptCall call)
    {
        if (Fence(run, call) is { } refusal)
            return refusal;
        if (run.AttemptState != AttemptStates.Offered)
            return run;
        var now = Now;
        if (run.Deadline <= now)
            return new Refusal(RefusalReason.StaleAttempt, $"the offer of attempt {run.Attempt} of {run.Id} has lapsed");
        return Changed(run) with
        {
            State = RunStates.Running,
            AttemptState = AttemptStates.Accepted,
            Accepts = run.Accepts + 1,
            AcceptedAt = now,
            Deadline = LeaseEnd,
            StopBy = EndOf(run, now) + Milliseconds(options.Start),
        };
    }

    /// <summary>When the server ends an attempt whose time began then: the time is the steps', and a pod may take its own to come up.</summary>
    private long EndOf(RunRecord run, long began) => began + (run.TimeoutSeconds * 1000L) + Milliseconds(GraceOf(run) + options.StopMargin);

    /// <summary>Between the signal and the kill.</summary>
    public TimeSpan GraceOf(RunRecord run) => run.Terms.GraceSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : options.Grace;

    /// <summary>When a run that begins to wait now gives up; 0: by <see cref="RunsOptions.QueueLife"/>.</summary>
    public long QueueUntil(RunTerms terms) => terms.QueueSeconds is { } seconds ? Now + (seconds * 1000L) : 0;

    /// <summary>Of a run that waits for a human: when nobody is waited for any more.</summary>
    public long ApprovalUntil(RunRecord run) => run.EndedAt + Milliseconds(run.Terms.ApprovalSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : options.ApprovalLife);

    /// <summary>The first step is about to start. In <c>canceling</c> nothing changes: the answer's state tells the runner not to start.</summary>
    public Outcome<RunRecord> Start(RunRecord run, AttemptCall call)
    {
        if (Hold(run, call) is { } refusal)
            return refusal;
        return run.AttemptState == AttemptStates.Accepted
            ? Changed(run) with { AttemptState = AttemptStates.Running, StartedAt = Now, Deadline = LeaseEnd, StopBy = EndOf(run, Now) }
            : run;
    }

    /// <summary>The process is dead. A repeated end of the same session changes nothing and is no mistake.</summary>
    public Outcome<RunRecord> End(RunRecord run, AttemptCall call, AttemptEnd end)
    {
        if (IsRepeatedEnd(run, call))
            return run;
        if (Hold(run, call) is { } refusal)
            return refusal;
        var now = Now;
        var ended = Changed(run) with
        {
            AttemptState = AttemptStates.Ended,
            Outcome = end.Outcome,
            Reason = end.Reason,
            EndedAt = now,
            LogBytes = end.LogBytes,
            LogSha256 = end.LogSha256,
            LogComplete = end.LogComplete,
            Deadline = 0,
            StopBy = 0,
        };
        if (end.Outcome == AttemptOutcomes.RunnerError)
            return AfterFailedAttempt(ended, run, now, RetryCauses.RunnerError);
        if (end.Outcome == RunStates.Succeeded && run is { Flow: not null, Phase: PlanPhase })
            return AfterPlan(ended, end.Plan, now);
        return IsTriedAgain(ended, run, end.Outcome) ? Requeued(ended) : Final(ended, end.Outcome, now);
    }

    /// <summary>What a human has approved is offered for its apply; it counts its time in the queue anew.</summary>
    public Outcome<RunRecord> Approve(RunRecord run) => run.Held && ApprovalUntil(run) > Now
        ? Changed(run) with { Held = false, Reason = null, QueueUntil = Now + ((run.Terms.QueueSeconds ?? (int)options.QueueLife.TotalSeconds) * 1000L) }
        : new Refusal(RefusalReason.Conflict, $"{run.Id} does not wait for approval{(run.Held ? " any more" : "")}");

    public Outcome<RunRecord> Discard(RunRecord run) => run.Held
        ? Final(Changed(run) with { Reason = RunReasons.Discarded }, RunStates.Canceled, Now)
        : new Refusal(RefusalReason.Conflict, $"{run.Id} does not wait for approval");

    public static bool IsRepeatedEnd(RunRecord run, AttemptCall call) =>
        run.AttemptState == AttemptStates.Ended && call.IsOf(run);

    /// <summary>Whether an accepted attempt is the caller's: what log, step and end ask for.</summary>
    public static Refusal? Hold(RunRecord run, AttemptCall call) => Fence(run, call)
        ?? (run.AttemptState == AttemptStates.Offered ? new Refusal(RefusalReason.StaleAttempt, $"attempt {run.Attempt} of {run.Id} was not accepted") : null);

    /// <summary>Asks for the end of a run: at once where no process can be alive, else through <c>canceling</c>. A finished run stays as it is.</summary>
    public RunRecord Cancel(RunRecord run)
    {
        if (run.IsFinal || run.CancelRequestedAt != 0)
            return run;
        var now = Now;
        var canceled = Changed(run) with { CancelRequestedAt = now };
        return run.AttemptState switch
        {
            AttemptStates.Accepted or AttemptStates.Running => canceled with
            {
                AttemptState = AttemptStates.Canceling,
                StopBy = Math.Min(run.StopBy, now + Milliseconds(GraceOf(run) + options.StopMargin)),
            },
            AttemptStates.Offered => Final(Lost(canceled, RunReasons.OfferWithdrawn, now), RunStates.Canceled, now),
            _ => Final(canceled with { Reason = RunReasons.CanceledBeforeStart }, RunStates.Canceled, now),
        };
    }

    /// <summary>Gives a run that is not over, and whose end nobody has asked for, more time; its runner hears of it with the next answer about what it holds.</summary>
    public static Outcome<RunRecord> Extend(RunRecord run, int seconds)
    {
        if (run.IsFinal || run.CancelRequestedAt != 0) return new Refusal(RefusalReason.Conflict, $"{run.Id} is {run.State}, or is to end");
        if (run.TimeoutSeconds + seconds > DefinitionRules.MaxTimeoutSeconds)
            return new Refusal(RefusalReason.Conflict, $"{run.Id} has {run.TimeoutSeconds} s and may have {DefinitionRules.MaxTimeoutSeconds} s");
        return Changed(run) with { TimeoutSeconds = run.TimeoutSeconds + seconds, StopBy = run.StopBy == 0 ? 0 : run.StopBy + (seconds * 1000L) };
    }

    /// <summary>What time alone does to a run: lapsed offers and leases, attempts that do not stop, runs that nobody takes, plans that nobody approves.</summary>
    public RunRecord Expire(RunRecord run)
    {
        var now = Now;
        if (run.Held)
            return ApprovalUntil(run) <= now ? Final(Changed(run) with { Reason = RunReasons.ApprovalExpired }, RunStates.TimedOut, now) : run;
        if (run.IsWaiting)
        {
            var until = run.QueueUntil != 0 ? run.QueueUntil : run.CreatedAt + Milliseconds(options.QueueLife);
            return until <= now ? Final(Changed(run) with { Reason = RunReasons.QueueExpired }, RunStates.TimedOut, now) : run;
        }
        if (!run.IsLive)
            return run;
        if (run.Deadline <= now)
            return Lose(run, run.AttemptState == AttemptStates.Offered ? RunReasons.OfferLapsed : RunReasons.LeaseExpired);
        if (run.StopBy != 0 && run.StopBy <= now)
            return Final(Lost(Changed(run), RunReasons.StopOverdue, now), run.CancelRequestedAt != 0 ? RunStates.Canceled : RunStates.TimedOut, now);
        return run;
    }

    /// <summary>Its collection is being drained: what waits is canceled, what runs goes on.</summary>
    public RunRecord Drain(RunRecord run) =>
        run.IsWaiting ? Final(Changed(run) with { CancelRequestedAt = Now, Reason = RunReasons.CollectionDrained }, RunStates.Canceled, Now) : run;

    /// <summary>The attempt is gone, nobody knows how far it came.</summary>
    public RunRecord Lose(RunRecord run, string reason)
    {
        if (!run.IsLive)
            return run;
        var now = Now;
        return AfterFailedAttempt(Lost(Changed(run), reason, now), run, now, RetryCauses.Lost);
    }

    private RunRecord AfterFailedAttempt(RunRecord over, RunRecord before, long now, RetryCauses cause)
    {
        if (before.CancelRequestedAt != 0)
            return Final(over, RunStates.Canceled, now);
        if (HasApplied(before))
            return Final(over with { Reason = RunReasons.LostInApply }, RunStates.Failed, now);
        var wasOffered = before.AttemptState == AttemptStates.Offered;
        if (!wasOffered && !before.Terms.Retries(cause, before.StartedAt != 0))
            return Final(over, RunStates.Failed, now);
        if (!wasOffered && before.Accepts >= MostAttempts(before))
            return Final(over with { Reason = RunReasons.AttemptsExhausted }, RunStates.Failed, now);
        if (before.Attempt >= options.MaxOffers)
            return Final(over with { Reason = RunReasons.NeverAccepted }, RunStates.Failed, now);
        return Requeued(over);
    }

    /// <summary>An end of its steps' own doing stands, unless the definition says otherwise, and always once <c>apply</c> had begun.</summary>
    private bool IsTriedAgain(RunRecord ended, RunRecord before, string outcome)
    {
        var cause = outcome switch
        {
            RunStates.Failed => RetryCauses.Failed,
            RunStates.TimedOut => RetryCauses.TimedOut,
            _ => RetryCauses.None,
        };
        return cause != RetryCauses.None && before.CancelRequestedAt == 0 && !HasApplied(before) && before.Terms.Retries(cause, before.StartedAt != 0)
            && ended.Accepts < MostAttempts(before) && ended.Attempt < options.MaxOffers;
    }

    /// <summary>The apply is the same run's next attempt, in the phase <c>apply</c>: whoever takes it gets exactly this plan.</summary>
    private RunRecord AfterPlan(RunRecord ended, PlanSummary? plan, long now)
    {
        if (plan is null)
            return Final(ended with { Reason = RunReasons.NoPlan }, RunStates.Failed, now);
        var planned = ended with { PlanSummary = JsonSerializer.Serialize(plan, RunsJson.Default.PlanSummary) };
        if (ended.Flow == RunFlows.Only || !plan.HasChanges)
            return Final(planned, RunStates.Succeeded, now);
        return ended.Flow == RunFlows.Auto
            ? Requeued(planned with { Phase = ApplyPhase })
            : planned with { State = RunStates.Queued, Phase = ApplyPhase, Held = true };
    }

    private static bool HasApplied(RunRecord run) => run.StartedAt != 0 && run.Phase == ApplyPhase;

    private int MostAttempts(RunRecord run) => run.Terms.Attempts ?? options.MaxAttempts;

    private RunRecord Requeued(RunRecord over) => over with { State = RunStates.Queued, QueueUntil = QueueUntil(over.Terms) };

    private static RunRecord Lost(RunRecord run, string reason, long now) =>
        run with { AttemptState = AttemptStates.Lost, Reason = reason, EndedAt = now, Deadline = 0, StopBy = 0 };

    private static RunRecord Final(RunRecord run, string state, long now) => run with { State = state, FinishedAt = now, Held = false };

    private static RunRecord Changed(RunRecord run) => run with { Version = run.Version + 1 };

    private static long Milliseconds(TimeSpan span) => (long)span.TotalMilliseconds;
}
