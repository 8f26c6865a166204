using Lanyard.Server.Cache.Blobs;
using Lanyard.Server.Storage;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Cache.Limits;

/// <summary>
/// Looks once more at what was purged while an upload to it could still be under way. Whoever uploads to an entry that is gone clears up after itself; on a server that is killed before that
/// nobody does, and no row says that there is anything.
/// </summary>
internal sealed class CacheLeftovers(Database database, BlobStore files, TimeProvider time, ILogger<CacheLeftovers> logger)
{
    /// <summary>An upload ends some seconds after its reservation (<see cref="ReservationWatch"/>); what it has begun at the store takes no more than minutes.</summary>
    public static readonly TimeSpan After = TimeSpan.FromHours(1);

    private const int Batch = 50;

    /// <summary>Where the store does not let go of anything the rest can wait.</summary>
    public async Task SweepAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var due = await database.QueryAsync(
                $"select blob from cache_leftovers where look_at <= {time.GetUtcNow()} order by look_at limit {Batch}", static row => row.GetString(0), cancellationToken);
            var (away, kept) = await DeleteAsync(due);
            if (away.Count > 0) await database.ExecuteAsync($"delete from cache_leftovers where blob in ({away})", cancellationToken);
            if (kept.Count > 0) await database.ExecuteAsync($"update cache_leftovers set look_at = {time.GetUtcNow() + After} where blob in ({kept})", cancellationToken);
            if (due.Count < Batch || away.Count == 0) return;
        }
    }

    private async Task<(List<string> Away, List<string> Kept)> DeleteAsync(List<string> blobs)
    {
        var (away, kept) = (new List<string>(), new List<string>());
        foreach (var blob in blobs)
        {
            try
            {
                await files.DeleteAsync(blob);
                away.Add(blob);
            }
            catch (Exception exception) when (exception is BlobStoreException or OperationCanceledException)
            {
                logger.NotDeleted(exception, 1, blob);
                kept.Add(blob);
                if (away.Count == 0) break;
            }
        }

        return (away, kept);
    }
}
