using System.Collections.Concurrent;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Machines;

/// <summary>
/// Living machines by id, for the bearer door and the runtime API: from memory, and right at once on the replica that ended one. Another replica's end is
/// known by its notification, and after <see cref="Recheck"/> at the latest.
/// </summary>
internal sealed class MachineDirectory : IDisposable
{
    public const string Channel = "machines.ended";
    public static readonly TimeSpan Recheck = TimeSpan.FromSeconds(1);
    private const int Most = 50_000;

    private readonly MachineStore _store;
    private readonly TimeProvider _time;
    private readonly Notifications _notifications;
    private readonly IDisposable _subscription;
    private readonly ConcurrentDictionary<string, Known> _known = new(StringComparer.Ordinal);
    private long _ends;

    public MachineDirectory(MachineStore store, Database database, TimeProvider time)
    {
        (_store, _time, _notifications) = (store, time, database.Notifications);
        _subscription = _notifications.Subscribe(Channel, Forget);
    }

    /// <returns>Null for one that has ended, has expired, or never was.</returns>
    public async ValueTask<MachineRecord?> FindAliveAsync(string id, CancellationToken cancellationToken)
    {
        var asked = _time.GetTimestamp();
        if (!_known.TryGetValue(id, out var known) || _time.GetElapsedTime(known.At, asked) >= Recheck)
        {
            // An answer that was long on its way is as old as its question.
            var ends = Volatile.Read(ref _ends);
            known = new Known(await _store.FindAsync(id, cancellationToken), asked);

            // What was read before an end was told is not remembered behind it.
            if (_known.Count >= Most) _known.Clear();
            _known[id] = known;
            if (Volatile.Read(ref _ends) != ends) _known.TryRemove(id, out _);
        }

        return known.Machine is { } machine && machine.IsAliveAt(_time.GetUtcNow()) ? machine : null;
    }

    /// <summary>Whether one is over for good. From the database: who was renewed at another replica a moment ago lives longer than memory knows.</summary>
    public async Task<bool> HasEndedAsync(string id, CancellationToken cancellationToken) =>
        await _store.FindAsync(id, cancellationToken) is not { } machine || !machine.IsAliveAt(_time.GetUtcNow());

    /// <summary>After the commit that ended one.</summary>
    public void Ended(string id) => _notifications.Publish(Channel, id);

    /// <summary>After the commit that renewed one.</summary>
    public void Changed(string id) => _notifications.Publish(Channel, id);

    public void Dispose() => _subscription.Dispose();

    private void Forget(string? id)
    {
        Interlocked.Increment(ref _ends);
        if (id is null) _known.Clear();
        else _known.TryRemove(id, out _);
    }

    private sealed record Known(MachineRecord? Machine, long At);
}
