using Lanyard.Protocol.Runs;

namespace Lanyard.Server.Runs;

/// <summary>
/// The hot row of a run with its present attempt in it: one statement a state change. An attempt that is not the run's last
/// is kept as an <see cref="AttemptRecord"/>. Times are Unix milliseconds, 0 = not yet.
/// </summary>
/// <param name="Queue">See <see cref="QueueKey"/>.</param>
/// <param name="Attempt">Number of the present or last attempt; 0 before the first offer. It only grows.</param>
/// <param name="AttemptState">One of <see cref="AttemptStates"/>, or empty before the first offer.</param>
/// <param name="Accepts">Attempts that were accepted so far; offers that lapsed don't count.</param>
/// <param name="Deadline">Of a live attempt: when the offer lapses or the lease ends.</param>
/// <param name="StopBy">Of a live attempt: when the server ends it even though its lease is renewed.</param>
/// <param name="Flow">One of <see cref="RunFlows"/>: what follows when the phase <c>plan</c> has succeeded. Null: nothing, it is the end.</param>
/// <param name="Held">It waits for a human, and is offered to nobody.</param>
/// <param name="PlanSummary">As JSON; null: it has no plan.</param>
/// <param name="QueueUntil">Of a run that waits: when it gives up; 0: by the server's own time.</param>
/// <param name="Version">Grows with every change but the renewal of a lease; a change is written only onto the version it was derived from.</param>
public sealed record RunRecord(
    string Id,
    string Workspace,
    string Collection,
    string Queue,
    string Phase,
    int TimeoutSeconds,
    string State,
    int Attempt,
    string AttemptState,
    int Accepts,
    string? Runner,
    string? Session,
    long Deadline,
    long StopBy,
    long OfferedAt,
    long AcceptedAt,
    long StartedAt,
    long EndedAt,
    string? Outcome,
    string? Reason,
    long LogBytes,
    string? LogSha256,
    bool LogComplete,
    long CancelRequestedAt,
    long CreatedAt,
    long FinishedAt,
    long Version,
    int StepCount,
    RunTerms Terms = default,
    long QueueUntil = 0,
    string? Flow = null,
    bool Held = false,
    string? PlanSummary = null)
{
    /// <summary>Some runner may hold the attempt.</summary>
    public bool IsLive => AttemptState is AttemptStates.Offered or AttemptStates.Accepted or AttemptStates.Running or AttemptStates.Canceling;

    /// <summary>The run may be offered.</summary>
    public bool IsWaiting => State == RunStates.Queued && !IsLive && !Held;

    public bool IsFinal => RunStates.IsFinal(State);
}

/// <summary>An attempt that is over and was not the run's last.</summary>
public sealed record AttemptRecord(
    string Run,
    int Attempt,
    string State,
    string? Runner,
    string? Session,
    long OfferedAt,
    long AcceptedAt,
    long StartedAt,
    long EndedAt,
    string? Outcome,
    string? Reason,
    long LogBytes,
    string? LogSha256,
    bool LogComplete)
{
    public static AttemptRecord Of(RunRecord run) => new(
        run.Id, run.Attempt, run.AttemptState, run.Runner, run.Session, run.OfferedAt, run.AcceptedAt, run.StartedAt, run.EndedAt, run.Outcome, run.Reason,
        run.LogBytes, run.LogSha256, run.LogComplete);
}

/// <summary>Who calls about an attempt: everything that fences it.</summary>
/// <param name="Session">Null: the attempt's own pod calls. Its uid is its fence: it stays the attempt's when the runner opens another session.</param>
public readonly record struct AttemptCall(string Runner, string? Session, int Attempt)
{
    /// <summary>Whether the caller is who has, or had, the attempt that a row shows.</summary>
    public bool IsOf(RunRecord run) => Attempt == run.Attempt && Runner == run.Runner && (Session is null || Session == run.Session);
}

/// <summary>How an attempt ended, as its runner says it, with what the server found of its log.</summary>
/// <param name="Plan">Of an attempt that has planned.</param>
public sealed record AttemptEnd(string Outcome, string? Reason, long LogBytes, string? LogSha256, bool LogComplete, PlanSummary? Plan = null);

/// <summary>What follows a plan that has something to apply.</summary>
public static class RunFlows
{
    public const string Approve = "approve";
    public const string Auto = "auto";

    /// <summary>Nothing: it was asked for the plan.</summary>
    public const string Only = "only";
}

/// <summary>Why an attempt or a run is over, when it was not the runner who said so.</summary>
public static class RunReasons
{
    public const string OfferLapsed = "offer_lapsed";
    public const string OfferWithdrawn = "offer_withdrawn";
    public const string NeverAccepted = "never_accepted";
    public const string LeaseExpired = "lease_expired";
    public const string NotHeld = "not_held";
    public const string LostInApply = "lost_in_apply";
    public const string AttemptsExhausted = "attempts_exhausted";
    public const string StopOverdue = "stop_overdue";
    public const string QueueExpired = "queue_expired";
    public const string CanceledBeforeStart = "canceled_before_start";
    public const string CollectionDrained = "collection_drained";
    public const string Discarded = "discarded";
    public const string ApprovalExpired = "approval_expired";
    public const string NoPlan = "no_plan";
}
