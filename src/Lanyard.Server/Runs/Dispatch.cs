using Lanyard.Protocol.Resources;
using Lanyard.Server.Collections;
using Lanyard.Server.Runners;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Runs;

/// <summary>What a poll brought.</summary>
/// <param name="IsNudged">There is something to tell the runner about what it holds.</param>
internal sealed record Polled(IReadOnlyList<OfferedRun> Offers, bool IsNudged);

/// <summary>
/// Brings waiting runs and waiting polls together. A run that enters a queue wakes one suitable poll of this replica right after the commit, and
/// those of other replicas by notification; behind both stands the slow poll (<see cref="LookAsync"/>). What a poll is then offered is <see cref="OfferRounds"/>' to say.
/// </summary>
internal sealed class Dispatch : IDisposable
{
    /// <summary>A run entered a queue; the payload is the queue.</summary>
    public const string QueuedChannel = "runs.queued";

    /// <summary>A runner's poll is to be answered now; the payload is the runner's id.</summary>
    public const string NudgeChannel = "runs.nudge";

    /// <summary>An attempt of a collection with a limit is over; the payload is the collection's id.</summary>
    public const string FreedChannel = "runs.freed";

    private readonly ClaimStore _claims;
    private readonly TimeProvider _time;
    private readonly Notifications _notifications;
    private readonly IDisposable[] _subscriptions;
    private readonly CollectionGates _gates;
    private readonly WaiterLists _waiters = new();
    private readonly WaitingQueues _queues = new();
    private readonly OfferRounds _rounds;

    public Dispatch(ClaimStore claims, RunRules rules, CollectionDirectory collections, Database database, TimeProvider time)
    {
        _gates = new CollectionGates(collections);
        (_claims, _time, _notifications) = (claims, time, database.Notifications);
        _rounds = new OfferRounds(claims, rules, _gates, _waiters, _queues);
        _subscriptions =
        [
            _notifications.Subscribe(QueuedChannel, OnQueued), _notifications.Subscribe(NudgeChannel, OnNudge), _notifications.Subscribe(FreedChannel, OnFreed),
            _notifications.Subscribe(RunnerDirectory.RewrittenChannel, OnNudge),
        ];
        collections.Refreshed += () => OnFreed(null);
    }

    /// <summary>Polls that wait on this replica.</summary>
    public int Waiting => _waiters.Count;

    /// <summary>To be called after the commit that let a run wait.</summary>
    public void Queued(string queue) => _notifications.Publish(QueuedChannel, queue);

    /// <summary>Has a runner's poll answered, wherever it waits: there is something to tell it.</summary>
    public void Nudge(string runner) => _notifications.Publish(NudgeChannel, runner);

    /// <summary>To be called after the commit that ended an attempt.</summary>
    public void Freed(string collection)
    {
        if (_gates.IsLimited(collection))
            _notifications.Publish(FreedChannel, collection);
    }

    /// <summary>
    /// Puts a poll into the lines of what it may be offered. To be called before anything is read that a nudge may be about: a nudge from here on is
    /// not lost. Disposing ends the poll.
    /// </summary>
    /// <param name="free">How many runs it would take; with 0 it only waits for a nudge.</param>
    public WaitingPoll Enter(ActiveRunner runner, int free)
    {
        string[] collections = free > 0 && !runner.Runner.Paused ? [.. runner.Serves.Select(c => c.Id)] : [];
        return new WaitingPoll(_waiters, runner, new Waiter(runner.Runner.Id, runner.Labels, runner.State == RunnerStates.Cordoned), collections, collections.Length == 0 ? 0 : free);
    }

    /// <summary>Offers as many runs as the poll would take, waiting for the first until <paramref name="wait"/> is over or the poll is nudged.</summary>
    public async Task<Polled> PollAsync(WaitingPoll poll, TimeSpan wait, CancellationToken cancellationToken)
    {
        var began = _time.GetTimestamp();
        while (true)
        {
            poll.Waiter.TakeWord();
            var offers = await _rounds.OfferAsync(poll.Runner, poll.Runner.Session!.Session, poll.Free, cancellationToken);
            var left = wait - _time.GetElapsedTime(began);
            if (offers.Count > 0 || poll.Waiter.IsNudged || left <= TimeSpan.Zero || !await WordAsync(poll.Waiter, left, cancellationToken))
                return new(offers, poll.Waiter.IsNudged);
        }
    }

    /// <summary>Reads which queues have runs and wakes a poll for each: at the start, and again and again in case a word was lost.</summary>
    public async Task LookAsync(CancellationToken cancellationToken)
    {
        _gates.Open(null);
        foreach (var queue in await _claims.WaitingQueuesAsync(cancellationToken))
            OnQueued(queue);
        _rounds.Trim();
    }

    public void Dispose()
    {
        foreach (var subscription in _subscriptions)
            subscription.Dispose();
    }

    /// <summary>False when no word came in time, or the caller has gone.</summary>
    private async Task<bool> WordAsync(Waiter waiter, TimeSpan left, CancellationToken cancellationToken)
    {
        var word = waiter.WaitAsync();
        try
        {
            await word.WaitAsync(left, _time, cancellationToken);
            return true;
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            return false;
        }
    }

    private void OnQueued(string? queue)
    {
        if (queue is null)
        {
            _waiters.NudgeAll();
            return;
        }
        _queues.Add(queue);
        if (_gates.IsOpen(QueueKey.Parse(queue).Collection))
            _waiters.WakeOne(queue);
    }

    private void OnFreed(string? collection)
    {
        _gates.Open(collection);
        foreach (var queue in _queues.All(collection))
            _waiters.WakeOne(queue);
    }

    private void OnNudge(string? runner)
    {
        if (runner is null)
            _waiters.NudgeAll();
        else
            _waiters.Nudge(runner);
    }
}
