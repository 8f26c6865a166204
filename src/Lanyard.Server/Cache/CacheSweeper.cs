using Lanyard.Server.Cache.Limits;
using Lanyard.Server.Hosting;
using Lanyard.Server.Runtime;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Cache;

/// <summary>In the background: clears away reservations that nobody will finalise, and has the evictor look regularly and after what was added.</summary>
internal sealed class CacheSweeper(
    CacheEntryStore entries, CacheEvictor evictor, CacheLeftovers leftovers, CacheTally tally, RuntimeQuestions questions, CacheOptions options, TimeProvider time, ILogger<CacheSweeper> logger)
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

    /// <summary>What an ended machine or attempt had uploaded is in nobody's way for the rest of the hour: no eviction could take it, and it counts against the quotas.</summary>
    /// <returns>How many reservations of theirs were taken out.</returns>
    public async Task<int> SweepEndedAsync(CancellationToken cancellationToken)
    {
        var swept = 0;
        for (var (after, owners) = ("", new List<string>()); ; after = owners[^1])
        {
            owners = await entries.OwnersAsync(after, Batch, cancellationToken);
            foreach (var owner in owners)
            {
                if (await questions.HasEnded(owner, cancellationToken)) swept += await AbandonAsync(owner, cancellationToken);
            }

            if (owners.Count < Batch) break;
        }

        if (swept > 0) logger.Swept(swept);
        return swept;
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(
        Rounds.RepeatAsync("sweep of the cache", options.Sweep, SweepAllAsync, time, logger, stoppingToken), EnforceAsync(stoppingToken));

    private async Task SweepAllAsync(CancellationToken cancellationToken)
    {
        while (await SweepAsync(cancellationToken) == Batch)
        {
        }

        await SweepEndedAsync(cancellationToken);
        await evictor.SweepAsync(cancellationToken);
        await leftovers.SweepAsync(cancellationToken);
    }

    private async Task<int> AbandonAsync(string owner, CancellationToken cancellationToken)
    {
        for (var all = 0; ;)
        {
            var some = await entries.AbandonAsync(owner, Batch, cancellationToken);
            all += some;
            if (some < Batch) return all;
        }
    }

    private async Task EnforceAsync(CancellationToken stoppingToken)
    {
        await foreach (var (workspace, repository) in tally.WantedAsync(stoppingToken))
            await Rounds.TryAsync("eviction of cache entries", token => evictor.EnforceAsync(workspace, repository, token), logger, stoppingToken);
    }
}
