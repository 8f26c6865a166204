using Lanyard.Server.Runs;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("2.9")]
public sealed class QueueKeyTests
{
    [Theory]
    [InlineData(null, "")]
    [InlineData("rnr_1", "")]
    [InlineData(null, "gpu,x64")]
    [InlineData("rnr_1", "x64,gpu,gpu")]
    public void A_key_reads_back_what_was_written(string? runner, string labels)
    {
        var wanted = labels.Split(',', StringSplitOptions.RemoveEmptyEntries);
        var key = QueueKey.Parse(QueueKey.Format("col_1", runner, wanted));
        Assert.Equal("col_1", key.Collection);
        Assert.Equal(runner, key.Runner);
        Assert.Equal(wanted.Distinct().Order(), key.Labels);
    }

    [Fact]
    public void The_order_of_labels_makes_no_other_key() =>
        Assert.Equal(QueueKey.Format("col_1", null, ["b", "a"]), QueueKey.Format("col_1", null, ["a", "b", "a"]));

    [Fact]
    public void A_runner_suits_only_with_all_labels_and_where_it_is_the_one_asked_for()
    {
        var key = QueueKey.Parse(QueueKey.Format("col_1", "rnr_1", ["gpu"]));
        Assert.True(key.Suits("rnr_1", new HashSet<string> { "gpu", "x64" }));
        Assert.False(key.Suits("rnr_2", new HashSet<string> { "gpu" }));
        Assert.False(key.Suits("rnr_1", new HashSet<string> { "x64" }));
    }

    [Fact]
    public void The_rotation_gives_each_key_its_weight_and_spreads_the_turns()
    {
        var rotation = new WeightedRotation();
        var turns = Enumerable.Range(0, 60).Select(_ => rotation.Next(["a", "b", "c"], k => k == "a" ? 4 : 1)).ToArray();
        Assert.Equal(40, turns.Count(t => t == "a"));
        Assert.Equal(10, turns.Count(t => t == "b"));
        Assert.DoesNotContain("aaaaa", string.Concat(turns), StringComparison.Ordinal);
    }

    [Fact]
    public void A_key_that_was_away_has_saved_no_turns_up()
    {
        var rotation = new WeightedRotation();
        for (var i = 0; i < 100; i++)
            rotation.Next(["a"], _ => 1);
        var turns = Enumerable.Range(0, 10).Select(_ => rotation.Next(["a", "b"], _ => 1)).ToArray();
        Assert.Equal(5, turns.Count(t => t == "b"));
    }
}
