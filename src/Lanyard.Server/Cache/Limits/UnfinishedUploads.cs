using System.Collections.Concurrent;

namespace Lanyard.Server.Cache.Limits;

/// <summary>
/// What is uploaded and not finalised, which no eviction can take: at most as much as the quota of its repository and of its workspace. Known as the last count of
/// the database plus what has begun here since, so that a block costs no statement; other replicas' come in with the next count. Nobody is refused by an old count.
/// Pull requests of a repository have half of that room, or that of one entry: a fork's, which announces much and sends little, keeps no branch from saving.
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
        var ofRepository = limits.RepositoryBytes(entry.Repository);
        var ofPulls = Math.Max(Math.Min(ofRepository, limits.WorkspaceBytes) / 2, limits.EntryBytes(entry.Repository));
        var room = new Room(ofRepository, ofPulls, limits.WorkspaceBytes);
        var known = workspace.Count;
        if (known is not null && time.GetElapsedTime(known.At) < Life && workspace.TryAdd((entry.Repository, entry.IsPull), length, room)) return true;
        await CountAsync(entry.WorkspaceId, workspace, known, cancellationToken);
        return workspace.TryAdd((entry.Repository, entry.IsPull), length, room);
    }

    /// <param name="isStaged">It is in the database now, from where the next count has it.</param>
    public void End(CacheEntry entry, long length, bool isStaged)
    {
        if (_workspaces.TryGetValue(entry.WorkspaceId, out var workspace)) workspace.End((entry.Repository, entry.IsPull), length, isStaged);
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
            workspace.Replace(new Count(at, (await store.UnfinishedAsync(id, cancellationToken)).ToDictionary()), staged);
        }
        finally
        {
            workspace.Counting.Release();
        }
    }

    private sealed record Count(long At, Dictionary<(string Repository, bool IsPull), long> Bytes);

    /// <param name="Pulls">Of the repository's, for its pull requests.</param>
    private readonly record struct Room(long Repository, long Pulls, long Workspace);

    private sealed class Workspace
    {
        private readonly Lock _gate = new();
        private readonly Dictionary<(string Repository, bool IsPull), long> _flying = [];
        private readonly Dictionary<(string Repository, bool IsPull), long> _staged = [];
        private volatile Count? _count;

        public SemaphoreSlim Counting { get; } = new(1, 1);

        public Count? Count => _count;

        public bool TryAdd((string Repository, bool IsPull) whose, long length, Room room)
        {
            lock (_gate)
            {
                var sums = (Dictionary<(string Repository, bool IsPull), long>[])[_count!.Bytes, _staged, _flying];
                var pulls = sums.Sum(sum => sum.GetValueOrDefault((whose.Repository, true)));
                if ((whose.IsPull && pulls > room.Pulls - length)
                    || pulls + sums.Sum(sum => sum.GetValueOrDefault((whose.Repository, false))) > room.Repository - length
                    || sums.Sum(static sum => sum.Values.Sum()) > room.Workspace - length) return false;
                Add(_flying, whose, length);
                return true;
            }
        }

        public void End((string Repository, bool IsPull) whose, long length, bool isStaged)
        {
            lock (_gate)
            {
                Add(_flying, whose, -length);
                if (isStaged) Add(_staged, whose, length);
            }
        }

        public List<KeyValuePair<(string Repository, bool IsPull), long>> Staged()
        {
            lock (_gate) return [.. _staged];
        }

        /// <param name="counted">What was staged before the count began, and is in it.</param>
        public void Replace(Count count, List<KeyValuePair<(string Repository, bool IsPull), long>> counted)
        {
            lock (_gate)
            {
                foreach (var (whose, bytes) in counted) Add(_staged, whose, -bytes);
                _count = count;
            }
        }

        private static void Add(Dictionary<(string Repository, bool IsPull), long> sums, (string Repository, bool IsPull) whose, long bytes)
        {
            var sum = sums.GetValueOrDefault(whose) + bytes;
            if (sum == 0) sums.Remove(whose);
            else sums[whose] = sum;
        }
    }
}
