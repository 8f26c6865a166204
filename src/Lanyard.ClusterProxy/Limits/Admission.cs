using System.Collections.Concurrent;
using Lanyard.ClusterProxy.Requests;
using Lanyard.Identity;

namespace Lanyard.ClusterProxy.Limits;

/// <summary>
/// Who may go on at present: everybody together before a token is looked at, each user after. Streams are counted apart, so that open watches
/// take no place from requests. A full house is 429 with Retry-After, never a queue.
/// </summary>
internal sealed class Admission(LimitOptions options, TimeProvider time)
{
    private const int SweepAbove = 10_000;

    private readonly ConcurrentDictionary<string, UserLoad> _users = new(StringComparer.Ordinal);
    private int _short;
    private int _long;
    private int _sweepAt = SweepAbove;

    public int InFlight => Volatile.Read(ref _short);

    public int LongRunning => Volatile.Read(ref _long);

    /// <summary>Users of whom anything is remembered.</summary>
    public int Users => _users.Count;

    public Refusal? Enter(Passage passage)
    {
        ref var count = ref passage.IsLongRunning ? ref _long : ref _short;
        var limit = passage.IsLongRunning ? options.LongRunning : options.InFlight;
        if (Interlocked.Increment(ref count) > limit && limit > 0)
        {
            Interlocked.Decrement(ref count);
            return TooMany(passage.IsLongRunning ? $"over {limit} streams" : $"over {limit} requests at once");
        }

        passage.IsAdmitted = true;
        return null;
    }

    public Refusal? EnterAs(Passage passage, string user)
    {
        var now = time.GetTimestamp();
        while (true)
        {
            var isKnown = _users.TryGetValue(user, out var load);
            load ??= _users.GetOrAdd(user, static (_, a) => new UserLoad(a.Burst, a.Now), (Burst: options.UserBurst, Now: now));
            lock (load)
            {
                if (load.IsGone)
                {
                    continue;
                }

                if (load.Enter(options, passage.IsLongRunning, now, time.TimestampFrequency) is { } full)
                {
                    return TooMany(full);
                }

                passage.Load = load;
            }

            // They only become more by one who is new; and counting them takes every lock of the map, 9 µs where there are 10,000.
            if (!isKnown) Sweep(now);
            return null;
        }
    }

    public void Leave(Passage passage)
    {
        if (passage.Load is { } load)
        {
            lock (load)
            {
                load.Leave(passage.IsLongRunning);
            }
        }

        if (passage.IsAdmitted)
        {
            Interlocked.Decrement(ref passage.IsLongRunning ? ref _long : ref _short);
        }
    }

    /// <summary>Names come from outside: those that have nothing running are forgotten when there are many.</summary>
    private void Sweep(long now)
    {
        if (_users.Count <= Volatile.Read(ref _sweepAt))
        {
            return;
        }

        foreach (var (name, load) in _users)
        {
            lock (load)
            {
                if (load.TryRetire(options, now, time.TimestampFrequency))
                {
                    _users.TryRemove(KeyValuePair.Create(name, load));
                }
            }
        }

        // What is left is in use; the next sweep waits until as many again have come.
        Volatile.Write(ref _sweepAt, Math.Max(SweepAbove, _users.Count * 2));
    }

    private static Refusal TooMany(string detail) => new(RefusalReason.TooManyRequests, detail);
}
