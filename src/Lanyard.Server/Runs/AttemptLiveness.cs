using System.Collections.Concurrent;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Runs;

/// <summary>
/// Whether an attempt is alive, for the bearer door and the exchange: from memory, and right at once on the replica that ended it. Another
/// replica's end is known by its notification, and after <see cref="RunsOptions.LivenessRecheck"/> at the latest. An attempt only ever goes
/// forward, so what is over is remembered for good, and a slow reader can't bring it back.
/// </summary>
internal sealed class AttemptLiveness : IDisposable
{
    /// <summary>An attempt went on; the payload is <c>run attempt</c>.</summary>
    public const string Channel = "attempts.changed";

    private const int Most = 50_000;

    private readonly RunStore _store;
    private readonly RunRules _rules;
    private readonly TimeProvider _time;
    private readonly Notifications _notifications;
    private readonly IDisposable _subscription;

    // Two generations: when the young one is full the old one goes. Nothing is lost that can't be read again.
    private ConcurrentDictionary<(string Run, int Attempt), Known> _young = new();
    private ConcurrentDictionary<(string Run, int Attempt), Known> _old = new();

    /// <summary>How many were put into the young one, or somewhat more.</summary>
    private int _count;

    public AttemptLiveness(RunStore store, RunRules rules, Database database, TimeProvider time)
    {
        (_store, _rules, _time, _notifications) = (store, rules, time, database.Notifications);
        _subscription = _notifications.Subscribe(Channel, Forget);
    }

    /// <summary>
    /// Whether tokens of the attempt are good: it was accepted, its lease has not ended, and nobody asked for its end. (In <c>canceling</c> the
    /// runner still reports state and log with its own token; the run's is dead.)
    /// </summary>
    public async ValueTask<bool> IsAliveAsync(string run, int attempt, CancellationToken cancellationToken = default) =>
        await FindAsync(run, attempt, cancellationToken) is { State: AttemptStates.Accepted or AttemptStates.Running };

    /// <summary>Whether the attempt is a runner's or pod's to speak for: accepted and not over. In <c>canceling</c> it still is.</summary>
    public async ValueTask<bool> IsHeldAsync(string run, int attempt, CancellationToken cancellationToken = default) =>
        await FindAsync(run, attempt, cancellationToken) is { State: AttemptStates.Accepted or AttemptStates.Running or AttemptStates.Canceling };

    /// <summary>The state of the caller's attempt, as far as memory knows within the recheck time; null means: ask the store.</summary>
    public string? HeldState(string run, AttemptCall call) =>
        TryRemembered((run, call.Attempt), out var known)
        && known.State is AttemptStates.Accepted or AttemptStates.Running or AttemptStates.Canceling
        && known.Runner == call.Runner && (call.Session is null || known.Session == call.Session)
            ? known.State
            : null;

    /// <summary>
    /// The session's attempt whose lease was renewed within the recheck time, by whatever call: it need not be renewed again. Null: ask the store, also where anybody asked for its end.
    /// </summary>
    public HeldAttempt? Leased(string runner, string session, Hold hold) =>
        TryRemembered((hold.Run, hold.Attempt), out var known)
        && known.State is AttemptStates.Accepted or AttemptStates.Running
        && known.Runner == runner && known.Session == session
        && known.Deadline > _rules.LeaseEnd - (long)_rules.Options.LivenessRecheck.TotalMilliseconds
            ? new HeldAttempt(hold.Run, hold.Attempt, known.State, known.Deadline, known.TimeoutSeconds)
            : null;

    /// <summary>Not for a pod: it does not know the session, and the runner's own calls ask for it.</summary>
    /// <param name="asked">As <see cref="Ask"/> said before it was read.</param>
    public void RememberHeld(HeldAttempt held, AttemptCall call, long asked)
    {
        if (call.Session is not null)
            Put((held.Run, held.Attempt), new(held.State, call.Runner, call.Session, held.Deadline, held.TimeoutSeconds, asked));
    }

    /// <summary>To be taken before the store is asked: an answer that was long on its way is as old as its question, and another replica may have ended the attempt since.</summary>
    public long Ask() => _time.GetTimestamp();

    /// <summary>What the store has just said or taken.</summary>
    /// <param name="asked">As <see cref="Ask"/> said before it did.</param>
    public void Remember(RunRecord run, long asked)
    {
        if (run.Attempt > 0)
            Put((run.Id, run.Attempt), new(run.AttemptState, run.Runner, run.Session, run.Deadline, run.TimeoutSeconds, asked));
    }

    /// <summary>To be called after the commit of a change of an attempt.</summary>
    public void Changed(RunRecord run)
    {
        var asked = Ask();
        Remember(run, asked);
        _notifications.Publish(Channel, $"{run.Id} {run.Attempt}");
        Remember(run, asked);
    }

    public void Dispose() => _subscription.Dispose();

    private async ValueTask<Known?> FindAsync(string run, int attempt, CancellationToken cancellationToken)
    {
        if (TryRemembered((run, attempt), out var known))
            return known;
        var asked = Ask();
        if (await _store.FindAsync(run, cancellationToken) is not { } row || attempt < 1 || attempt > row.Attempt)
            return null;
        var read = attempt == row.Attempt
            ? new Known(row.AttemptState, row.Runner, row.Session, row.Deadline, row.TimeoutSeconds, asked)
            : new Known(AttemptStates.Ended, null, null, 0, 0, asked);
        read = Put((run, attempt), read);
        return !read.IsOver && read.Deadline <= _rules.Now ? null : read;
    }

    private bool TryRemembered((string, int) key, out Known known)
    {
        if (!_young.TryGetValue(key, out known!) && !_old.TryGetValue(key, out known!))
            return false;
        return known.IsOver || (known.Deadline > _rules.Now && _time.GetElapsedTime(known.At) < _rules.Options.LivenessRecheck);
    }

    private Known Put((string, int) key, Known next)
    {
        // The map counts itself by taking all of its locks.
        if (!_young.ContainsKey(key) && Interlocked.Increment(ref _count) > Most)
        {
            _count = 0;
            (_old, _young) = (_young, new());
        }
        if (_old.TryGetValue(key, out var older) && older.Rank > next.Rank)
            next = older;
        return _young.AddOrUpdate(key, static (_, next) => next, static (_, present, next) => present.Rank > next.Rank ? present : next, next);
    }

    private void Forget(string? payload)
    {
        if (payload?.Split(' ') is [var run, var number] && int.TryParse(number, out var attempt))
            ForgetLive((run, attempt));
        else
            (_old, _young) = (new(), new());
    }

    private void ForgetLive((string, int) key)
    {
        foreach (var generation in (ReadOnlySpan<ConcurrentDictionary<(string Run, int Attempt), Known>>)[_young, _old])
        {
            if (generation.TryGetValue(key, out var known) && !known.IsOver)
                generation.TryRemove(new(key, known));
        }
    }

    private sealed record Known(string State, string? Runner, string? Session, long Deadline, int TimeoutSeconds, long At)
    {
        public bool IsOver => AttemptStates.IsOver(State);

        public int Rank => State switch
        {
            AttemptStates.Offered => 1,
            AttemptStates.Accepted => 2,
            AttemptStates.Running => 3,
            AttemptStates.Canceling => 4,
            AttemptStates.Ended or AttemptStates.Lost => 5,
            _ => 0,
        };
    }
}
