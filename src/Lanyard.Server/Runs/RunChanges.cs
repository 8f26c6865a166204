using Lanyard.Identity;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Audit;

namespace Lanyard.Server.Runs;

/// <summary>A run before and after a change that was written.</summary>
internal sealed record RunChange(RunRecord Before, RunRecord After)
{
    public bool IsNone => ReferenceEquals(Before, After);
}

/// <summary>
/// The one way in which a run changes: read the row, let a rule decide, write onto the version that was read, and tell whoever waits for it. When
/// somebody else was faster the rule decides again on the new row.
/// </summary>
internal sealed class RunChanges(RunStore store, RunMemory memory, AttemptLiveness liveness, Dispatch dispatch, RunMetrics metrics)
{
    /// <summary>Each failed try means that somebody else's change was written, so this is only the bound of a storm.</summary>
    private const int MaxTries = 50;

    /// <param name="tell">What the audit says of the change; null: nothing.</param>
    public Task<Outcome<RunChange>> ApplyAsync(
        string run, Func<RunRecord, Outcome<RunRecord>> rule, Func<RunChange, AuditEvent>? tell, CancellationToken cancellationToken) =>
        DecideAsync(run, null, rule, tell, cancellationToken);

    /// <summary>
    /// As <see cref="ApplyAsync"/>, for a step that most often follows right behind the one before: it is tried on the row that memory has. Memory does not
    /// know a lease's renewals, so the rule must set the deadline and not read it, but for an offer's.
    /// </summary>
    public Task<Outcome<RunChange>> ContinueAsync(
        string run, Func<RunRecord, Outcome<RunRecord>> rule, Func<RunChange, AuditEvent>? tell, CancellationToken cancellationToken) =>
        DecideAsync(run, memory.Find(run), rule, tell, cancellationToken);

    /// <summary>The run as memory has it; where there is nothing, or the check finds something wrong with it, as the database has it.</summary>
    public async Task<RunRecord?> FindAsync(string run, Func<RunRecord, Refusal?> check, CancellationToken cancellationToken) =>
        memory.Find(run) is { } known && check(known) is null ? known : await store.FindAsync(run, cancellationToken);

    private async Task<Outcome<RunChange>> DecideAsync(
        string run, RunRecord? known, Func<RunRecord, Outcome<RunRecord>> rule, Func<RunChange, AuditEvent>? tell, CancellationToken cancellationToken)
    {
        for (var i = 0; i < MaxTries; i++)
        {
            var (isKnown, asked) = (known is not null, liveness.Ask());
            if ((known ?? await store.FindAsync(run, cancellationToken)) is not { } before)
                return new Refusal(RefusalReason.NotFound, $"there is no run {run}");
            known = null;
            var isDecided = rule(before).TryGet(out var after, out var refusal);
            if (isKnown && (!isDecided || ReferenceEquals(before, after)))
            {
                // That nothing is to be done, or may be done, is never decided on what memory says.
                memory.Forget(run);
                continue;
            }
            if (!isDecided)
                return refusal!;
            var change = new RunChange(before, after!);
            if (change.IsNone)
            {
                liveness.Remember(before, asked);
                return change;
            }
            if (await store.SaveAsync(change.After, tell?.Invoke(change), () => Tell(change), cancellationToken))
                return change;
        }
        return new Refusal(RefusalReason.Unavailable, $"run {run} changes too fast");
    }

    /// <summary>Doors close on an attempt that is over, a waiting run wakes a poll, a runner hears at once of a cancel or a loss.</summary>
    private void Tell(RunChange change)
    {
        var (before, after) = change;
        memory.Remember(after);
        metrics.Changed(before, after);
        if (after.Attempt > 0)
            liveness.Changed(after);
        if (after.IsWaiting)
            dispatch.Queued(after.Queue);
        if (before.IsLive && !after.IsLive)
            dispatch.Freed(after.Collection);
        var mustHear = after.AttemptState == AttemptStates.Canceling || (before.IsLive && after.AttemptState == AttemptStates.Lost);
        if (mustHear && after.Runner is { } runner && before.AttemptState != after.AttemptState)
            dispatch.Nudge(runner);
    }
}
