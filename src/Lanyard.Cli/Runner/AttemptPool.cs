using System.Collections.Concurrent;
using Lanyard.Cli.Runner.Attempts;
using Lanyard.Cli.Runner.Server;
using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runner;

/// <summary>The attempts that a runner holds: takes offers into free slots, runs them, and does to each what the server answers.</summary>
internal sealed class AttemptPool(RunnerSettings settings, RunnerSessions sessions, Executor executor, RunnerServices services)
{
    private readonly ConcurrentDictionary<AttemptKey, HeldAttempt> _held = new();
    private readonly ConcurrentDictionary<AttemptKey, Task> _tasks = new();

    /// <summary>Offers whose acceptance is on its way.</summary>
    private readonly ConcurrentDictionary<AttemptKey, bool> _accepting = new();
    private readonly Slots _slots = new(settings.Concurrency);
    private readonly RoomWatch _room = new(executor, services.Log);
    private readonly TimeProvider _time = services.Time;
    private string? _onlyCollection;
    private volatile bool _closed;

    /// <summary>Called when an attempt has left its slot.</summary>
    public Action SlotFreed { get; set; } = static () => { };

    public int Count => _held.Count;

    /// <summary>How many further attempts are welcome.</summary>
    public int Free => Room().Free;

    public bool IsClosed => _closed;

    /// <summary>Nothing is held, and nothing will be.</summary>
    public bool IsDrained => _closed && _tasks.IsEmpty;

    /// <summary>With <c>--once</c>, or where the runner is ephemeral, how the run went.</summary>
    public int ExitCode { get; private set; } = RunnerExit.Done;

    /// <summary>What is held and not over, and the offers that are being accepted: the server would make them again in every poll, and nothing else meanwhile.</summary>
    public List<Hold> Holds()
    {
        var accepting = _accepting.Keys; // first: what leaves these meanwhile is held already
        var held = new Dictionary<AttemptKey, HeldAttempt>(_held);
        var offers = accepting.Where(key => !held.ContainsKey(key)).Select(static key => new Hold(key.Run, key.Attempt, AttemptStates.Offered));
        return [.. held.Values.Where(static attempt => !attempt.IsOver).Select(static attempt => attempt.Hold), .. offers];
    }

    /// <summary>Takes nothing more.</summary>
    public void Close() => _closed = true;

    /// <summary>How many further attempts are welcome, and why none is where that is not for want of a slot.</summary>
    public (int Free, string? NoRoom) Room() => _closed ? (0, null) : _room.Look() is { } reason ? (0, reason) : (_slots.Free, null);

    public Task EmptyAsync() => Task.WhenAll(_tasks.Values);

    public void StopAll(StopReason reason)
    {
        foreach (var attempt in _held.Values)
        {
            attempt.Stop(reason);
        }
    }

    /// <summary>Lets go of what goes on without this process; everything else stays.</summary>
    public void ReleaseAll()
    {
        if (executor.OutlivesRunner)
        {
            StopAll(StopReason.Released);
        }
    }

    /// <summary>Takes over what an earlier process of this runner has left running. It is held from the first poll on, over the limit too.</summary>
    public void Adopt(IEnumerable<HeldAttempt> attempts)
    {
        foreach (var attempt in attempts)
        {
            int? slot = _slots.TryTake(out var free) ? free : null;
            _held[attempt.Key] = attempt;
            services.Log.Adopted(attempt.Key);
            Begin(attempt.Key, slot, () => RunAdoptedAsync(attempt));
        }
    }

