using System.Collections.Concurrent;
using Lanyard.Server.Http;

namespace Lanyard.Server.Exchange;

/// <summary>How often one principal exchanged in this minute, on this replica; asked only for principals whose policies set a bound.</summary>
internal sealed class PrincipalRates(TimeProvider time)
{
    private const int Capacity = 100_000;
    private readonly ConcurrentDictionary<string, Minute> _minutes = new(StringComparer.Ordinal);

    /// <returns>False where it is too often.</returns>
    public bool TryTake(Principal principal)
    {
        foreach (var facet in principal.Facets)
        {
            if (facet.Terms is { PerMinute: { } most } && Count($"{facet.Policy} {facet.Name}") > most) return false;
        }

        return true;
    }

    private int Count(string key)
    {
        var number = time.GetUtcNow().ToUnixTimeSeconds() / 60;
        // Counting them takes every lock of the map: for one that is new, not in each exchange.
        if (!_minutes.ContainsKey(key) && _minutes.Count >= Capacity) _minutes.Clear();
        return _minutes.AddOrUpdate(key, static (_, now) => new Minute(now, 1), static (_, before, now) => before.Number == now ? before with { Count = before.Count + 1 } : new Minute(now, 1), number).Count;
    }

    private readonly record struct Minute(long Number, int Count);
}
