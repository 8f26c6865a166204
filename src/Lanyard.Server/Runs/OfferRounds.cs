using System.Collections.Concurrent;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Runners;

namespace Lanyard.Server.Runs;

/// <summary>
/// What one poll is offered of all that waits: between the collections of its runner goes a weighted rotation in memory; inside one, priority and age in SQL.
/// </summary>
internal sealed class OfferRounds(ClaimStore claims, RunRules rules, CollectionGates gates, WaiterLists waiters, WaitingQueues waiting)
{
    private const int MaxRotations = 100_000;
    private readonly ConcurrentDictionary<string, WeightedRotation> _rotations = new(StringComparer.Ordinal);

    /// <summary>Runners come and go; a rotation that is forgotten begins anew.</summary>
    public void Trim()
    {
        if (_rotations.Count > MaxRotations)
            _rotations.Clear();
    }

    public async Task<IReadOnlyList<OfferedRun>> OfferAsync(ActiveRunner runner, string session, int free, CancellationToken cancellationToken)
    {
        if (free == 0)
            return [];
        var offers = new List<OfferedRun>();
        var candidates = Candidates(runner);
        while (candidates.Count > 0 && offers.Count < free)
        {
            foreach (var (collection, turns) in Turns(runner, candidates, free - offers.Count))
            {
                var (queue, mark) = candidates[collection].Peek();
                var (claimed, isAtCapacity) = await ClaimAsync(runner, session, collection, queue, turns, cancellationToken);
                offers.AddRange(claimed);
                if (isAtCapacity)
                {
                    LeaveToOthers(candidates);
                    return offers;
                }
                if (claimed.Count == turns)
                    continue;
                var (runsWait, isPresent) = await claims.LookAgainAsync(queue, runner.Runner.Id, session, cancellationToken);
                if (!isPresent)
                {
                    LeaveToOthers(candidates);
                    return offers;
                }
                if (!runsWait)
                    waiting.RemoveIfUnchanged(queue, mark);
                candidates[collection].Dequeue();
                if (candidates[collection].Count == 0)
                    candidates.Remove(collection);
            }
        }
        var handedOn = HandOnAsync(candidates, runner, session);
        if (offers.Count == 0)
            await handedOn;
        return offers;
    }

    /// <summary>What is left is another poll's. It does not keep this one's offers waiting.</summary>
    private async Task HandOnAsync(Dictionary<string, Queue<(string Queue, long Mark)>> candidates, ActiveRunner runner, string session)
    {
        try
        {
            await DropEmptyAsync(candidates, runner, session);
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            // It could not be read whether runs wait: another poll finds out, or says so.
        }
        LeaveToOthers(candidates);
    }

    /// <summary>Most runners and collections have no limits of their own: then it is one statement.</summary>
    private async Task<(IReadOnlyList<OfferedRun> Offers, bool IsAtCapacity)> ClaimAsync(
        ActiveRunner runner, string session, string collection, string queue, int limit, CancellationToken cancellationToken)
    {
        var bounds = new ClaimBounds(gates.IsLimited(collection) ? collection : null, runner.Concurrency, runner.IsEphemeral);
        if (bounds.AreNone)
            return (await claims.ClaimAsync(queue, runner.Runner.Id, session, limit, rules.Now, rules.OfferEnd, cancellationToken), false);
        var mark = gates.Mark;
        var claim = await claims.ClaimWithinAsync(bounds, queue, runner.Runner.Id, session, limit, rules.Now, rules.OfferEnd, cancellationToken);
        if (claim.IsFull)
            gates.Fill(collection, mark);
        return (claim.Offers, claim.IsAtCapacity);
    }

    /// <summary>A read is cheaper than a poll that is woken for nothing: it would write an empty claim. Polls that are about to look anyway are not woken.</summary>
    private async Task DropEmptyAsync(Dictionary<string, Queue<(string Queue, long Mark)>> candidates, ActiveRunner runner, string session)
    {
        if (!candidates.Values.Any(queues => waiters.IsAnyIdle(queues.Peek().Queue)))
            return;
        foreach (var (collection, queues) in candidates.ToArray())
        {
            var (queue, mark) = queues.Peek();
            var (runsWait, _) = await claims.LookAgainAsync(queue, runner.Runner.Id, session, CancellationToken.None);
            if (runsWait)
                continue;
            waiting.RemoveIfUnchanged(queue, mark);
            candidates.Remove(collection);
        }
    }

    /// <summary>This poll took one word for perhaps many runs: what is left is somebody else's.</summary>
    private void LeaveToOthers(Dictionary<string, Queue<(string Queue, long Mark)>> candidates)
    {
        foreach (var left in candidates.Values)
            waiters.WakeOne(left.Peek().Queue);
    }

    private Dictionary<string, Queue<(string Queue, long Mark)>> Candidates(ActiveRunner runner)
    {
        var candidates = new Dictionary<string, Queue<(string, long)>>(StringComparer.Ordinal);
        foreach (var collection in runner.Serves)
        {
            if (!gates.IsOpen(collection.Id))
                continue;
            foreach (var (queue, mark) in waiting.Of(collection.Id, runner.Runner.Id, runner.Labels, runner.State == RunnerStates.Cordoned))
            {
                if (!candidates.TryGetValue(collection.Id, out var queues))
                    candidates[collection.Id] = queues = new();
                queues.Enqueue((queue, mark));
            }
        }
        return candidates;
    }

    /// <summary>How many of the free slots each collection gets.</summary>
    private Dictionary<string, int> Turns(ActiveRunner runner, Dictionary<string, Queue<(string Queue, long Mark)>> candidates, int free)
    {
        if (candidates.Count == 1)
            return new(StringComparer.Ordinal) { [candidates.Keys.First()] = free };
        var rotation = _rotations.GetOrAdd(runner.Runner.Id, static _ => new());
        var keys = candidates.Keys.ToArray();
        var turns = new Dictionary<string, int>(StringComparer.Ordinal);
        lock (rotation)
        {
            for (var i = 0; i < free; i++)
            {
                var key = rotation.Next(keys, id => runner.Serves.First(c => c.Id == id).Weight);
                turns[key] = turns.GetValueOrDefault(key) + 1;
            }
        }
        return turns;
    }
}
