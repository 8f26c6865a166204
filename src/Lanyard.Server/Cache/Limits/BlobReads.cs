using System.Collections.Concurrent;

namespace Lanyard.Server.Cache.Limits;

/// <summary>Which blobs this replica is sending right now: their bytes stay, whatever becomes of the entry.</summary>
internal sealed class BlobReads
{
    private readonly ConcurrentDictionary<string, int> _readers = new(StringComparer.Ordinal);
    private long _begun;

    /// <summary>How many reads have begun so far.</summary>
    public long Begun => Volatile.Read(ref _begun);

    public IReadOnlyList<string> All => [.. _readers.Keys];

    public bool IsRead(string blob) => _readers.ContainsKey(blob);

    public IDisposable Begin(string blob)
    {
        Interlocked.Increment(ref _begun);
        _readers.AddOrUpdate(blob, 1, static (_, count) => count + 1);
        return new Reading(this, blob);
    }

    private void End(string blob)
    {
        while (_readers.TryGetValue(blob, out var count))
        {
            if (count == 1 ? _readers.TryRemove(KeyValuePair.Create(blob, count)) : _readers.TryUpdate(blob, count - 1, count)) return;
        }
    }

    private sealed class Reading(BlobReads reads, string blob) : IDisposable
    {
        public void Dispose() => reads.End(blob);
    }
}
