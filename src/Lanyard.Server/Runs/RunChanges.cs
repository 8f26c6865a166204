using Lanyard.Identity;
using Lanyard.Protocol.Runs;

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
internal sealed class RunChanges(RunStore store, AttemptLiveness liveness, Dispatch dispatch)
{
    /// <summary>Each failed try means that somebody else's change was written, so this is only the bound of a storm.</summary>
    private const int MaxTries = 50;

    public async Task<Outcome<RunChange>> ApplyAsync(string run, Func<RunRecord, Outcome<RunRecord>> rule, CancellationToken cancellationToken)
    {
        for (var i = 0; i < MaxTries; i++)
        {
            if (await store.FindAsync(run, cancellationToken) is not { } before)
                return new Refusal(RefusalReason.NotFound, $"there is no run {run}");
            if (!rule(before).TryGet(out var after, out var refusal))
                return refusal;
            if (ReferenceEquals(before, after))
            {
                liveness.Remember(after);
                return new RunChange(before, after);
            }
            if (!await store.SaveAsync(after, cancellationToken))
                continue;
            Tell(before, after);
            return new RunChange(before, after);
        }
        return new Refusal(RefusalReason.Unavailable, $"run {run} changes too fast");
    }

    /// <summary>Doors close on an attempt that is over, a waiting run wakes a poll, a runner hears at once of a cancel or a loss.</summary>
    private void Tell(RunRecord before, RunRecord after)
    {
        if (after.Attempt > 0)
            liveness.Changed(after);
        if (after.IsWaiting)
            dispatch.Queued(after.Queue);
        var mustHear = after.AttemptState == AttemptStates.Canceling || (before.IsLive && after.AttemptState == AttemptStates.Lost);
        if (mustHear && after.Runner is { } runner && before.AttemptState != after.AttemptState)
            dispatch.Nudge(runner);
    }
}
