using System.Collections.Concurrent;

namespace Lanyard.Server.Cache.Limits;

/// <summary>
/// What is uploaded and not finalised, which no eviction can take: at most as much as the quota of its repository and of its workspace. Known as the last count of
/// the database plus what has begun here since, so that a block costs no statement; other replicas' come in with the next count. Nobody is refused by an old count.
/// </summary>
internal sealed class UnfinishedUploads(CacheEvictionStore store, TimeProvider time)
{
    private static readonly TimeSpan Life = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<string, Workspace> _workspaces = new(StringComparer.Ordinal);

    /// <summary>Makes room for a body, before a byte of it is stored.</summary>
    /// <returns>False: it would be too much. Otherwise <see cref="End"/> is to be called.</returns>
    public async Task<bool> TryBeginAsync(CacheEntry entry, long length, CacheLimits limits, CancellationToken cancellationToken)
    {
        var workspace = _workspaces.GetOrAdd(entry.WorkspaceId, static _ => new Workspace());
        var (ofRepository, ofAll) = (limits.RepositoryBytes(entry.Repository), limits.WorkspaceBytes);
        var known = workspace.Count;
        if (known is not null && time.GetElapsedTime(known.At) < Life && workspace.TryAdd(entry.Repository, length, ofRepository, ofAll)) return true;
        await CountAsync(entry.WorkspaceId, workspace, known, cancellationToken);
        return workspace.TryAdd(entry.Repository, length, ofRepository, ofAll);
    }

    /// <param name="isStaged">It is in the database now, from where the next count has it.</param>
    public void End(CacheEntry entry, long length, bool isStaged)
    {
        if (_workspaces.TryGetValue(entry.WorkspaceId, out var workspace)) workspace.End(entry.Repository, length, isStaged);
    }

    /// <summary>One at a time: who has waited for another's count takes it.</summary>
    private async Task CountAsync(string id, Workspace workspace, Count? seen, CancellationToken cancellationToken)
    {
        await workspace.Counting.WaitAsync(cancellationToken);
        try
        {
            if (!ReferenceEquals(workspace.Count, seen)) return;
            var at = time.GetTimestamp();
            // What is staged while the database counts may be counted twice, until the next time; never not at all.
            var staged = workspace.Staged();
            workspace.Replace(new Count(at, (await store.UnfinishedAsync(id, cancellationToken)).ToDictionary(StringComparer.Ordinal)), staged);
        }
        finally
        {
            workspace.Counting.Release();
        }
    }

    /// <param name="Bytes">By repository.</param>
    private sealed record Count(long At, Dictionary<string, long> Bytes);

    private sealed class Workspace
    {
        private readonly Lock _gate = new();
        private readonly Dictionary<string, long> _flying = new(StringComparer.Ordinal);
        private readonly Dictionary<string, long> _staged = new(StringComparer.Ordinal);
        private volatile Count? _count;

        public SemaphoreSlim Counting { get; } = new(1, 1);

        public Count? Count => _count;

        public bool TryAdd(string repository, long length, long ofRepository, long ofAll)
        {
            lock (_gate)
            {
                var sums = (Dictionary<string, long>[])[_count!.Bytes, _staged, _flying];
                if (sums.Sum(sum => sum.GetValueOrDefault(repository)) > ofRepository - length || sums.Sum(static sum => sum.Values.Sum()) > ofAll - length) return false;
                Add(_flying, repository, length);
                return true;
            }
        }

        public void End(string repository, long length, bool isStaged)
        {
            lock (_gate)
            {
                Add(_flying, repository, -length);
                if (isStaged) Add(_staged, repository, length);
            }
        }

        public List<KeyValuePair<string, long>> Staged()
        {
            lock (_gate) return [.. _staged];
        }

        /// <param name="counted">What was staged before the count began, and is in it.</param>
        public void Replace(Count count, List<KeyValuePair<string, long>> counted)
        {
            lock (_gate)
            {
                foreach (var (repository, bytes) in counted) Add(_staged, repository, -bytes);
                _count = count;
            }
        }

        private static void Add(Dictionary<string, long> sums, string repository, long bytes)
        {
            var sum = sums.GetValueOrDefault(repository) + bytes;
            if (sum == 0) sums.Remove(repository);
            else sums[repository] = sum;
        }
    }
}
