using Lanyard.Server.Cache.Limits;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Cache;

/// <summary>In the background: clears away reservations that nobody finalised, and has the evictor look regularly and after what was added.</summary>
internal sealed class CacheSweeper(
    CacheEntryStore entries, CacheEvictor evictor, CacheTally tally, CacheOptions options, TimeProvider time, ILogger<CacheSweeper> logger)
    : BackgroundService
{
    private const int Batch = 200;

    /// <returns>How many reservations were taken out; their bytes go with the eviction that follows.</returns>
    public async Task<int> SweepAsync(CancellationToken cancellationToken)
    {
        var swept = await entries.AbandonAsync(Batch, cancellationToken);
        if (swept > 0) logger.Swept(swept);
        return swept;
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(SweepRegularlyAsync(stoppingToken), EnforceAsync(stoppingToken));

    private async Task SweepRegularlyAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.Sweep, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            await GuardedAsync(async () =>
            {
                while (await SweepAsync(stoppingToken) == Batch)
                {
                }

                await evictor.SweepAsync(stoppingToken);
            });
        }
    }

    private async Task EnforceAsync(CancellationToken stoppingToken)
    {
        await foreach (var (workspace, repository) in tally.WantedAsync(stoppingToken))
            await GuardedAsync(() => evictor.EnforceAsync(workspace, repository, stoppingToken));
    }

    private async Task GuardedAsync(Func<Task> work)
    {
        try
        {
            await work();
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            logger.SweepFailed(exception);
        }
    }
}
