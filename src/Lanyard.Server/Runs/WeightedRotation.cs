namespace Lanyard.Server.Runs;

/// <summary>
/// Smooth weighted round robin: over any stretch each key gets its share, and the turns of a heavy key are spread out. One instance a runner;
/// keys that are not offered for a while keep no credit, so nobody saves turns up.
/// </summary>
public sealed class WeightedRotation
{
    private readonly Dictionary<string, int> _credit = new(StringComparer.Ordinal);

    /// <summary>The next key of <paramref name="candidates"/>.</summary>
    /// <param name="weight">1 or more.</param>
    public string Next(IReadOnlyList<string> candidates, Func<string, int> weight)
    {
        if (_credit.Count > candidates.Count)
            Forget(candidates);
        var total = 0;
        var best = candidates[0];
        var bestCredit = int.MinValue;
        foreach (var key in candidates)
        {
            var share = Math.Max(1, weight(key));
            total += share;
            var credit = _credit.GetValueOrDefault(key) + share;
            _credit[key] = credit;
            if (credit > bestCredit)
                (best, bestCredit) = (key, credit);
        }
        _credit[best] = bestCredit - total;
        return best;
    }

    private void Forget(IReadOnlyList<string> candidates)
    {
        var present = candidates.ToHashSet(StringComparer.Ordinal);
        foreach (var key in _credit.Keys.Where(k => !present.Contains(k)).ToArray())
            _credit.Remove(key);
    }
}
