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
    /// <summary>That make way; each may hold a connection of its own to the database (<see cref="Storage.DatabaseHold"/>).</summary>
    internal const int WorkspacesAtOnce = 4;

    private const int Batch = 200;
    private const int MostTurns = 1000;

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

    /// <summary>One after another in a workspace, and several workspaces at once: while one makes way for minutes, or waits for another replica that does, the quotas of others hold.</summary>
    private async Task EnforceAsync(CancellationToken stoppingToken)
    {
        var turns = new Dictionary<string, Task>(StringComparer.Ordinal);
        using var places = new SemaphoreSlim(WorkspacesAtOnce);
        try
        {
            await foreach (var (workspace, repository) in tally.WantedAsync(stoppingToken))
            {
                if (turns.Count >= MostTurns) Forget(turns);
                turns[workspace] = EnforceAsync(turns.GetValueOrDefault(workspace, Task.CompletedTask), places, workspace, repository, stoppingToken);
            }
        }
        finally
        {
            // Each holds a place until it has seen that the server stops.
            await Task.WhenAll(turns.Values);
        }
    }

    private async Task EnforceAsync(Task before, SemaphoreSlim places, string workspace, string repository, CancellationToken stoppingToken)
    {
        await before;
        try
        {
            await places.WaitAsync(stoppingToken);
        }
        catch (OperationCanceledException)
        {
            return;
        }

        try
        {
            await Rounds.TryAsync("eviction of cache entries", token => evictor.EnforceAsync(workspace, repository, token), logger, stoppingToken);
        }
        finally
        {
            places.Release();
        }
    }

    private static void Forget(Dictionary<string, Task> turns)
    {
        foreach (var (workspace, turn) in turns)
        {
            if (turn.IsCompleted) turns.Remove(workspace);
        }
    }
}
