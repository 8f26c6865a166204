using Lanyard.Server.Cache.Blobs;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Cache;

/// <summary>Clears away reservations that nobody finalised, with what was uploaded for them.</summary>
internal sealed class CacheSweeper(CacheEntryStore entries, FileBlobs files, CacheOptions options, TimeProvider time, ILogger<CacheSweeper> logger)
    : BackgroundService
{
    private const int Batch = 200;

    public async Task<int> SweepAsync(CancellationToken cancellationToken)
    {
        var swept = 0;
        foreach (var entry in await entries.AbandonedAsync(Batch, cancellationToken))
        {
            if (!await entries.RemoveAbandonedAsync(entry, cancellationToken)) continue;
            files.Delete(entry.Blob);
            swept++;
        }

        if (swept > 0) logger.Swept(swept);
        return swept;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.Sweep, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                while (await SweepAsync(stoppingToken) == Batch)
                {
                }
            }
            catch (Exception exception) when (exception is not OperationCanceledException)
            {
                logger.SweepFailed(exception);
            }
        }
    }
}
