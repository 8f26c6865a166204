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
        var round = new Round(runner, session, Candidates(runner), []);
        while (round.Candidates.Count > 0 && round.Offers.Count < free)
        {
            foreach (var (collection, turns) in Turns(runner, round.Candidates, free - round.Offers.Count))
            {
                if (await TakeAsync(round, collection, turns, cancellationToken))
                    continue;
                LeaveToOthers(round.Candidates);
                return round.Offers;
            }
        }
        var handedOn = HandOnAsync(round);
        if (round.Offers.Count == 0)
            await handedOn;
        return round.Offers;
    }

    /// <summary>Up to so many runs of a collection. A queue that has no more leaves the candidates.</summary>
    /// <returns>False where nothing more is to be had: the runner has as many as it may, or its session is over.</returns>
    private async Task<bool> TakeAsync(Round round, string collection, int turns, CancellationToken cancellationToken)
    {
        foreach (var ((queue, mark), share) in await SharesAsync(round.Candidates, collection, turns, cancellationToken))
        {
            var (claimed, isAtCapacity) = await ClaimAsync(round.Runner, round.Session, collection, queue, share, cancellationToken);
            round.Offers.AddRange(claimed);
            if (isAtCapacity)
                return false;
            if (claimed.Count == share)
                continue;
            var (runsWait, isPresent) = await claims.LookAgainAsync(queue, round.Runner.Runner.Id, round.Session, cancellationToken);
            if (!isPresent)
                return false;
            if (!runsWait)
                waiting.RemoveIfUnchanged(queue, mark);
            Remove(round.Candidates, collection, queue);
        }
        return true;
    }

    /// <summary>
    /// How many of a collection's turns each of its queues gets: what runs ask of a runner must not change their order of priority and age, nor keep them waiting behind those that ask nothing.
    /// </summary>
    private async Task<((string Queue, long Mark) Queue, int Share)[]> SharesAsync(
        Dictionary<string, List<(string Queue, long Mark)>> candidates, string collection, int turns, CancellationToken cancellationToken)
    {
        var queues = candidates[collection].ToArray();
        if (queues.Length == 1)
            return [(queues[0], turns)];
        var fronts = await claims.FrontsAsync([.. queues.Select(static one => one.Queue)], turns, cancellationToken);
        foreach (var (queue, mark) in queues.Where(one => !fronts.Exists(front => front.Queue == one.Queue)))
        {
            waiting.RemoveIfUnchanged(queue, mark);
            Remove(candidates, collection, queue);
        }
        return fronts.OrderByDescending(static front => front.Priority).ThenBy(static front => front.Run, StringComparer.Ordinal).Take(turns)
            .CountBy(static front => front.Queue).Select(share => (Array.Find(queues, one => one.Queue == share.Key), share.Value)).ToArray();
    }

    private static void Remove(Dictionary<string, List<(string Queue, long Mark)>> candidates, string collection, string queue)
    {
        candidates[collection].RemoveAll(one => one.Queue == queue);
        if (candidates[collection].Count == 0)
            candidates.Remove(collection);
    }

    /// <summary>What is left is another poll's. It does not keep this one's offers waiting.</summary>
    private async Task HandOnAsync(Round round)
    {
        try
        {
            await DropEmptyAsync(round);
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            // It could not be read whether runs wait: another poll finds out, or says so.
        }
        LeaveToOthers(round.Candidates);
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
    private async Task DropEmptyAsync(Round round)
    {
        foreach (var (collection, (queue, mark)) in round.Candidates.SelectMany(static one => one.Value.Select(queue => (one.Key, queue))).ToArray())
        {
            if (!waiters.IsAnyIdle(queue) || (await claims.LookAgainAsync(queue, round.Runner.Runner.Id, round.Session, CancellationToken.None)).RunsWait)
                continue;
            waiting.RemoveIfUnchanged(queue, mark);
            Remove(round.Candidates, collection, queue);
        }
    }

    /// <summary>This poll took one word for perhaps many runs: what is left is somebody else's.</summary>
    private void LeaveToOthers(Dictionary<string, List<(string Queue, long Mark)>> candidates)
    {
        foreach (var (queue, _) in candidates.Values.SelectMany(static queues => queues))
            waiters.WakeOne(queue);
    }

    private Dictionary<string, List<(string Queue, long Mark)>> Candidates(ActiveRunner runner)
    {
        var candidates = new Dictionary<string, List<(string, long)>>(StringComparer.Ordinal);
        foreach (var collection in runner.Serves.Where(collection => gates.IsOpen(collection.Id)))
        {
            var queues = waiting.Of(collection.Id, runner.Runner.Id, runner.Labels, runner.State == RunnerStates.Cordoned).Select(static entry => (entry.Key, entry.Value)).ToList();
            if (queues.Count > 0)
                candidates[collection.Id] = queues;
        }
        return candidates;
    }

    /// <summary>How many of the free slots each collection gets.</summary>
    private Dictionary<string, int> Turns(ActiveRunner runner, Dictionary<string, List<(string Queue, long Mark)>> candidates, int free)
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

    /// <summary>What one poll has been offered so far, and where more may be had.</summary>
    private sealed record Round(ActiveRunner Runner, string Session, Dictionary<string, List<(string Queue, long Mark)>> Candidates, List<OfferedRun> Offers);
}
