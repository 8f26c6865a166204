using System.Collections.Concurrent;
using System.Threading.Channels;

namespace Lanyard.Server.Cache.Limits;

/// <summary>
/// What repositories hold, as the last count plus what this replica has added since; says when somebody must look. Counts of other replicas come in
/// with the next count, so that a quota is exceeded for a moment at most.
/// </summary>
internal sealed class CacheTally(TimeProvider time)
{
    private static readonly TimeSpan Life = TimeSpan.FromMinutes(1);

    /// <summary>What is full is counted anew after so long, when somebody asks.</summary>
    private static readonly TimeSpan Recount = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<(string Workspace, string Repository), (long Bytes, long Room, bool IsFull, DateTimeOffset At)> _counted = new();
    private readonly ConcurrentDictionary<(string Workspace, string Repository), bool> _queued = new();
    private readonly Channel<(string Workspace, string Repository)> _wanted = Channel.CreateUnbounded<(string, string)>();

    /// <summary>Counts the changes of quotas.</summary>
    private long _quotas;

    public IAsyncEnumerable<(string Workspace, string Repository)> WantedAsync(CancellationToken cancellationToken) => _wanted.Reader.ReadAllAsync(cancellationToken);

    /// <summary>To be called before limits are read.</summary>
    /// <returns>To be given to <see cref="Counted"/>.</returns>
    public long Begin((string Workspace, string Repository) one)
    {
        _queued.TryRemove(one, out _);
        return Interlocked.Read(ref _quotas);
    }

    /// <param name="room">What may still come before somebody must count again.</param>
    /// <param name="isFull">Nothing more is to be taken in.</param>
    /// <param name="begun">What <see cref="Begin"/> returned: a count by quotas that changed meanwhile is not kept.</param>
    public void Counted(string workspace, string repository, long room, bool isFull, long begun)
    {
        if (_counted.Count > 10_000) _counted.Clear();
        _counted[(workspace, repository)] = (0, room, isFull, time.GetUtcNow());
        if (begun != Interlocked.Read(ref _quotas)) _counted.TryRemove((workspace, repository), out _);
    }

    /// <summary>Whether there is so much that no eviction may take, because it was given out, that nothing more is taken in.</summary>
    public bool IsFull(string workspace, string repository)
    {
        var one = (workspace, repository);
        if (!_counted.TryGetValue(one, out var known) || !known.IsFull) return false;
        if (time.GetUtcNow() - known.At >= Recount && _queued.TryAdd(one, true)) _wanted.Writer.TryWrite(one);
        return true;
    }

    /// <summary>Quotas are others now, of one workspace or (null) of any: whoever adds next has all of it counted.</summary>
    public void Forget(string? workspace)
    {
        Interlocked.Increment(ref _quotas);
        foreach (var one in _counted.Keys)
        {
            if (workspace is null || one.Workspace == workspace) _counted.TryRemove(one, out _);
        }
    }

    public void Added(string workspace, string repository, long bytes)
    {
        var one = (workspace, repository);
        while (_counted.TryGetValue(one, out var before) && time.GetUtcNow() - before.At < Life && before.Bytes + bytes <= before.Room)
        {
            // Many add at once: who came second has not used the room up.
            if (_counted.TryUpdate(one, before with { Bytes = before.Bytes + bytes }, before)) return;
        }

        if (_queued.TryAdd(one, true)) _wanted.Writer.TryWrite(one);
    }
}
