using Lanyard.Identity;
using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Runners;
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

/// <summary>Limits, states, ephemeral runners and times in queues, on every database.</summary>
public abstract class DispatchContract(DatabaseKind kind) : IAsyncLifetime
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(50);
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(120);
    private readonly ManualTime _time = new();
    private TestDatabase _test = null!;
    private RunsHarness _runs = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _test = await TestDatabase.CreateAsync(kind);
        _runs = RunsHarness.On(_test.Database, _time);
    }

    public async ValueTask DisposeAsync()
    {
        if (_test is not null)
        {
            await _runs.DisposeAsync();
            await _test.DisposeAsync();
        }
        GC.SuppressFinalize(this);
    }

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
        Assert.SkipWhen(kind == DatabaseKind.Sqlite, "a SQLite file belongs to one server");
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
        Assert.SkipWhen(kind == DatabaseKind.Sqlite, "a SQLite file belongs to one server");
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
    public async Task A_runner_that_hides_what_it_holds_gets_no_more_than_its_limit()
    {
        var runner = await _runs.RunnerAsync("rnr_1", "col_1") with { Concurrency = 2 };
        for (var i = 0; i < 6; i++)
            await _runs.CreateRunAsync();
        var offers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => _runs.PollAsync(runner, 3, TimeSpan.Zero, Cancel)));
        Assert.Equal(2, offers.Sum(o => o.Count));
        var other = await _runs.RunnerAsync("rnr_2", "col_1");
        Assert.NotNull(await _runs.OfferAsync(other));
    }

    [Fact]
    public async Task A_cordoned_runner_takes_runs_that_name_it_and_no_other()
    {
        var runner = await _runs.RunnerAsync("rnr_1", "col_1") with { State = RunnerStates.Cordoned };
        await _runs.CreateRunAsync();
        Assert.Null(await _runs.OfferAsync(runner));
        var poll = _runs.PollAsync(runner, 1, Long, Cancel);
        await _runs.CreateRunAsync();
        Assert.False(poll.IsCompleted);
        var named = await _runs.CreateRunAsync(runner: "rnr_1");
        Assert.Equal(named.Id, Assert.Single(await poll.WaitAsync(Deadline, Cancel)).Run);
        Assert.NotNull(await _runs.OfferAsync(await _runs.RunnerAsync("rnr_2", "col_1")));
    }

    [Fact]
    public async Task A_change_of_a_runner_has_its_waiting_poll_answered()
    {
        var runner = await _runs.RunnerAsync("rnr_1", "col_1");
        var poll = _runs.PollAsync(runner, 1, Long, Cancel);
        _runs.Directory.Rewritten("rnr_1");
        Assert.Empty(await poll.WaitAsync(Deadline, Cancel));
    }

    [Fact]
    public async Task An_ephemeral_runner_gets_one_run_however_often_it_asks_and_is_gone_a_minute_after_its_end()
    {
        var runner = await _runs.RunnerAsync("rnr_1", "col_1") with { IsEphemeral = true };
        for (var i = 0; i < 4; i++)
            await _runs.CreateRunAsync();
        var offers = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => _runs.PollAsync(runner, 3, TimeSpan.Zero, Cancel)));
        var offer = Assert.Single(offers.SelectMany(o => o));
        await _runs.AcceptAsync(runner, offer);
        await _runs.EndAsync(runner, offer);
        Assert.Null(await _runs.OfferAsync(runner));
        await _runs.Ephemeral.RemoveSpentAsync(Cancel);
        Assert.NotNull(await _runs.Runners.FindAsync("rnr_1", Cancel));
        _time.Advance(EphemeralRunners.Linger);
        await _runs.Ephemeral.RemoveSpentAsync(Cancel);
        Assert.Null(await _runs.Runners.FindAsync("rnr_1", Cancel));
        Assert.Equal(RunStates.Succeeded, (await _runs.GetAsync(offer.Run)).State);
    }

    [Fact]
    public async Task An_offer_that_an_ephemeral_runner_let_lapse_was_not_its_one_run_and_an_attempt_that_it_lost_was()
    {
        var runner = await _runs.RunnerAsync("rnr_1", "col_1") with { IsEphemeral = true };
        await _runs.CreateRunAsync();
        await _runs.OfferAsync(runner);
        _time.Advance(TimeSpan.FromSeconds(20));
        await _runs.Sweeper.SweepAsync(Cancel);
        await _runs.Ephemeral.RemoveSpentAsync(Cancel);
        var offer = (await _runs.OfferAsync(runner))!;
        await _runs.AcceptAsync(runner, offer);
        _time.Advance(TimeSpan.FromSeconds(60));
        await _runs.Sweeper.SweepAsync(Cancel);
        Assert.Null(await _runs.OfferAsync(runner));
        var next = (await _runs.OfferAsync(await _runs.RunnerAsync("rnr_2", "col_1")))!;
        Assert.Equal((offer.Run, 3), (next.Run, next.Attempt));
        _time.Advance(EphemeralRunners.Linger);
        await _runs.Ephemeral.RemoveSpentAsync(Cancel);
        Assert.Null(await _runs.Runners.FindAsync("rnr_1", Cancel));
    }

    [Fact]
    public async Task A_run_gives_up_waiting_after_the_time_of_its_definition_and_counts_anew_when_it_comes_back()
    {
        var hasty = await _runs.CreateRunAsync(terms: new(QueueSeconds: 30));
        var patient = await _runs.CreateRunAsync("col_2");
        var (runner, offer) = await AcceptedAsync("rnr_1");
        Assert.Equal(hasty.Id, offer.Run);
        _time.Advance(TimeSpan.FromSeconds(61));
        await _runs.Sweeper.SweepAsync(Cancel);
        await _runs.Sweeper.SweepOwnTimesAsync(Cancel);
        Assert.Equal(RunStates.Queued, (await _runs.GetAsync(hasty.Id)).State);
        _time.Advance(TimeSpan.FromSeconds(30));
        await _runs.Sweeper.SweepOwnTimesAsync(Cancel);
        Assert.Equal((RunStates.TimedOut, RunReasons.QueueExpired), await EndOfAsync(hasty.Id));
        Assert.Null(await _runs.OfferAsync(runner));
        Assert.Equal(RunStates.Queued, (await _runs.GetAsync(patient.Id)).State);
    }

    [Fact]
    public async Task The_servers_own_time_in_queues_does_not_touch_a_run_with_a_longer_one()
    {
        var patient = await _runs.CreateRunAsync(terms: new(QueueSeconds: 10 * 86_400));
        var ordinary = await _runs.CreateRunAsync();
        _time.Advance(TimeSpan.FromDays(2));
        await _runs.Sweeper.SweepQueuesAsync(Cancel);
        await _runs.Sweeper.SweepOwnTimesAsync(Cancel);
        Assert.Equal(RunStates.Queued, (await _runs.GetAsync(patient.Id)).State);
        Assert.Equal(RunStates.TimedOut, (await _runs.GetAsync(ordinary.Id)).State);
    }

    [Fact]
    public async Task A_failed_attempt_is_tried_again_where_the_definition_says_so_and_its_log_stays_with_its_number()
    {
        var run = await _runs.CreateRunAsync(terms: new(Attempts: 2, Retry: RetryCauses.Failed));
        var runner = await _runs.RunnerAsync("rnr_1", "col_1");
        foreach (var attempt in (int[])[1, 2])
        {
            var offer = (await _runs.OfferAsync(runner))!;
            Assert.Equal((run.Id, attempt), (offer.Run, offer.Attempt));
            await _runs.AcceptAsync(runner, offer);
            await _runs.StartAsync(runner, offer);
            await _runs.EndAsync(runner, offer, RunStates.Failed);
        }
        Assert.Equal(RunStates.Failed, (await _runs.GetAsync(run.Id)).State);
        Assert.Null(await _runs.OfferAsync(runner));
        Assert.Equal((1, "failed"), Assert.Single(await _runs.Queries.AttemptsAsync(run.Id, Cancel)) is var a ? (a.Attempt, a.Outcome) : default);
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

    private async Task<long?> LiveAsync(string collection) =>
        await _test.Database.ScalarAsync($"select count(*) from runs where collection = {collection} and live", Cancel);

    private async Task<(string State, string? Reason)> EndOfAsync(string run) => await _runs.GetAsync(run) is var row ? (row.State, row.Reason) : default;

    private async Task<(ActiveRunner Runner, OfferedRun Offer)> AcceptedAsync(string id)
    {
        var runner = await _runs.RunnerAsync(id, "col_1");
        if (await _runs.OfferAsync(runner) is not { } offer)
        {
            await _runs.CreateRunAsync();
            offer = (await _runs.OfferAsync(runner))!;
        }
        await _runs.AcceptAsync(runner, offer);
        return (runner, offer);
    }
}
