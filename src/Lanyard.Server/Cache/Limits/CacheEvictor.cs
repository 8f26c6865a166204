using System.Collections.Concurrent;
using Lanyard.Server.Audit;
using Lanyard.Server.Storage;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Cache.Limits;

/// <summary>Keeps workspaces and repositories within their quotas and forgets what nobody uses. Every replica does so; what is over a quota of a workspace is taken out by one at a time.</summary>
internal sealed class CacheEvictor(
    CacheEvictionStore store, CacheSettingsDirectory settings, CacheTally tally, CachePurger purger, BlobReads reads, AuditLog audit, TimeProvider time,
    ILogger<CacheEvictor> logger)
{
    /// <summary>Longer than a download URL lives and than two sweeps are apart.</summary>
    public static readonly TimeSpan Hold = TimeSpan.FromMinutes(25);

    private const int Batch = EvictionPace.Step;

    /// <summary>What was given out can't be evicted: whoever looks up what he saves fast enough would fill the disk. With so many times a quota nothing more is taken in.</summary>
    private const long MostTimes = 2;

    private const int StepsACount = 100;

    /// <summary>A hundredth of a quota is made free where a step has entries left for it.</summary>
    private const int SpareShare = 100;

    private readonly ConcurrentDictionary<string, SemaphoreSlim> _gates = new(StringComparer.Ordinal);

    /// <summary>Everything, everywhere: what is unused, what is over a quota, and the bytes of what is out of service.</summary>
    /// <returns>How many entries went.</returns>
    public async Task<int> SweepAsync(CancellationToken cancellationToken)
    {
        if (reads.All is { Count: > 0 } read)
        {
            foreach (var some in read.Chunk(100)) await store.HoldAsync(some, time.GetUtcNow() + Hold, cancellationToken);
        }

        var evicted = 0;
        foreach (var workspace in await store.WorkspacesAsync(cancellationToken))
        {
            var limits = await settings.LimitsAsync(workspace, cancellationToken);
            evicted += await TakeAllOutAsync(
                workspace, "unused", () => store.UnusedAsync(workspace, time.GetUtcNow() - limits.UnusedLife, Batch, cancellationToken), isQuarantined: false, cancellationToken);
            evicted += await TakeAllOutAsync(
                workspace, "quarantined", () => store.QuarantinedAsync(workspace, time.GetUtcNow() - limits.QuarantineLife, Batch, cancellationToken), isQuarantined: true, cancellationToken);
            foreach (var (repository, bytes) in await store.RepositoriesAsync(workspace, cancellationToken))
            {
                if (bytes > limits.RepositoryBytes(repository))
                    evicted += await ShrinkAsync(workspace, repository, limits.RepositoryBytes(repository), isWaiting: false, cancellationToken);
            }

            if (await store.BytesAsync(workspace, null, cancellationToken) > limits.WorkspaceBytes)
                evicted += await ShrinkAsync(workspace, null, limits.WorkspaceBytes, isWaiting: false, cancellationToken);
        }

        await purger.PurgeAsync(cancellationToken);
        return evicted;
    }

    /// <summary>One repository and its workspace, after something was added.</summary>
    public async Task EnforceAsync(string workspace, string repository, CancellationToken cancellationToken)
    {
        var begun = tally.Begin((workspace, repository));
        var limits = await settings.LimitsAsync(workspace, cancellationToken);
        var ofRepository = await MakeRoomAsync(workspace, repository, limits.RepositoryBytes(repository), cancellationToken);
        var ofAll = await MakeRoomAsync(workspace, null, limits.WorkspaceBytes, cancellationToken);
        var isFull = ofRepository.Room < (1 - MostTimes) * limits.RepositoryBytes(repository) || ofAll.Room < (1 - MostTimes) * limits.WorkspaceBytes;
        tally.Counted(workspace, repository, Math.Min(ofRepository.Room, ofAll.Room), isFull, begun);
        if (ofRepository.Evicted + ofAll.Evicted > 0) await purger.PurgeAsync(cancellationToken);
    }

    private async Task<int> TakeAllOutAsync(string workspace, string why, Func<Task<List<Evictable>>> some, bool isQuarantined, CancellationToken cancellationToken)
    {
        var (evicted, pace) = (0, new EvictionPace(reads, time));
        while (true)
        {
            var found = await some();
            if (found.Count == 0) return evicted;
            var gone = await TakeOutAsync(workspace, found, why, isQuarantined, cancellationToken);
            if (gone.Count == 0) return evicted;
            evicted += gone.Count;
            await pace.RestAsync(cancellationToken);
        }
    }

    /// <summary>Counting looks at every entry: it is done no more often than something was taken out.</summary>
    private async Task<(int Evicted, long Room)> MakeRoomAsync(string workspace, string? repository, long quota, CancellationToken cancellationToken)
    {
        var room = quota - await store.BytesAsync(workspace, repository, cancellationToken);
        if (room >= 0) return (0, room);
        var evicted = await ShrinkAsync(workspace, repository, quota, isWaiting: true, cancellationToken);
        return (evicted, evicted == 0 ? room : quota - await store.BytesAsync(workspace, repository, cancellationToken));
    }

    /// <summary>
    /// One at a time for a workspace, of all replicas: two that count before either has taken anything out would both take it all. What people take away meanwhile is seen by counting again:
    /// before branches pay, after a step that got less than it chose, and at the latest after <see cref="StepsACount"/> of them.
    /// </summary>
    /// <param name="isWaiting">Whether for another replica; whoever looks at everything leaves it to the one that is at it, and goes on.</param>
    private async Task<int> ShrinkAsync(string workspace, string? repository, long quota, bool isWaiting, CancellationToken cancellationToken)
    {
        var gate = _gates.GetOrAdd(workspace, static _ => new SemaphoreSlim(1));
        await gate.WaitAsync(cancellationToken);
        var alone = await LetGoAsync(gate, store.AloneAsync(workspace, isWaiting: false, cancellationToken));
        if (alone is null)
        {
            if (!isWaiting) return 0;

            // For minutes, perhaps: whoever looks at everything here passes this workspace by meanwhile.
            alone = await store.AloneAsync(workspace, isWaiting: true, cancellationToken);
            await gate.WaitAsync(CancellationToken.None);
        }

        try
        {
            await using var held = alone!;
            var all = 0;
            foreach (var turn in Enum.GetValues<EvictionTurn>())
            {
                var (evicted, holds) = await ShrinkAsync(workspace, repository, quota, turn, held, cancellationToken);
                all += evicted;
                if (holds) break;
            }

            return all;
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>A gate is kept with what it was for, and let go without.</summary>
    private static async Task<DatabaseHold?> LetGoAsync(SemaphoreSlim gate, Task<DatabaseHold?> taking)
    {
        DatabaseHold? taken = null;
        try
        {
            return taken = await taking;
        }
        finally
        {
            if (taken is null) gate.Release();
        }
    }

    /// <returns>How many went, and whether the quota holds now.</returns>
    private async Task<(int Evicted, bool Holds)> ShrinkAsync(
        string workspace, string? repository, long quota, EvictionTurn turn, DatabaseHold alone, CancellationToken cancellationToken)
    {
        var (evicted, over, pace) = (0, 0L, new EvictionPace(reads, time));
        for (var step = 0; ; step++)
        {
            if (step % StepsACount == 0 || over <= 0)
            {
                await alone.CheckAsync(cancellationToken);
                over = await (turn == EvictionTurn.Quarantined ? store.QuarantinedAsync(workspace, repository, cancellationToken) : store.BytesAsync(workspace, repository, cancellationToken)) - quota;
            }

            if (over <= 0) return (evicted, true);
            var chosen = await ChooseAsync(workspace, repository, over, quota / SpareShare, turn, cancellationToken);
            if (chosen.Count == 0) return (evicted, false);
            var gone = await TakeOutAsync(workspace, chosen, "quota", turn == EvictionTurn.Quarantined, cancellationToken);
            evicted += gone.Count;

            // What is missing was taken away by somebody, or given out by a look-up.
            over = gone.Count == chosen.Count ? over - gone.Bytes : 0;
            await pace.RestAsync(cancellationToken);
        }
    }

    /// <summary>What must go; and of what comes next so much as is small beside the quota: a full cache would else be counted, and make way, with every entry that comes.</summary>
    private async Task<List<Evictable>> ChooseAsync(string workspace, string? repository, long over, long spare, EvictionTurn turn, CancellationToken cancellationToken)
    {
        var (chosen, bytes) = (new List<Evictable>(), 0L);
        foreach (var candidate in await store.CandidatesAsync(workspace, repository, turn, Batch, cancellationToken))
        {
            if (bytes >= over && (candidate.Size == 0 || bytes + candidate.Size > over + spare)) break;
            if (reads.IsRead(candidate.Blob)) continue;
            chosen.Add(candidate);
            bytes += candidate.Size;
        }

        return chosen;
    }

    /// <summary>Together with its event, or not at all.</summary>
    private async Task<Gone> TakeOutAsync(string workspace, List<Evictable> entries, string why, bool isQuarantined, CancellationToken cancellationToken)
    {
        var gone = (await audit.ChangeAsync<List<Evictable>>(
            async transaction => await store.TakeOutAsync(transaction, entries, isQuarantined), taken => taken.Count == 0 ? null : EventOf(workspace, taken, why), cancellationToken)).Value;
        if (gone.Count == 0) return default;
        logger.Evicted(gone.Count, workspace, why);
        return new Gone(gone.Count, gone.Sum(static entry => entry.Size));
    }

    private static AuditEvent EventOf(string workspace, List<Evictable> gone, string why) => new("cache.evict")
    {
        WorkspaceId = workspace,
        Details = new Dictionary<string, string> { ["why"] = why, ["entries"] = string.Join(' ', gone.Select(static entry => entry.Id)) },
    };

    private readonly record struct Gone(int Count, long Bytes);
}
