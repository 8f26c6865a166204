using Lanyard.Bench.Parts;

namespace Lanyard.Bench.Rows;

/// <summary>Runs interleaved rounds until enough of them were quiet, or the time for them is over.</summary>
internal sealed class RoundLoop(string name, IReadOnlyList<int> processes, TimeSpan atMost)
{
    private const int Most = 10;

    /// <param name="round">Measures everything once, each after the other.</param>
    /// <returns>The median of each figure, and whether the machine was loaded.</returns>
    public async Task<Medians> RunAsync(Func<Task<Dictionary<string, double>>> round)
    {
        var rounds = new List<Round>();
        var began = TimeProvider.System.GetTimestamp();
        while (!Samples.AreEnough(rounds) && rounds.Count < Most
            && (rounds.Count < Samples.Wanted || TimeProvider.System.GetElapsedTime(began) < atMost))
        {
            var load = ForeignLoad.Start(processes);
            var values = await round();
            rounds.Add(new(values, load.Share()));
            var figures = string.Join(", ", values.Select(static value => FormattableString.Invariant($"{value.Key} {value.Value:0.##}")));
            await Console.Error.WriteLineAsync($"{name}: round {rounds.Count}, foreign load {rounds[^1].Foreign:P0}: {figures}");
        }
        var (kept, wasLoaded) = Samples.Keep(rounds);
        return new(kept, rounds.Count, wasLoaded);
    }
}

/// <summary>The rounds that count.</summary>
internal sealed class Medians(IReadOnlyList<Round> kept, int all, bool wasLoaded)
{
    public double this[string name] => Samples.Median(kept.Select(round => round.Values[name]));

    /// <summary>For people: how much the figures are worth.</summary>
    public string Note => wasLoaded
        ? $"the machine was loaded: the {kept.Count} least loaded of {all} rounds count, foreign load {kept.Min(r => r.Foreign):P0} to {kept.Max(r => r.Foreign):P0}"
        : $"{kept.Count} of {all} rounds count, foreign load at most {Samples.MaxForeign:P0}";
}
