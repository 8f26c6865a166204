using Lanyard.Protocol.Runs;
using Lanyard.Server.Runners;

namespace Lanyard.Server.Runs;

/// <summary>
/// Compares what a runner says it holds with what the database says: keep, abandon or cancel for each, and the leases of those it keeps renewed in
/// one statement. The first word of a new session is the whole truth about the runner: what it does not name is lost at once.
/// </summary>
internal sealed class HoldAnswering(RunStore store, SessionStore sessions, RunnerDirectory directory, RunChanges changes, RunRules rules, OffersOut offersOut, AttemptLiveness liveness)
{
    public Task<IReadOnlyList<HoldAnswer>> AnswerAsync(ActiveRunner runner, IReadOnlyList<Hold> holds, CancellationToken cancellationToken) =>
        AnswerAsync(runner, holds, [], cancellationToken);

    /// <summary>
    /// As <see cref="AnswerAsync(ActiveRunner, IReadOnlyList{Hold}, CancellationToken)"/>, but an offer that this replica made the session and did not see accepted is answered without
    /// asking: whoever names it is about to accept it, and the accept is told what has become of it. Nor is it asked about an attempt that has just gone on or been renewed: a runner of many
    /// short runs polls many times a second.
    /// </summary>
    public Task<IReadOnlyList<HoldAnswer>> AnswerAtOnceAsync(ActiveRunner runner, IReadOnlyList<Hold> holds, CancellationToken cancellationToken)
    {
        var known = new Dictionary<Hold, HoldAnswer>();
        foreach (var hold in holds)
        {
            if (AtOnce(runner, hold, rules.Now) is { } answer)
                known[hold] = answer;
        }
        return AnswerAsync(runner, holds, known, cancellationToken);
    }

    private HoldAnswer? AtOnce(ActiveRunner runner, Hold hold, long now)
    {
        var session = runner.Session!.Session;
        if (hold.State == AttemptStates.Offered && offersOut.Deadline(session, hold) is { } deadline && deadline > now)
            return new(hold.Run, hold.Attempt, HoldAnswers.Keep, Left(deadline, now));
        return liveness.Leased(runner.Runner.Id, session, hold) is { } leased ? Answer(hold, leased, now) : null;
    }

    private async Task<IReadOnlyList<HoldAnswer>> AnswerAsync(
        ActiveRunner runner, IReadOnlyList<Hold> holds, Dictionary<Hold, HoldAnswer> known, CancellationToken cancellationToken)
    {
        if (!runner.Session!.Reconciled)
            await ReconcileAsync(runner, holds, cancellationToken);
        if (holds.Count == 0)
            return [];
        var now = rules.Now;
        var named = holds.Where(h => !known.ContainsKey(h)).Select(h => (h.Run, h.Attempt)).Distinct().ToArray();
        var held = await store.RenewAsync(runner.Runner.Id, runner.Session.Session, named, now, rules.LeaseEnd, cancellationToken);
        return [.. holds.Select(hold => known.GetValueOrDefault(hold) ?? Answer(hold, held.Find(h => h.Run == hold.Run && h.Attempt == hold.Attempt), now))];
    }

    internal static HoldAnswer Answer(Hold hold, HeldAttempt? held, long now) => held?.State switch
    {
        null => new(hold.Run, hold.Attempt, HoldAnswers.Abandon, 0),
        AttemptStates.Canceling => new(hold.Run, hold.Attempt, HoldAnswers.Cancel, Left(held.Deadline, now)),
        _ => new(hold.Run, hold.Attempt, HoldAnswers.Keep, Left(held.Deadline, now), held.TimeoutSeconds),
    };

    private static int Left(long deadline, long now) => (int)Math.Max(0, (deadline - now) / 1000);

    /// <summary>What the runner accepted before and does not hold any more died with its process, or it never heard that its accept was taken.</summary>
    private async Task ReconcileAsync(ActiveRunner runner, IReadOnlyList<Hold> holds, CancellationToken cancellationToken)
    {
        var session = runner.Session!;
        foreach (var run in await store.LiveOfAsync(runner.Runner.Id, cancellationToken))
        {
            if (run.AttemptState == AttemptStates.Offered || run.AcceptedAt > session.Started || holds.Any(h => h.Run == run.Id && h.Attempt == run.Attempt))
                continue;
            await changes.ApplyAsync(
                run.Id,
                row => row.Attempt == run.Attempt && row.AttemptState != AttemptStates.Offered ? rules.Lose(row, RunReasons.NotHeld) : row,
                RunAudit.Expired,
                cancellationToken);
        }
        await sessions.ReconciledAsync(runner.Runner.Id, session.Session, cancellationToken);
        directory.Changed(runner.Runner.Id);
    }
}
