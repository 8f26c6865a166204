namespace Lanyard.Bench.Rows;

/// <summary>One round of a benchmark.</summary>
/// <param name="Values">What was measured, by name.</param>
/// <param name="Foreign">Share of the machine (0 to 1) that processes other than the benchmark's used meanwhile.</param>
internal sealed record Round(IReadOnlyDictionary<string, double> Values, double Foreign);

/// <summary>What is made of rounds: loaded ones are dropped, and of the rest the median counts.</summary>
internal static class Samples
{
    /// <summary>Rounds that count, at least.</summary>
    public const int Wanted = 5;

    /// <summary>A round with more foreign load than this is dropped.</summary>
    public const double MaxForeign = 0.15;

    public static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        if (sorted.Length == 0)
            throw new ArgumentException("no values", nameof(values));
        var middle = sorted.Length / 2;
        return sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    /// <summary>The value that the given share (0 to 1) of the values does not exceed.</summary>
    public static double Percentile(IEnumerable<double> values, double share)
    {
        double[] sorted = [.. values.Order()];
        if (sorted.Length == 0)
            throw new ArgumentException("no values", nameof(values));
        return sorted[Math.Clamp((int)Math.Ceiling(share * sorted.Length) - 1, 0, sorted.Length - 1)];
    }

    /// <summary>Whether more rounds are needed.</summary>
    public static bool AreEnough(IReadOnlyList<Round> rounds) => rounds.Count(IsQuiet) >= Wanted;

    /// <summary>The quiet rounds; where the machine never was quiet for long enough, the least loaded ones, and that is said.</summary>
    public static (IReadOnlyList<Round> Kept, bool WasLoaded) Keep(IReadOnlyList<Round> rounds)
    {
        if (AreEnough(rounds))
            return ([.. rounds.Where(IsQuiet)], false);
        return ([.. rounds.OrderBy(static round => round.Foreign).Take(Wanted)], true);
    }

    private static bool IsQuiet(Round round) => round.Foreign <= MaxForeign;
}