    public void Obey(IReadOnlyList<HoldAnswer> answers, long sent)
    {
        foreach (var answer in answers)
        {
            var key = new AttemptKey(answer.Run, answer.Attempt);
            if (!_held.TryGetValue(key, out var attempt))
            {
                if (answer.Answer is not HoldAnswers.Keep)
                {
                    _accepting.TryRemove(key, out _); // its accept is told so too; named until then, it would have every poll answered at once, without work
                }

                continue;
            }

            if (answer.LeaseSeconds > 0)
            {
                attempt.Lease.Renew(sent, TimeSpan.FromSeconds(answer.LeaseSeconds));
            }

            if (answer.TimeoutSeconds is { } seconds)
            {
                attempt.LastFor(seconds);
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

    /// <param name="giveUp">Ends the acceptance of an offer; what is accepted goes on.</param>
    public void Accept(IReadOnlyList<Offer> offers, CancellationToken giveUp)
    {
        foreach (var offer in offers)
        {
            var key = new AttemptKey(offer.Run, offer.Attempt);
            if (_closed || !key.IsWellFormed || _tasks.ContainsKey(key) || !IsAllowed(offer) || _room.Look() is not null || !_slots.TryTake(out var slot))
            {
                continue; // not accepted: the offer lapses, or comes again
            }

            _accepting[key] = true;
            Begin(key, slot, () => AcceptAndRunAsync(key, offer, slot, giveUp), giveUp);
        }
    }

    /// <summary>Without a sandbox, the first collection is the only one.</summary>
    private bool IsAllowed(Offer offer)
    {
        if (executor.IsSandboxed)
        {
            return true;
        }

        var collection = $"{offer.Workspace}/{offer.Collection}";
        _onlyCollection ??= collection;
        return _onlyCollection == collection;
    }

    /// <summary>Registered before it runs, so that it can take itself out at the end.</summary>
    private void Begin(AttemptKey key, int? slot, Func<Task> run, CancellationToken giveUp = default)
    {
        var begin = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _tasks[key] = RunAttemptAsync(key, slot, begin.Task, run, giveUp);
        begin.SetResult();
    }

    private async Task RunAdoptedAsync(HeldAttempt attempt)
    {
        using (attempt)
        {
            Tell(attempt.Key, await attempt.RunAsync());
        }
    }

    private async Task RunAttemptAsync(AttemptKey key, int? slot, Task begin, Func<Task> run, CancellationToken giveUp)
    {
        await begin;
        try
        {
            await run();
        }
        catch (OperationCanceledException) when (giveUp.IsCancellationRequested)
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
            _accepting.TryRemove(key, out _);
            _held.TryRemove(key, out _);
            if (slot is { } taken)
            {
                _slots.Give(taken);
            }

            _tasks.TryRemove(key, out _);
            SlotFreed();
        }
    }

    private async Task AcceptAndRunAsync(AttemptKey key, Offer offer, int slot, CancellationToken giveUp)
    {
        if (await AcceptAsync(key, offer, giveUp) is not { } accepted)
        {
            return;
        }

        using var attempt = executor.Create(accepted.Payload, slot, sessions.Present);
        attempt.Lease.Renew(accepted.Sent, TimeSpan.FromSeconds(accepted.Payload.LeaseSeconds));
        _held[key] = attempt;
        _accepting.TryRemove(key, out _);
        services.Log.Accepted(key, offer.Workspace, offer.Collection);
        var outcome = await attempt.RunAsync();
        Tell(key, outcome);
        if (settings.Once || sessions.Present.Ephemeral is true)
        {
            ExitCode = outcome is RunStates.Succeeded ? RunnerExit.Done : RunnerExit.RunFailed;
            Close();
        }
    }

    private void Tell(AttemptKey key, string? outcome)
    {
        if (outcome is not null)
        {
            services.Log.Ended(key, outcome);
        }
        else if (!executor.OutlivesRunner)
        {
            services.Log.Abandoned(key);
        }
    }

    /// <summary>Repeats a lost accept: it is idempotent, and the answer is the same again. Ends when the server has decided otherwise.</summary>
    private async Task<(AttemptPayload Payload, long Sent)?> AcceptAsync(AttemptKey key, Offer offer, CancellationToken giveUp)
    {
        var backoff = new Backoff(_time, TimeSpan.FromSeconds(2));
        var first = _time.GetTimestamp();
        while (true)
        {
            var sent = _time.GetTimestamp();
            var answer = await services.Plane.AcceptAsync(key, giveUp);
            if (answer.Kind is AnswerKind.Ok && answer.Value is { } payload)
            {
                return (payload, sent);
            }

            if (answer.IsFinal || _time.GetElapsedTime(first) > TimeSpan.FromSeconds(sessions.Present.LeaseSeconds))
            {
                services.Log.NotAccepted(key, $"{offer.Workspace}/{offer.Collection}: {answer.Detail}");
                return null;
            }

            await backoff.WaitAsync(answer.RetryAfter, giveUp);
        }
    }
}
