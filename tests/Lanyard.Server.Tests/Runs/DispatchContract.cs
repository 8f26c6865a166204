using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Runs;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("5.5")]
public sealed class SqliteDispatchTests() : DispatchContract(DatabaseKind.Sqlite);

[Line("5.5")]
[Needs("postgres")]
public sealed class PostgresDispatchTests() : DispatchContract(DatabaseKind.Postgres);

/// <summary>Limits and states of collections, on every database.</summary>
public abstract class DispatchContract(DatabaseKind kind) : DispatchTestBase(kind)
{
    [Fact]
    public async Task Twenty_polls_at_once_bring_a_collection_no_further_than_its_limit()
    {
        await _runs.SetCollectionAsync("col_1", concurrency: 3);
        for (var i = 0; i < 10; i++)
            await _runs.CreateRunAsync();
        var runners = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => _runs.RunnerAsync($"rnr_{i}", "col_1")));
        var offers = await Task.WhenAll(runners.Select((runner, i) => _runs.PollAsync(runner, 1 + (i % 3), TimeSpan.Zero, Cancel)));
        Assert.Equal(3, offers.Sum(o => o.Count));
        Assert.Equal(3, await LiveAsync("col_1"));
    }

    [Fact]
    public async Task Two_replicas_that_claim_at_once_keep_to_one_limit()
    {
        Assert.SkipWhen(Kind == DatabaseKind.Sqlite, "a SQLite file belongs to one server");
        await using var database = _test.OpenAnother();
        await using var other = RunsHarness.On(database, _time);
        await _runs.SetCollectionAsync("col_1", concurrency: 2);
        await other.Workspaces.LoadAsync();
        await other.Collections.LoadAsync();
        for (var i = 0; i < 20; i++)
            await _runs.CreateRunAsync();
        await other.Dispatch.LookAsync(Cancel);
        var runners = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => _runs.RunnerAsync($"rnr_{i}", "col_1")));
        var offers = await Task.WhenAll(runners.Select((runner, i) => (i % 2 == 0 ? _runs : other).PollAsync(runner, 1, TimeSpan.Zero, Cancel)));
        Assert.Equal(2, offers.Sum(o => o.Count));
    }

    [Fact]
    public async Task The_end_of_an_attempt_gives_its_place_to_a_poll_that_waits()
    {
        await _runs.SetCollectionAsync("col_1", concurrency: 1);
        var (first, offer) = await AcceptedAsync("rnr_1");
        var waiting = await _runs.CreateRunAsync();
        var second = await _runs.RunnerAsync("rnr_2", "col_1");
        var poll = _runs.PollAsync(second, 1, Long, Cancel);
        Assert.False(poll.IsCompleted);
        await _runs.EndAsync(first, offer);
        Assert.Equal(waiting.Id, Assert.Single(await poll.WaitAsync(Deadline, Cancel)).Run);
    }

    [Fact]
    [Line("5.8")]
    public async Task The_end_of_an_attempt_on_one_replica_gives_its_place_to_a_poll_that_waits_on_another()
    {
        Assert.SkipWhen(Kind == DatabaseKind.Sqlite, "a SQLite file belongs to one server");
        await using var database = _test.OpenAnother();
        await using var other = RunsHarness.On(database, _time);
        await _runs.SetCollectionAsync("col_1", concurrency: 1);
        await other.Workspaces.LoadAsync();
        await other.Collections.LoadAsync();
        var (first, offer) = await AcceptedAsync("rnr_1");
        var waiting = await _runs.CreateRunAsync();
        await other.Dispatch.LookAsync(Cancel);
        var poll = other.PollAsync(await _runs.RunnerAsync("rnr_2", "col_1"), 1, Long, Cancel);
        await Eventually.HoldsAsync(() => Task.FromResult(other.Dispatch.Waiting == 1), "the poll waits");
        Assert.False(poll.IsCompleted);
        await _runs.EndAsync(first, offer);
        Assert.Equal(waiting.Id, Assert.Single(await poll.WaitAsync(Deadline, Cancel)).Run);
    }

    /// <summary>Nobody looks into the queues here: the message alone can have woken it.</summary>
    [Fact]
    [Line("5.8")]
    public async Task A_run_that_is_made_or_canceled_on_one_replica_wakes_a_poll_that_waits_on_another()
    {
        Assert.SkipWhen(Kind == DatabaseKind.Sqlite, "a SQLite file belongs to one server");
        await using var database = await _test.OpenListeningAsync();
        await using var other = RunsHarness.On(database, _time);
        var (runner, offer) = await AcceptedAsync("rnr_1");

        var poll = other.PollAsync(runner, 1, Long, Cancel);
        await Eventually.HoldsAsync(() => Task.FromResult(other.Dispatch.Waiting == 1), "the poll waits");
        Assert.False(poll.IsCompleted);
        var made = await _runs.CreateRunAsync();
        Assert.Equal(made.Id, Assert.Single(await poll.WaitAsync(Deadline, Cancel)).Run);

        poll = other.PollAsync(runner, 1, Long, Cancel);
        await Eventually.HoldsAsync(() => Task.FromResult(other.Dispatch.Waiting == 1), "the poll waits");
        Assert.False(poll.IsCompleted);
        await _runs.CancelAsync(offer.Run);
        Assert.Empty(await poll.WaitAsync(Deadline, Cancel));
    }

    [Fact]
    public async Task A_lapsed_offer_gives_its_place_back_and_no_more_than_that()
    {
        await _runs.SetCollectionAsync("col_1", concurrency: 1);
        var runner = await _runs.RunnerAsync("rnr_1", "col_1");
        await _runs.CreateRunAsync();
        await _runs.CreateRunAsync();
        Assert.NotNull(await _runs.OfferAsync(runner));
        Assert.Null(await _runs.OfferAsync(runner));
        _time.Advance(TimeSpan.FromSeconds(20));
        await _runs.Sweeper.SweepAsync(Cancel);
        Assert.NotNull(await _runs.OfferAsync(runner));
        Assert.Null(await _runs.OfferAsync(runner));
    }

    [Fact]
    public async Task A_limit_that_is_raised_or_taken_away_is_felt_by_a_poll_that_waits()
    {
        await _runs.SetCollectionAsync("col_1", concurrency: 1);
        await AcceptedAsync("rnr_1");
        await _runs.CreateRunAsync();
        await _runs.CreateRunAsync();
        var second = await _runs.RunnerAsync("rnr_2", "col_1");
        var poll = _runs.PollAsync(second, 1, Long, Cancel);
        Assert.False(poll.IsCompleted);
        await _runs.SetCollectionAsync("col_1", concurrency: 2);
        Assert.Single(await poll.WaitAsync(Deadline, Cancel));
        poll = _runs.PollAsync(second, 1, Long, Cancel);
        Assert.False(poll.IsCompleted);
        await _runs.SetCollectionAsync("col_1");
        Assert.Single(await poll.WaitAsync(Deadline, Cancel));
    }

    [Fact]
    public async Task A_full_collection_does_not_hold_up_another_of_the_same_runner()
    {
        await _runs.SetCollectionAsync("col_1", concurrency: 1);
        var runner = await _runs.RunnerAsync("rnr_1", "col_1", "col_2");
        for (var i = 0; i < 5; i++)
            await _runs.CreateRunAsync("col_1");
        for (var i = 0; i < 5; i++)
            await _runs.CreateRunAsync("col_2");
        var offers = await _runs.PollAsync(runner, 6, TimeSpan.Zero, Cancel);
        Assert.Equal((1, 5), (offers.Count(o => o.Collection == "col_1"), offers.Count(o => o.Collection == "col_2")));
    }

    [Fact]
    public async Task A_paused_collection_takes_runs_in_and_offers_none_until_it_is_resumed()
    {
        await _runs.SetCollectionAsync("col_1", state: CollectionStates.Paused);
        var runner = await _runs.RunnerAsync("rnr_1", "col_1");
        var run = await _runs.CreateRunAsync();
        Assert.Null(await _runs.OfferAsync(runner));
        var poll = _runs.PollAsync(runner, 1, Long, Cancel);
        Assert.False(poll.IsCompleted);
        await _runs.SetCollectionAsync("col_1");
        Assert.Equal(run.Id, Assert.Single(await poll.WaitAsync(Deadline, Cancel)).Run);
    }

    [Fact]
    public async Task A_collection_that_is_drained_cancels_what_waits_and_lets_go_on_what_runs()
    {
        await _runs.SetCollectionAsync("col_1");
        var (runner, offer) = await AcceptedAsync("rnr_1");
        var waiting = await _runs.CreateRunAsync();
        var labelled = await _runs.CreateRunAsync(labels: ["gpu"]);
        var elsewhere = await _runs.CreateRunAsync("col_2");
        await _runs.SetCollectionAsync("col_1", state: CollectionStates.Draining);
        await _runs.Sweeper.SweepOwnTimesAsync(Cancel);
        Assert.Equal((RunStates.Canceled, RunReasons.CollectionDrained), await EndOfAsync(waiting.Id));
        Assert.Equal(RunStates.Canceled, (await _runs.GetAsync(labelled.Id)).State);
        Assert.Equal(RunStates.Queued, (await _runs.GetAsync(elsewhere.Id)).State);
        Assert.False((await _runs.EndAsync(runner, offer)).IsRefused);
        Assert.Equal(RunStates.Succeeded, (await _runs.GetAsync(offer.Run)).State);
    }

    [Fact]
    public async Task Collections_of_weight_three_and_one_get_their_shares()
    {
        var runner = await _runs.RunnerAsync("rnr_1", "col_1", "col_2");
        runner = runner with { Collections = [runner.Collections[0] with { Weight = 3 }, runner.Collections[1]] };
        for (var i = 0; i < 40; i++)
        {
            await _runs.CreateRunAsync("col_1");
            await _runs.CreateRunAsync("col_2", priority: 100);
        }
        var offered = new List<string>();
        for (var i = 0; i < 40; i++)
            offered.Add((await _runs.OfferAsync(runner))!.Collection);
        Assert.Equal((30, 10), (offered.Count(c => c == "col_1"), offered.Count(c => c == "col_2")));
        Assert.All(offered.Chunk(4), four => Assert.Contains("col_2", four));
    }
}
