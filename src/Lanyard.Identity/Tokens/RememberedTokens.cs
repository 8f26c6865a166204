using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace Lanyard.Identity.Tokens;

/// <summary>
/// What was found out about a token, by its SHA-256, until the token expires or <see cref="Forget"/> is called because keys, policies or
/// liveness changed. Bounded: two generations of half the capacity each; when the younger is full it becomes the older, and what the older
/// held and nobody asked for meanwhile is gone.
/// </summary>
/// <param name="capacity">Most entries, at least 2.</param>
public sealed class RememberedTokens<T>(int capacity, TimeProvider time)
    where T : class
{
    private readonly int _half = Math.Max(1, capacity / 2);
    private readonly Lock _gate = new();
    private Generations _generations = new(NewMap(), NewMap());
    private int _youngCount;

    public bool TryGet(TokenHash hash, [NotNullWhen(true)] out T? value)
    {
        var generations = Volatile.Read(ref _generations);
        var isYoung = generations.Young.TryGetValue(hash, out var entry);
        if ((!isYoung && !generations.Old.TryGetValue(hash, out entry)) || entry!.UntilTicks <= time.GetUtcNow().UtcTicks)
        {
            value = null;
            return false;
        }

        if (!isYoung) Add(generations, hash, entry);
        value = entry.Value;
        return true;
    }

    /// <param name="epoch">What <see cref="Epoch"/> was before the token was judged: a judgement from before a <see cref="Forget"/> is not kept.</param>
    public void Remember(TokenHash hash, T value, DateTimeOffset until, object epoch)
    {
        var generations = Volatile.Read(ref _generations);
        if (!ReferenceEquals(generations.Epoch, epoch)) return;
        Add(generations, hash, new Entry(value, until.UtcTicks));
    }

    /// <summary>To be read before a token is judged, and given to <see cref="Remember"/>.</summary>
    public object Epoch => Volatile.Read(ref _generations).Epoch;

    /// <summary>Everything must be judged anew.</summary>
    public void Forget()
    {
        lock (_gate)
        {
            Volatile.Write(ref _generations, new Generations(NewMap(), NewMap()));
            _youngCount = 0;
        }
    }

    private void Add(Generations generations, TokenHash hash, Entry entry)
    {
        if (!generations.Young.TryAdd(hash, entry) || Interlocked.Increment(ref _youngCount) <= _half) return;
        lock (_gate)
        {
            // Only one thread turns the page; a Forget in between has done it already.
            if (!ReferenceEquals(generations, _generations)) return;
            // As many again are to be expected: a map that grows copies all that it has.
            Volatile.Write(ref _generations, new Generations(new(Environment.ProcessorCount, _half), generations.Young) { Epoch = generations.Epoch });
            _youngCount = 0;
        }
    }

    private static ConcurrentDictionary<TokenHash, Entry> NewMap() => new();

    private sealed record Entry(T Value, long UntilTicks);

    private sealed record Generations(ConcurrentDictionary<TokenHash, Entry> Young, ConcurrentDictionary<TokenHash, Entry> Old)
    {
        public object Epoch { get; init; } = new();
    }
}
