using Lanyard.Server.Audit;
using Lanyard.Server.Cache.Blobs;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Cache.Limits;

/// <summary>Keeps workspaces and repositories within their quotas and forgets what nobody uses. Several replicas may do it at once.</summary>
internal sealed class CacheEvictor(
    CacheEvictionStore store, CacheSettingsDirectory settings, CacheTally tally, BlobStore files, BlobReads reads, AuditLog audit, TimeProvider time,
    ILogger<CacheEvictor> logger)
{
    /// <summary>Longer than a download URL lives and than two sweeps are apart.</summary>
    public static readonly TimeSpan Hold = TimeSpan.FromMinutes(25);

    private const int Batch = EvictionPace.Step;

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
            evicted += await UnusedAsync(workspace, limits, cancellationToken);
            foreach (var (repository, bytes) in await store.RepositoriesAsync(workspace, cancellationToken))
            {
                if (bytes > limits.RepositoryBytes(repository))
                    evicted += await ShrinkAsync(workspace, repository, limits.RepositoryBytes(repository), cancellationToken);
            }

            evicted += await ShrinkAsync(workspace, null, limits.WorkspaceBytes, cancellationToken);
        }

        await PurgeAsync(cancellationToken);
        return evicted;
    }

    /// <summary>One repository and its workspace, after something was added.</summary>
    public async Task EnforceAsync(string workspace, string repository, CancellationToken cancellationToken)
    {
        tally.Begin((workspace, repository));
        var limits = await settings.LimitsAsync(workspace, cancellationToken);
        var evicted = await ShrinkAsync(workspace, repository, limits.RepositoryBytes(repository), cancellationToken)
            + await ShrinkAsync(workspace, null, limits.WorkspaceBytes, cancellationToken);
        var room = Math.Min(
            limits.RepositoryBytes(repository) - await store.BytesAsync(workspace, repository, cancellationToken),
            limits.WorkspaceBytes - await store.BytesAsync(workspace, null, cancellationToken));
        tally.Counted(workspace, repository, room);
        if (evicted > 0) await PurgeAsync(cancellationToken);
    }

    /// <summary>Deletes the bytes, then the rows: killed between the two, the next sweep goes on.</summary>
    public async Task PurgeAsync(CancellationToken cancellationToken)
    {
        var pace = new EvictionPace(reads, time);
        while (true)
        {
            var found = await store.OutAsync(Batch, cancellationToken);
            var free = found.Where(entry => !reads.IsRead(entry.Blob)).Select(static entry => entry.Blob).ToList();
            if (free.Count == 0) return;
            foreach (var blob in free) await files.DeleteAsync(blob);
            await store.RemoveAsync(free, cancellationToken);
            if (found.Count < Batch) return;
            await pace.RestAsync(cancellationToken);
        }
    }

    private async Task<int> UnusedAsync(string workspace, CacheLimits limits, CancellationToken cancellationToken)
    {
        var (evicted, pace) = (0, new EvictionPace(reads, time));
        while (true)
        {
            var unused = await store.UnusedAsync(workspace, time.GetUtcNow() - limits.UnusedLife, Batch, cancellationToken);
            if (unused.Count == 0) return evicted;
            var gone = await TakeOutAsync(workspace, unused, "unused", cancellationToken);
            if (gone.Count == 0) return evicted;
            evicted += gone.Count;
            await pace.RestAsync(cancellationToken);
        }
    }

    /// <summary>Counts once, and again when by its own account it is done: others add and take away meanwhile.</summary>
    private async Task<int> ShrinkAsync(string workspace, string? repository, long quota, CancellationToken cancellationToken)
    {
        var evicted = 0;
        while (await store.BytesAsync(workspace, repository, cancellationToken) - quota is > 0 and var over)
        {
            var gone = await ShrinkAsync(workspace, repository, over, isPull: true, cancellationToken);
            if (gone.Bytes < over) gone = gone.Plus(await ShrinkAsync(workspace, repository, over - gone.Bytes, isPull: false, cancellationToken));
            if (gone.Count == 0) return evicted;
            evicted += gone.Count;
        }

        return evicted;
    }

    private async Task<Gone> ShrinkAsync(string workspace, string? repository, long over, bool isPull, CancellationToken cancellationToken)
    {
        var (all, pace) = (default(Gone), new EvictionPace(reads, time));
        while (all.Bytes < over)
        {
            var chosen = new List<Evictable>();
            var bytes = all.Bytes;
            foreach (var candidate in await store.CandidatesAsync(workspace, repository, isPull, Batch, cancellationToken))
            {
                if (bytes >= over) break;
                if (reads.IsRead(candidate.Blob)) continue;
                chosen.Add(candidate);
                bytes += candidate.Size;
            }

            var gone = chosen.Count == 0 ? default : await TakeOutAsync(workspace, chosen, "quota", cancellationToken);
            if (gone.Count == 0) return all;
            all = all.Plus(gone);
            await pace.RestAsync(cancellationToken);
        }

        return all;
    }

    private async Task<Gone> TakeOutAsync(string workspace, List<Evictable> entries, string why, CancellationToken cancellationToken)
    {
        var gone = await store.TakeOutAsync(entries, cancellationToken);
        if (gone.Count == 0) return default;
        logger.Evicted(gone.Count, workspace, why);
        await audit.RecordAsync(new AuditEvent("cache.evict")
        {
            WorkspaceId = workspace,
            Details = new Dictionary<string, string> { ["why"] = why, ["entries"] = string.Join(' ', gone.Select(static entry => entry.Id)) },
        });
        return new Gone(gone.Count, gone.Sum(static entry => entry.Size));
    }

    private readonly record struct Gone(int Count, long Bytes)
    {
        public Gone Plus(Gone other) => new(Count + other.Count, Bytes + other.Bytes);
    }
}
