using System.Collections.Concurrent;
using Lanyard.Cli.Runner.Attempts;
using Lanyard.Cli.Runner.Sandbox;
using Lanyard.Cli.Runner.Server;
using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runner;

/// <summary>
/// The runner's life after its session is open: one long poll for all its collections, one heartbeat for all its attempts. Each carries
/// what the runner holds, and the server's answer for each attempt is obeyed; that alone puts lost answers, restarts and ghosts right.
/// </summary>
internal sealed class RunnerLoop(RunnerSettings settings, RunnerSessions sessions, AttemptServices services) : IDisposable
{
    private static readonly TimeSpan NoProgressAfter = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan ShortestPoll = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<AttemptKey, AttemptExecution> _held = new();
    private readonly ConcurrentDictionary<AttemptKey, Task> _tasks = new();
    private readonly Slots _slots = new(settings.Concurrency);
    private readonly CancellationTokenSource _ended = new();
    private readonly TimeProvider _time = services.Time;
    private Action _pollAgain = static () => { };
    private string? _onlyCollection;
    private long _progress = services.Time.GetTimestamp();
    private volatile bool _draining;
    private int _exit = RunnerExit.Done;

    /// <summary>Runs until it is drained, or must end. Answers one of <see cref="RunnerExit"/>.</summary>
    public async Task<int> RunAsync()
    {
        var heartbeat = UntilEnded(HeartbeatAsync);
        var watchdog = UntilEnded(WatchProgressAsync);
        await UntilEnded(PollAsync);
        await _ended.CancelAsync();
        await Task.WhenAll(heartbeat, watchdog);
        await Task.WhenAll(_tasks.Values);
        return _exit;
    }

    /// <summary>No new work; the loop ends when what is held has ended.</summary>
    public void Drain()
    {
        services.Log.Draining(_held.Count);
        _draining = true;
        PollAgain();
    }

    /// <summary>Cancels what is held, and drains.</summary>
    public void StopAll()
    {
        services.Log.Stopping(_held.Count);
        StopAll(StopReason.RunnerStopped);
        _draining = true;
        PollAgain();
    }

    public void Dispose() => _ended.Dispose();

    private async Task UntilEnded(Func<CancellationToken, Task> loop)
    {
        try
        {
            await loop(_ended.Token);
        }
        catch (OperationCanceledException) when (_ended.IsCancellationRequested)
        {
            // The other loop has decided.
        }
    }

    private void StopAll(StopReason reason)
    {
        foreach (var attempt in _held.Values)
        {
            attempt.Stop(reason);
        }
    }

    private List<Hold> Holds() => [.. _held.Values.Select(attempt => attempt.Hold)];

    private void PollAgain() => Volatile.Read(ref _pollAgain)();

    private async Task PollAsync(CancellationToken cancellationToken)
    {
        var backoff = new Backoff(_time);
        while (!(_draining && _tasks.IsEmpty))
        {
            Volatile.Write(ref _progress, _time.GetTimestamp());
            var sent = _time.GetTimestamp();
            var answer = await PollOnceAsync(cancellationToken);
            if (answer is not { } known)
            {
                continue; // what the poll said had become untrue; a new one says better
            }

            if (known.Kind is AnswerKind.Ok)
            {
                backoff.Reset();
                Obey(known.Value!.Answers, sent);
                Accept(known.Value.Offers);
                await PaceAsync(sent, known.Value, cancellationToken);
            }
            else if (!await RecoverAsync(known.Kind, known.Detail, cancellationToken))
            {
                return;
            }
            else
            {
                services.Log.Unreachable(known.Detail);
                await backoff.WaitAsync(known.RetryAfter, cancellationToken);
            }
        }
    }

