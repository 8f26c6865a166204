using Lanyard.Protocol.Resources;
using Lanyard.Server.Collections;

namespace Lanyard.Server.Runs;

/// <summary>
/// Which collections offer something now, as far as this replica knows: a paused one does not, nor one that was found to have as many attempts as it
/// may. That one is full lasts until an attempt of it is over or its limit changes; a claim decides by the database.
/// </summary>
internal sealed class CollectionGates(CollectionDirectory collections)
{
    private readonly Lock _lock = new();
    private readonly HashSet<string> _full = new(StringComparer.Ordinal);
    private long _opened;

    /// <summary>Grows whenever a collection may have room again; to be read before a claim.</summary>
    public long Mark => Volatile.Read(ref _opened);

    public bool IsOpen(string collection) =>
        collections.FindById(collection)?.State is not (CollectionStates.Paused or CollectionStates.Draining) && !IsFull(collection);

    public bool IsLimited(string collection) => collections.FindById(collection)?.Concurrency is not null;

    /// <summary>A claim found no room. Not believed where there may be room again since <paramref name="mark"/>.</summary>
    public void Fill(string collection, long mark)
    {
        lock (_lock)
        {
            if (_opened == mark)
                _full.Add(collection);
        }
    }

    /// <param name="collection">Null: all of them.</param>
    public void Open(string? collection)
    {
        lock (_lock)
        {
            _opened++;
            if (collection is null)
                _full.Clear();
            else
                _full.Remove(collection);
        }
    }

    private bool IsFull(string collection)
    {
        if (!IsLimited(collection))
            return false;
        lock (_lock)
            return _full.Contains(collection);
    }
}
