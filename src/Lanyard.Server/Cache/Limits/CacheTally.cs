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

    private readonly ConcurrentDictionary<(string Workspace, string Repository), (long Bytes, long Room, DateTimeOffset At)> _counted = new();
    private readonly ConcurrentDictionary<(string Workspace, string Repository), bool> _queued = new();
    private readonly Channel<(string Workspace, string Repository)> _wanted = Channel.CreateUnbounded<(string, string)>();

    public IAsyncEnumerable<(string Workspace, string Repository)> WantedAsync(CancellationToken cancellationToken) => _wanted.Reader.ReadAllAsync(cancellationToken);

    public void Begin((string Workspace, string Repository) one) => _queued.TryRemove(one, out _);

    /// <param name="room">What may still come before somebody must count again.</param>
    public void Counted(string workspace, string repository, long room)
    {
        if (_counted.Count > 10_000) _counted.Clear();
        _counted[(workspace, repository)] = (0, room, time.GetUtcNow());
    }

    public void Added(string workspace, string repository, long bytes)
    {
        var one = (workspace, repository);
        if (_counted.TryGetValue(one, out var before) && time.GetUtcNow() - before.At < Life && before.Bytes + bytes <= before.Room
            && _counted.TryUpdate(one, before with { Bytes = before.Bytes + bytes }, before)) return;
        if (_queued.TryAdd(one, true)) _wanted.Writer.TryWrite(one);
    }
}
