using System.Collections.Concurrent;

namespace Lanyard.Server.Runs;

/// <summary>
/// Which queues may have a run to offer, as far as this replica knows: a poll looks only into these. A queue comes in when a run enters it (here,
/// or elsewhere by notification or by the slow poll) and goes when a claim came back short, unless a run has entered it since.
/// </summary>
internal sealed class WaitingQueues
{
    private readonly ConcurrentDictionary<string, ConcurrentDictionary<string, long>> _byCollection = new(StringComparer.Ordinal);
    private long _entries;

    public void Add(string queue)
    {
        var entry = Interlocked.Increment(ref _entries);
        while (true)
        {
            var queues = _byCollection.GetOrAdd(QueueKey.Parse(queue).Collection, static _ => new(StringComparer.Ordinal));
            queues[queue] = entry;
            // An empty collection may have been taken out meanwhile, with this entry in it.
            if (_byCollection.TryGetValue(QueueKey.Parse(queue).Collection, out var present) && ReferenceEquals(present, queues))
                return;
        }
    }

    /// <summary>The queues of a collection that a runner may take from, each with its mark for <see cref="RemoveIfUnchanged"/>.</summary>
    public IEnumerable<KeyValuePair<string, long>> Of(string collection, string runner, IReadOnlySet<string> labels, bool onlyNamed) =>
        _byCollection.TryGetValue(collection, out var queues) ? queues.Where(q => QueueKey.Parse(q.Key).Suits(runner, labels, onlyNamed)) : [];

    /// <param name="collection">Null: of all.</param>
    public IEnumerable<string> All(string? collection) => collection is null
        ? _byCollection.Values.SelectMany(static queues => queues.Keys)
        : _byCollection.TryGetValue(collection, out var found) ? found.Keys : [];

    /// <summary>The claim found the queue empty.</summary>
    public void RemoveIfUnchanged(string queue, long mark)
    {
        var collection = QueueKey.Parse(queue).Collection;
        if (!_byCollection.TryGetValue(collection, out var queues))
            return;
        queues.TryRemove(new(queue, mark));
        if (queues.IsEmpty)
            _byCollection.TryRemove(new(collection, queues));
    }
}
