using System.Collections.Concurrent;
using Lanyard.Server.Runners;
using Lanyard.Server.Runs;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("2.9")]
public sealed class SqliteRunOffersTests() : RunOffersContract(DatabaseKind.Sqlite);

[Line("2.9")]
[Needs("postgres")]
public sealed class PostgresRunOffersTests() : RunOffersContract(DatabaseKind.Postgres);

/// <summary>Who is offered what, and when, on every database.</summary>
public abstract class RunOffersContract(DatabaseKind kind) : RunsFixture(kind)
{
    [Fact]
    public async Task Fifty_polls_at_once_get_each_of_twenty_runs_once()
    {
        var runners = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => Runs.RunnerAsync($"rnr_{i}", "col_1")));
        for (var i = 0; i < 20; i++)
            await Runs.CreateRunAsync();
        var offers = new ConcurrentBag<OfferedRun>();
        await Task.WhenAll(runners.Select(async runner =>
        {
            for (var i = 0; i < 3; i++)
            {
                foreach (var offer in await Runs.Claims.ClaimAsync("col_1", runner.Runner.Id, runner.Session!.Session, 1 + (i % 2), Runs.Rules.Now, Runs.Rules.OfferEnd, Cancel))
                    offers.Add(offer);
            }
        }));
        Assert.Equal(20, offers.Count);
        Assert.Equal(20, offers.Select(o => o.Run).Distinct().Count());
        Assert.All(offers, o => Assert.Equal(1, o.Attempt));
    }

    [Fact]
    public async Task A_batch_takes_no_more_than_it_asked_for()
    {
        var runner = await Runs.RunnerAsync("rnr_1", "col_1");
        for (var i = 0; i < 10; i++)
            await Runs.CreateRunAsync();
        Assert.Equal(4, (await Runs.Claims.ClaimAsync("col_1", "rnr_1", runner.Session!.Session, 4, 1, 2, Cancel)).Count);
        Assert.Equal(6, (await Runs.Claims.ClaimAsync("col_1", "rnr_1", runner.Session.Session, 40, 1, 2, Cancel)).Count);
    }

    [Fact]
    [Line("5.5")]
    public async Task Runs_are_offered_by_priority_and_then_by_age()
    {
        var runner = await Runs.RunnerAsync("rnr_1", "col_1");
        var old = await Runs.CreateRunAsync();
        Time.Advance(TimeSpan.FromSeconds(1));
        var young = await Runs.CreateRunAsync();
        var urgent = await Runs.CreateRunAsync(priority: 5);
        var offered = new List<string>();
        for (var i = 0; i < 3; i++)
            offered.Add((await Runs.OfferAsync(runner))!.Run);
        Assert.Equal([urgent.Id, old.Id, young.Id], offered);
    }

    [Fact]
    public async Task A_collection_with_a_thousand_runs_does_not_starve_one_with_three()
    {
        var runner = await Runs.RunnerAsync("rnr_1", "col_1", "col_2");
        for (var i = 0; i < 30; i++)
            await Runs.CreateRunAsync("col_1", priority: 100);
        for (var i = 0; i < 3; i++)
            await Runs.CreateRunAsync("col_2");
        var offers = await Runs.PollAsync(runner, 6, TimeSpan.Zero, Cancel);
        Assert.Equal(3, offers.Count(o => o.Collection == "col_2"));
        Assert.Equal(6, offers.Count);
    }

    [Fact]
    public async Task A_runner_is_offered_nothing_of_a_collection_that_it_does_not_serve()
    {
        var runner = await Runs.RunnerAsync("rnr_1", "col_1");
        await Runs.CreateRunAsync("col_2");
        Assert.Null(await Runs.OfferAsync(runner));
        await Runs.Dispatch.LookAsync(Cancel);
        Assert.Null(await Runs.OfferAsync(runner));
    }

    [Fact]
    public async Task A_runner_without_sandboxes_is_offered_work_of_one_collection_only()
    {
        var runner = await Runs.CreateRunnerAsync("rnr_1", "col_1", "col_2");
        runner = await Runs.SessionAsync(runner, "n", sandboxed: false);
        await Runs.CreateRunAsync("col_2");
        Assert.Null(await Runs.OfferAsync(runner));
        await Runs.CreateRunAsync("col_1");
        Assert.NotNull(await Runs.OfferAsync(runner));
    }

    [Fact]
    public async Task A_run_that_names_labels_or_a_runner_goes_to_no_other()
    {
        var plain = await Runs.RunnerAsync("rnr_1", "col_1");
        var gpu = await Runs.SessionAsync(await Runs.CreateRunnerAsync("rnr_2", "col_1"), "n", labels: ["gpu", "x64"]);
        var labelled = await Runs.CreateRunAsync(labels: ["gpu"]);
        var named = await Runs.CreateRunAsync(runner: "rnr_1");
        Assert.Equal(named.Id, (await Runs.OfferAsync(plain))!.Run);
        Assert.Null(await Runs.OfferAsync(plain));
        Assert.Equal(labelled.Id, (await Runs.OfferAsync(gpu))!.Run);
    }

    [Fact]
    public async Task A_waiting_poll_is_woken_by_the_commit_of_a_run()
    {
        var runner = await Runs.RunnerAsync("rnr_1", "col_1");
        var poll = Runs.PollAsync(runner, 1, TimeSpan.FromSeconds(50), Cancel);
        Assert.False(poll.IsCompleted);
        var run = await Runs.CreateRunAsync();
        Assert.Equal(run.Id, Assert.Single(await poll.WaitAsync(TimeSpan.FromSeconds(120), Cancel)).Run);
    }

    [Fact]
    public async Task A_poll_that_waits_for_nothing_ends_with_its_time()
    {
        var runner = await Runs.RunnerAsync("rnr_1", "col_1");
        var poll = Runs.PollAsync(runner, 1, TimeSpan.FromSeconds(50), Cancel);
        Time.Advance(TimeSpan.FromSeconds(50));
        Assert.Empty(await poll.WaitAsync(TimeSpan.FromSeconds(120), Cancel));
        Assert.Equal(0, Runs.Dispatch.Waiting);
    }

    [Fact]
    public async Task Each_of_many_waiting_polls_gets_one_of_as_many_runs()
    {
        var runners = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => Runs.RunnerAsync($"rnr_{i}", "col_1")));
        var polls = runners.Select(r => Runs.PollAsync(r, 1, TimeSpan.FromSeconds(50), Cancel)).ToArray();
        var runs = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Runs.CreateRunAsync()));
        var offers = await Task.WhenAll(polls).WaitAsync(TimeSpan.FromSeconds(120), Cancel);
        Assert.Equal(runs.Select(r => r.Id).Order(), offers.Select(o => Assert.Single(o).Run).Order());
    }

    [Fact]
    public async Task A_newer_poll_of_a_runner_ends_the_older_and_an_offer_lost_with_it_is_made_again_at_once()
    {
        var runner = await Runs.RunnerAsync("rnr_1", "col_1");
        var older = Runs.PollAsync(runner, 1, TimeSpan.FromSeconds(50), Cancel);
        var newer = Runs.PollAsync(runner, 1, TimeSpan.FromSeconds(50), Cancel);
        Assert.Empty(await older.WaitAsync(TimeSpan.FromSeconds(120), Cancel));
        var run = await Runs.CreateRunAsync();
        Assert.Equal(run.Id, Assert.Single(await newer.WaitAsync(TimeSpan.FromSeconds(120), Cancel)).Run);
        var standing = Assert.Single(await Runs.Claims.StandingAsync("rnr_1", runner.Session!.Session, [], Runs.Rules.Now, Cancel));
        Assert.Equal((run.Id, 1), (standing.Run, standing.Attempt));
    }

    [Fact]
    public async Task An_offer_stands_for_every_poll_until_it_is_accepted_also_one_that_another_replica_made()
    {
        var runner = await Runs.RunnerAsync("rnr_1", "col_1");
        await using var other = RunsHarness.On(Test.Database, Time);
        Assert.Empty(await StandingAsync(runner));
        var mine = await Runs.CreateRunAsync();
        Assert.NotNull(await Runs.OfferAsync(runner));
        for (var i = 0; i < 3; i++)
            Assert.Equal(mine.Id, Assert.Single(await StandingAsync(runner)).Run);
        await Runs.AcceptAsync(runner, new OfferedRun(mine.Id, 1, mine.Workspace, mine.Collection, 0));
        Runs.OffersOut.Accepted(runner.Session!.Session, mine.Id, 1);
        Assert.Empty(await StandingAsync(runner));

        var others = await other.CreateRunAsync();
        Assert.NotNull(await other.OfferAsync(runner));
        Time.Advance(OffersOut.LookEvery);
        Assert.Equal(others.Id, Assert.Single(await StandingAsync(runner)).Run);
        Assert.True(2 * OffersOut.LookEvery < Runs.Rules.Options.Offer);
    }

    [Fact]
    public void An_offer_made_while_the_database_is_asked_is_not_forgotten()
    {
        var offers = new OffersOut(Time);
        var look = offers.Look("ses_1", [])!;
        offers.Made("ses_1", [new OfferedRun("run_1", 1, "ws_1", "col_1", 0)]);
        look.Saw([]);
        Assert.NotNull(offers.Look("ses_1", []));
        offers.Accepted("ses_1", "run_1", 1);
        Assert.Null(offers.Look("ses_1", []));
        Assert.NotNull(offers.Look("ses_2", []));
    }

    private Task<List<OfferedRun>> StandingAsync(ActiveRunner runner) => Runs.Claims.StandingAsync("rnr_1", runner.Session!.Session, [], Runs.Rules.Now, Cancel);
}
