using Lanyard.Bench.Rows;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Bench;

/// <summary>The benchmarks' own arithmetic: what counts, and when a comparison says nothing.</summary>
public sealed class BenchRowTests
{
    [Fact]
    public void A_median_is_the_middle_whatever_the_order_and_an_outlier_does_not_move_it()
    {
        Assert.Equal(3, Samples.Median([5, 1, 3, 1000, 2]));
        Assert.Equal(2.5, Samples.Median([4, 1, 3, 2]));
        Assert.Throws<ArgumentException>(() => Samples.Median([]));
    }

    [Fact]
    public void The_99th_percentile_of_a_hundred_values_is_the_99th()
    {
        var values = Enumerable.Range(1, 100).Select(static n => (double)n).ToArray();

        Assert.Equal(99, Samples.Percentile(values, 0.99));
        Assert.Equal(7, Samples.Percentile([7], 0.99));
        Assert.Throws<ArgumentException>(() => Samples.Percentile([], 0.5));
    }

    [Fact]
    public void Rounds_with_foreign_load_are_dropped_where_enough_quiet_ones_are_there()
    {
        var (kept, wasLoaded) = Samples.Keep([Round(0.9), Round(0.1), Round(0), Round(0.15), Round(0.1), Round(0.1), Round(0.16)]);

        Assert.False(wasLoaded);
        Assert.Equal([0.1, 0, 0.15, 0.1, 0.1], kept.Select(static round => round.Foreign));
    }

    [Fact]
    public void Four_quiet_rounds_are_not_enough_and_a_loaded_machine_is_said()
    {
        Round[] rounds = [Round(0.9), Round(0.1), Round(0.1), Round(0.1), Round(0.1), Round(0.5)];

        var (kept, wasLoaded) = Samples.Keep(rounds);

        Assert.False(Samples.AreEnough(rounds));
        Assert.True(wasLoaded);
        Assert.Equal(Samples.Wanted, kept.Count);
        Assert.DoesNotContain(kept, static round => round.Foreign > 0.5);
    }

    [Theory]
    [InlineData(700, false, true)]
    [InlineData(699, true, false)]
    public void A_peer_more_than_30_percent_under_its_figure_makes_the_row_suspect_and_not_held(double peer, bool suspect, bool holds)
    {
        var row = BenchRow.Rate("x", ours: 5000, peer, "them", "1/s", goal: 2, known: 1000);

        Assert.Equal((suspect, holds), (row.Suspect, row.Holds));
    }

    [Fact]
    public void A_ratio_above_one_is_better_for_us_also_where_less_is_better()
    {
        Assert.Equal(2, BenchRow.Rate("rate", 200, 100, "them", "1/s", 1).Ratio);
        Assert.Equal(2, BenchRow.Cost("cost", 5, 10, BenchRow.Limit, "ms").Ratio);
        Assert.False(BenchRow.Cost("cost", 11, 10, BenchRow.Limit, "ms").Holds);
        Assert.True(BenchRow.Cost("twice the peer's is allowed", 20, 10, "them", "ms", goal: 0.5).Holds);
    }

    [Fact]
    public void Nothing_at_all_keeps_the_limit_of_nothing_and_one_byte_does_not()
    {
        Assert.True(BenchRow.Cost("allocated", 0, 0, BenchRow.Limit, "B").Holds);
        Assert.False(BenchRow.Cost("allocated", 1, 0, BenchRow.Limit, "B").Holds);
    }

    private static Round Round(double foreign) => new(new Dictionary<string, double>(), foreign);
}