    /// <summary>Null where the poll was broken off: with no free slot it carried nothing that could be lost.</summary>
    private async Task<Answer<PollResponse>?> PollOnceAsync(CancellationToken cancellationToken)
    {
        var again = new CancellationTokenSource(); // without a timer there is nothing to dispose, and a late call must not fail
        Volatile.Write(ref _pollAgain, again.Cancel);
        var free = _draining ? 0 : _slots.Free;
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, again.Token);
        try
        {
            var wait = (int)(sessions.Present.PollSeconds * (0.8 + (0.2 * Jitter.Fraction())));
            return await services.Plane.PollAsync(new PollRequest(services.Plane.Session, free, wait, Holds()), either.Token);
        }
        catch (OperationCanceledException) when (again.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <summary>A canceling attempt makes the server answer at once until it has ended; polls that bring nothing are a second apart.</summary>
    private async Task PaceAsync(long sent, PollResponse response, CancellationToken cancellationToken)
    {
        var left = ShortestPoll - _time.GetElapsedTime(sent);
        if (response.Offers.Count == 0 && left > TimeSpan.Zero)
        {
            await Task.Delay(left, _time, cancellationToken);
        }
    }

    /// <summary>False where the loop must end.</summary>
    private async Task<bool> RecoverAsync(AnswerKind kind, string? detail, CancellationToken cancellationToken)
    {
        if (kind is AnswerKind.Stale)
        {
            services.Log.SessionFenced();
            StopAll(StopReason.Abandoned);
            _exit = RunnerExit.TakenOver;
            return false;
        }

        if (kind is AnswerKind.Over)
        {
            services.Log.SessionOver(detail);
            if (await sessions.OpenAsync(cancellationToken) is { } unsafeBecause)
            {
                services.Log.SessionRefused(unsafeBecause.Detail);
                StopAll(StopReason.RunnerStopped);
                _exit = RunnerExit.NotSafe;
                return false;
            }
        }

        return true;
    }

    private async Task HeartbeatAsync(CancellationToken cancellationToken)
    {
        var pause = TimeSpan.Zero;
        while (true)
        {
            var third = TimeSpan.FromSeconds(sessions.Present.LeaseSeconds / 3.0);
            await Task.Delay(pause > TimeSpan.Zero ? pause : third * (0.7 + (0.3 * Jitter.Fraction())), _time, cancellationToken);
            pause = TimeSpan.Zero;
            var holds = Holds();
            if (holds.Count == 0)
            {
                continue;
            }

            var sent = _time.GetTimestamp();
            var answer = await services.Plane.HeartbeatAsync(new HeartbeatRequest(services.Plane.Session, holds), third, cancellationToken);
            if (answer.Kind is AnswerKind.Ok)
            {
                Obey(answer.Value!.Answers, sent);
            }
            else
            {
                pause = third / 4 * (0.1 + Jitter.Fraction()); // several tries fit into what is left of the lease
            }
        }
    }

    private async Task WatchProgressAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            await Task.Delay(NoProgressAfter / 5, _time, cancellationToken);
            var stuck = _time.GetElapsedTime(Volatile.Read(ref _progress));
            if (stuck > NoProgressAfter)
            {
                services.Log.NoProgress(stuck.TotalSeconds);
                StopAll(StopReason.Abandoned);
                _exit = RunnerExit.NoProgress;
                await _ended.CancelAsync();
            }
        }
    }

    private void Obey(IReadOnlyList<HoldAnswer> answers, long sent)
    {
        foreach (var answer in answers)
        {
            if (!_held.TryGetValue(new AttemptKey(answer.Run, answer.Attempt), out var attempt))
            {
                continue;
            }

            if (answer.LeaseSeconds > 0)
            {
                attempt.Lease.Renew(sent, TimeSpan.FromSeconds(answer.LeaseSeconds));
            }

            if (answer.Answer is HoldAnswers.Cancel)
            {
                attempt.Stop(StopReason.Canceled);
            }
            else if (answer.Answer is HoldAnswers.Abandon)
            {
                attempt.Stop(StopReason.Abandoned);
            }
        }
    }

    private void Accept(IReadOnlyList<Offer> offers)
    {
        foreach (var offer in offers)
        {
            var key = new AttemptKey(offer.Run, offer.Attempt);
            if (_draining || !key.IsWellFormed || _tasks.ContainsKey(key) || !IsAllowed(offer) || !_slots.TryTake(out var slot))
            {
                continue; // not accepted: the offer lapses, or comes again
            }

            // Registered before it runs, so that it can take itself out at the end.
            var begin = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _tasks[key] = RunAttemptAsync(key, offer, slot, begin.Task);
            begin.SetResult();
        }
    }

    /// <summary>Without a sandbox, the first collection is the only one.</summary>
    private bool IsAllowed(Offer offer)
    {
        if (services.Launcher.Mode is SandboxMode.Bubblewrap)
        {
            return true;
        }

        var collection = $"{offer.Workspace}/{offer.Collection}";
        _onlyCollection ??= collection;
        return _onlyCollection == collection;
    }

    private async Task RunAttemptAsync(AttemptKey key, Offer offer, int slot, Task begin)
    {
        await begin;
        try
        {
            await AcceptAndRunAsync(key, offer, slot);
        }
        catch (OperationCanceledException) when (_ended.IsCancellationRequested)
        {
            // The runner had to end before the offer was accepted: it lapses.
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            // One attempt's trouble (a full disk, a bug) must not take the others with it: this one's lease ends, and the server knows.
            services.Log.BrokeOff(key, exception);
        }
        finally
        {
            _held.TryRemove(key, out _);
            _slots.Give(slot);
            _tasks.TryRemove(key, out _);
            PollAgainWhereNothingCouldBeLost();
        }
    }

    private async Task AcceptAndRunAsync(AttemptKey key, Offer offer, int slot)
    {
        if (await AcceptAsync(key, offer) is not { } accepted)
        {
            return;
        }

        var owner = Environment.IsPrivilegedProcess ? settings.FirstUid + (uint)slot : (uint?)null;
        using var attempt = new AttemptExecution(accepted.Payload, services, owner, sessions.Present.MaxLogChunkBytes);
        attempt.Lease.Renew(accepted.Sent, TimeSpan.FromSeconds(accepted.Payload.LeaseSeconds));
        _held[key] = attempt;
        services.Log.Accepted(key, offer.Workspace, offer.Collection);
        var outcome = await attempt.RunAsync();
        if (outcome is null)
        {
            services.Log.Abandoned(key);
        }
        else
        {
            services.Log.Ended(key, outcome);
        }

        if (settings.Once)
        {
            _exit = outcome is RunStates.Succeeded ? RunnerExit.Done : RunnerExit.RunFailed;
            _draining = true;
        }
    }

    /// <summary>Repeats a lost accept: it is idempotent, and the answer is the same again. Ends when the server has decided otherwise.</summary>
    private async Task<(AttemptPayload Payload, long Sent)?> AcceptAsync(AttemptKey key, Offer offer)
    {
        var backoff = new Backoff(_time, TimeSpan.FromSeconds(2));
        var first = _time.GetTimestamp();
        while (true)
        {
            var sent = _time.GetTimestamp();
            var answer = await services.Plane.AcceptAsync(key, _ended.Token);
            if (answer.Kind is AnswerKind.Ok && answer.Value is { } payload)
            {
                return (payload, sent);
            }

            if (answer.IsFinal || _time.GetElapsedTime(first) > TimeSpan.FromSeconds(sessions.Present.LeaseSeconds))
            {
                services.Log.NotAccepted(key, $"{offer.Workspace}/{offer.Collection}: {answer.Detail}");
                return null;
            }

            await backoff.WaitAsync(answer.RetryAfter, _ended.Token);
        }
    }

    /// <summary>A poll without free slots can't bring work: it is broken off for one that can. Another is left to its end.</summary>
    private void PollAgainWhereNothingCouldBeLost()
    {
        if (_slots.Free == 1 || _draining)
        {
            PollAgain();
        }
    }
}
