using Lanyard.Server.Cache.Blobs;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Cache.Limits;

/// <summary>
/// Takes away the bytes of what is out of service, then the rows: killed between the two, the next sweep goes on. What the store does not let go steps back, and further each time,
/// so that it is in no other's way.
/// </summary>
internal sealed class CachePurger(CacheEvictionStore store, BlobStore files, BlobReads reads, CacheMetrics metrics, TimeProvider time, ILogger<CachePurger> logger)
{
    /// <summary>After the first time in vain; each further time doubles it, six times at most.</summary>
    public static readonly TimeSpan FirstRest = TimeSpan.FromMinutes(5);

    private const int Batch = EvictionPace.Step;

    /// <summary>A store that lets nothing go for so long is asked for no more this time.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>For a caller that waits: what does not go in this time goes with the next sweep.</summary>
    public static readonly TimeSpan Awaited = TimeSpan.FromSeconds(2);

    /// <summary>All that may go now. Where nothing of a step goes the store is down, and the rest can wait.</summary>
    /// <param name="most">After so long no further step is begun; null: to the end.</param>
    public async Task PurgeAsync(CancellationToken cancellationToken, TimeSpan? most = null)
    {
        var begun = time.GetTimestamp();
        var pace = new EvictionPace(reads, time);
        while (true)
        {
            var found = await store.OutAsync(Batch, cancellationToken);
            var free = found.Where(entry => !reads.IsRead(entry.Blob)).Select(static entry => entry.Blob).ToList();
            if (free.Count == 0 || await PurgeAsync(free, cancellationToken) == 0 || found.Count < Batch || time.GetElapsedTime(begun) >= most) break;
            await pace.RestAsync(cancellationToken);
        }

        while (await store.ForgetAsync(Batch, cancellationToken) == Batch) await pace.RestAsync(cancellationToken);
    }

    /// <summary>Of one that was taken out, by whoever wants its name.</summary>
    public Task PurgeAsync(string blob, CancellationToken cancellationToken) => PurgeAsync([blob], cancellationToken);

    /// <returns>How many the store has let go.</returns>
    private async Task<int> PurgeAsync(List<string> blobs, CancellationToken cancellationToken)
    {
        var (away, kept, begun) = (new List<string>(blobs.Count), new List<string>(), time.GetTimestamp());
        Exception? why = null;
        foreach (var blob in blobs)
        {
            if (away.Count == 0 && kept.Count > 0 && time.GetElapsedTime(begun) >= Patience) break;
            try
            {
                await files.DeleteAsync(blob);
                away.Add(blob);
            }
            catch (Exception exception) when (exception is BlobStoreException or OperationCanceledException)
            {
                kept.Add(blob);
                why = exception;
            }
        }

        if (away.Count > 0) await store.RemoveAsync(away, cancellationToken);
        if (kept.Count == 0) return away.Count;
        logger.NotDeleted(why!, kept.Count, kept[0]);
        metrics.NotDeleted(kept.Count);
        await store.StepBackAsync(kept, FirstRest, cancellationToken);
        return away.Count;
    }
}
