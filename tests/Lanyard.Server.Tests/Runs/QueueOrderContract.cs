using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("5.5")]
public sealed class SqliteQueueOrderTests() : QueueOrderContract(DatabaseKind.Sqlite);

[Line("5.5")]
[Needs("postgres")]
public sealed class PostgresQueueOrderTests() : QueueOrderContract(DatabaseKind.Postgres);

/// <summary>In which order a collection's runs are offered to a runner that suits several of its queues, on every database.</summary>
public abstract class QueueOrderContract(DatabaseKind kind) : RunsFixture(kind)
{
    /// <summary>Runs that ask for labels, or for a runner by its name, wait in queues of their own: they are neither put before the others nor behind them.</summary>
    [Theory]
    [InlineData(1, false)]
    [InlineData(3, false)]
    [InlineData(9, false)]
    [InlineData(1, true)]
    [InlineData(3, true)]
    public async Task Runs_of_one_collection_keep_their_order_whatever_they_ask_of_a_runner(int free, bool isLimited)
    {
        if (isLimited)
            await Runs.SetCollectionAsync("col_1", concurrency: 100);
        var runner = await Runs.SessionAsync(await Runs.CreateRunnerAsync("rnr_1", "col_1"), "n", labels: ["gpu", "x64"]);
        var made = new List<(string Run, int Priority)>();
        for (var i = 0; i < 18; i++)
        {
            Time.Advance(TimeSpan.FromSeconds(1));
            string[] labels = (i % 3) switch { 0 => [], 1 => ["gpu"], _ => ["gpu", "x64"] };
            var priority = i is 11 or 16 ? 5 : 0;
            made.Add(((await Runs.CreateRunAsync(priority: priority, labels: labels, runner: i % 5 == 4 ? "rnr_1" : null)).Id, priority));
        }

        var offered = new List<string>();
        while (offered.Count < made.Count)
        {
            var offers = await Runs.PollAsync(runner, free, TimeSpan.Zero, Cancel);
            Assert.Equal(Math.Min(free, made.Count - offered.Count), offers.Count);
            offered.AddRange(offers.Select(static offer => offer.Run).Order(StringComparer.Ordinal));
        }

        var expected = made.OrderByDescending(static one => one.Priority).Select(static one => one.Run).Chunk(free).SelectMany(static poll => poll.Order(StringComparer.Ordinal));
        Assert.Equal(expected, offered);
    }

    /// <summary>The word of a run went to a poll that was then offered another: somebody else must hear of it.</summary>
    [Fact]
    public async Task A_run_that_a_poll_leaves_for_one_of_another_queue_wakes_the_next()
    {
        var gpu = await Runs.SessionAsync(await Runs.CreateRunnerAsync("rnr_1", "col_1"), "n", labels: ["gpu"]);
        using var first = Runs.Dispatch.Enter(gpu, 1);
        var second = Runs.PollAsync(await Runs.RunnerAsync("rnr_2", "col_1"), 1, TimeSpan.FromSeconds(50), Cancel);
        var plain = await Runs.CreateRunAsync();
        var urgent = await Runs.CreateRunAsync(priority: 5, labels: ["gpu"]);

        Assert.Equal(urgent.Id, Assert.Single((await Runs.Dispatch.PollAsync(first, TimeSpan.FromSeconds(50), Cancel)).Offers).Run);
        Assert.Equal(plain.Id, Assert.Single(await second.WaitAsync(TimeSpan.FromSeconds(120), Cancel)).Run);
    }

    /// <summary>Each with labels of its own: more than one statement looks at.</summary>
    [Fact]
    public async Task However_many_queues_a_collection_has_the_oldest_run_of_all_is_offered_first()
    {
        var labels = Enumerable.Range(0, 20).Select(static i => $"l{i}").ToArray();
        var runner = await Runs.SessionAsync(await Runs.CreateRunnerAsync("rnr_1", "col_1"), "n", labels: labels);
        var made = new List<string>();
        foreach (var label in labels.Reverse())
        {
            Time.Advance(TimeSpan.FromSeconds(1));
            made.Add((await Runs.CreateRunAsync(labels: [label])).Id);
        }

        var offered = new List<string>();
        while (await Runs.OfferAsync(runner) is { } offer)
            offered.Add(offer.Run);
        Assert.Equal(made, offered);
    }
}
