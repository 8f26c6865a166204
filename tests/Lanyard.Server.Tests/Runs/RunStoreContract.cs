using System.Collections.Concurrent;
using Lanyard.Identity;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Runners;
using Lanyard.Server.Runs;
using Lanyard.Server.Storage;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("2.9")]
public sealed class SqliteRunStoreTests() : RunStoreContract(DatabaseKind.Sqlite);

[Line("2.9")]
[Needs("postgres")]
public sealed class PostgresRunStoreTests() : RunStoreContract(DatabaseKind.Postgres);

/// <summary>What offers, leases and fencing must hold to on every database.</summary>
public abstract class RunStoreContract(DatabaseKind kind) : IAsyncLifetime
{
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
    public async Task Fifty_polls_at_once_get_each_of_twenty_runs_once()
    {
        var runners = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => _runs.RunnerAsync($"rnr_{i}", "col_1")));
        for (var i = 0; i < 20; i++)
            await _runs.CreateRunAsync();
        var offers = new ConcurrentBag<OfferedRun>();
        await Task.WhenAll(runners.Select(async runner =>
        {
            for (var i = 0; i < 3; i++)
            {
                foreach (var offer in await _runs.Claims.ClaimAsync("col_1", runner.Runner.Id, runner.Session!.Session, 1 + (i % 2), _runs.Rules.Now, _runs.Rules.OfferEnd, Cancel))
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
        var runner = await _runs.RunnerAsync("rnr_1", "col_1");
        for (var i = 0; i < 10; i++)
            await _runs.CreateRunAsync();
        Assert.Equal(4, (await _runs.Claims.ClaimAsync("col_1", "rnr_1", runner.Session!.Session, 4, 1, 2, Cancel)).Count);
        Assert.Equal(6, (await _runs.Claims.ClaimAsync("col_1", "rnr_1", runner.Session.Session, 40, 1, 2, Cancel)).Count);
    }

    [Fact]
    public async Task Runs_are_offered_by_priority_and_then_by_age()
    {
        var runner = await _runs.RunnerAsync("rnr_1", "col_1");
        var old = await _runs.CreateRunAsync();
        _time.Advance(TimeSpan.FromSeconds(1));
        var young = await _runs.CreateRunAsync();
        var urgent = await _runs.CreateRunAsync(priority: 5);
        var offered = new List<string>();
        for (var i = 0; i < 3; i++)
            offered.Add((await _runs.OfferAsync(runner))!.Run);
        Assert.Equal([urgent.Id, old.Id, young.Id], offered);
    }

    [Fact]
    public async Task A_collection_with_a_thousand_runs_does_not_starve_one_with_three()
    {
        var runner = await _runs.RunnerAsync("rnr_1", "col_1", "col_2");
        for (var i = 0; i < 30; i++)
            await _runs.CreateRunAsync("col_1", priority: 100);
        for (var i = 0; i < 3; i++)
            await _runs.CreateRunAsync("col_2");
        var offers = await _runs.PollAsync(runner, 6, TimeSpan.Zero, Cancel);
        Assert.Equal(3, offers.Count(o => o.Collection == "col_2"));
        Assert.Equal(6, offers.Count);
    }

    [Fact]
    public async Task A_runner_is_offered_nothing_of_a_collection_that_it_does_not_serve()
    {
        var runner = await _runs.RunnerAsync("rnr_1", "col_1");
        await _runs.CreateRunAsync("col_2");
        Assert.Null(await _runs.OfferAsync(runner));
        await _runs.Dispatch.LookAsync(Cancel);
        Assert.Null(await _runs.OfferAsync(runner));
    }

    [Fact]
    public async Task A_runner_without_sandboxes_is_offered_work_of_one_collection_only()
    {
        var runner = await _runs.CreateRunnerAsync("rnr_1", "col_1", "col_2");
        runner = await _runs.SessionAsync(runner, "n", sandboxed: false);
        await _runs.CreateRunAsync("col_2");
        Assert.Null(await _runs.OfferAsync(runner));
        await _runs.CreateRunAsync("col_1");
        Assert.NotNull(await _runs.OfferAsync(runner));
    }

    [Fact]
    public async Task A_run_that_names_labels_or_a_runner_goes_to_no_other()
    {
        var plain = await _runs.RunnerAsync("rnr_1", "col_1");
        var gpu = await _runs.SessionAsync(await _runs.CreateRunnerAsync("rnr_2", "col_1"), "n", labels: ["gpu", "x64"]);
        var labelled = await _runs.CreateRunAsync(labels: ["gpu"]);
        var named = await _runs.CreateRunAsync(runner: "rnr_1");
        Assert.Equal(named.Id, (await _runs.OfferAsync(plain))!.Run);
        Assert.Null(await _runs.OfferAsync(plain));
        Assert.Equal(labelled.Id, (await _runs.OfferAsync(gpu))!.Run);
    }

    [Fact]
    public async Task A_waiting_poll_is_woken_by_the_commit_of_a_run()
    {
        var runner = await _runs.RunnerAsync("rnr_1", "col_1");
        var poll = _runs.PollAsync(runner, 1, TimeSpan.FromSeconds(50), Cancel);
        Assert.False(poll.IsCompleted);
        var run = await _runs.CreateRunAsync();
        Assert.Equal(run.Id, Assert.Single(await poll.WaitAsync(TimeSpan.FromSeconds(120), Cancel)).Run);
    }

    [Fact]
    public async Task A_poll_that_waits_for_nothing_ends_with_its_time()
    {
        var runner = await _runs.RunnerAsync("rnr_1", "col_1");
        var poll = _runs.PollAsync(runner, 1, TimeSpan.FromSeconds(50), Cancel);
        _time.Advance(TimeSpan.FromSeconds(50));
        Assert.Empty(await poll.WaitAsync(TimeSpan.FromSeconds(120), Cancel));
        Assert.Equal(0, _runs.Dispatch.Waiting);
    }

    [Fact]
    public async Task Each_of_many_waiting_polls_gets_one_of_as_many_runs()
    {
        var runners = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => _runs.RunnerAsync($"rnr_{i}", "col_1")));
        var polls = runners.Select(r => _runs.PollAsync(r, 1, TimeSpan.FromSeconds(50), Cancel)).ToArray();
        var runs = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => _runs.CreateRunAsync()));
        var offers = await Task.WhenAll(polls).WaitAsync(TimeSpan.FromSeconds(120), Cancel);
        Assert.Equal(runs.Select(r => r.Id).Order(), offers.Select(o => Assert.Single(o).Run).Order());
    }

    [Fact]
    public async Task A_newer_poll_of_a_runner_ends_the_older_and_an_offer_lost_with_it_is_made_again_at_once()
    {
        var runner = await _runs.RunnerAsync("rnr_1", "col_1");
        var older = _runs.PollAsync(runner, 1, TimeSpan.FromSeconds(50), Cancel);
        var newer = _runs.PollAsync(runner, 1, TimeSpan.FromSeconds(50), Cancel);
        Assert.Empty(await older.WaitAsync(TimeSpan.FromSeconds(120), Cancel));
        var run = await _runs.CreateRunAsync();
        Assert.Equal(run.Id, Assert.Single(await newer.WaitAsync(TimeSpan.FromSeconds(120), Cancel)).Run);
        var standing = Assert.Single(await _runs.Claims.StandingAsync("rnr_1", runner.Session!.Session, [], _runs.Rules.Now, Cancel));
        Assert.Equal((run.Id, 1), (standing.Run, standing.Attempt));
    }

    [Fact]
    public async Task An_offer_stands_for_every_poll_until_it_is_accepted_also_one_that_another_replica_made()
    {
        var runner = await _runs.RunnerAsync("rnr_1", "col_1");
        await using var other = RunsHarness.On(_test.Database, _time);
        Assert.Empty(await StandingAsync(runner));
        var mine = await _runs.CreateRunAsync();
        Assert.NotNull(await _runs.OfferAsync(runner));
        for (var i = 0; i < 3; i++)
            Assert.Equal(mine.Id, Assert.Single(await StandingAsync(runner)).Run);
        await _runs.AcceptAsync(runner, new OfferedRun(mine.Id, 1, mine.Workspace, mine.Collection, 0));
        _runs.OffersOut.Accepted(runner.Session!.Session, mine.Id, 1);
        Assert.Empty(await StandingAsync(runner));

        var others = await other.CreateRunAsync();
        Assert.NotNull(await other.OfferAsync(runner));
        _time.Advance(OffersOut.LookEvery);
        Assert.Equal(others.Id, Assert.Single(await StandingAsync(runner)).Run);
        Assert.True(2 * OffersOut.LookEvery < _runs.Rules.Options.Offer);
    }

    [Fact]
    public void An_offer_made_while_the_database_is_asked_is_not_forgotten()
    {
        var offers = new OffersOut(_time);
        var look = offers.Look("ses_1", [])!;
        offers.Made("ses_1", [new OfferedRun("run_1", 1, "ws_1", "col_1", 0)]);
        look.Saw([]);
        Assert.NotNull(offers.Look("ses_1", []));
        offers.Accepted("ses_1", "run_1", 1);
        Assert.Null(offers.Look("ses_1", []));
        Assert.NotNull(offers.Look("ses_2", []));
    }

    /// <summary>Who loses a race has changed nothing, and there is no reason to begin another chain.</summary>
    [Fact]
    public async Task Changes_that_come_too_late_leave_the_chain_of_events_whole()
    {
        var runs = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => _runs.CreateRunAsync()));
        var events = await CountAsync("audit_events");

        var saved = await Task.WhenAll(runs.SelectMany(run => Enumerable.Range(0, 3).Select(i =>
            _runs.Store.SaveAsync(run with { Reason = $"{i}", Version = run.Version + 1 }, RunsHarness.Created, static () => { }, Cancel))));

        Assert.Equal(10, saved.Count(static isSaved => isSaved));
        Assert.Equal(events + 10, await CountAsync("audit_events"));
        Assert.Equal(1, await CountAsync("audit_chains"));
    }

    private Task<List<OfferedRun>> StandingAsync(ActiveRunner runner) => _runs.Claims.StandingAsync("rnr_1", runner.Session!.Session, [], _runs.Rules.Now, Cancel);

    private async Task<long> CountAsync(string table) =>
        (await _runs.Database.ScalarAsync(table == "audit_events" ? (Sql)$"select count(*) from audit_events" : $"select count(*) from audit_chains", Cancel))!.Value;

    [Fact]
    public async Task A_cancelled_run_of_a_waiting_runner_has_its_poll_answered()
    {
        var (runner, offer) = await AcceptedAsync();
        var poll = _runs.PollAsync(runner, 3, TimeSpan.FromSeconds(50), Cancel);
        await _runs.CancelAsync(offer.Run);
        Assert.Empty(await poll.WaitAsync(TimeSpan.FromSeconds(120), Cancel));
        var answer = Assert.Single(await _runs.Holds.AnswerAsync(runner, [new(offer.Run, 1, "running")], Cancel));
        Assert.Equal(HoldAnswers.Cancel, answer.Answer);
    }

    [Fact]
    public async Task Of_two_runners_that_accept_only_the_one_with_the_offer_is_answered()
    {
        var mine = await _runs.RunnerAsync("rnr_1", "col_1");
        var other = await _runs.RunnerAsync("rnr_2", "col_1");
        await _runs.CreateRunAsync();
        var offer = (await _runs.OfferAsync(mine))!;
        Assert.Equal(RefusalReason.StaleAttempt, (await _runs.AcceptAsync(other, offer)).Refusal.Reason);
        Assert.False((await _runs.AcceptAsync(mine, offer)).IsRefused);
        Assert.True((await _runs.AcceptAsync(mine, offer)).Value.IsNone);
    }

    [Fact]
    public async Task Twenty_accepts_at_once_of_one_offer_change_the_run_once()
    {
        var runner = await _runs.RunnerAsync("rnr_1", "col_1");
        await _runs.CreateRunAsync();
        var offer = (await _runs.OfferAsync(runner))!;
        var changes = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => _runs.AcceptAsync(runner, offer)));
        Assert.Single(changes, c => !c.Value.IsNone);
        Assert.Equal(1, (await _runs.GetAsync(offer.Run)).Accepts);
    }

    [Fact]
    public async Task Of_two_ends_with_different_outcomes_the_first_stands()
    {
        var (runner, offer) = await AcceptedAsync();
        var ends = await Task.WhenAll(_runs.EndAsync(runner, offer, RunStates.Succeeded), _runs.EndAsync(runner, offer, RunStates.Failed));
        Assert.Single(ends, e => !e.Value.IsNone);
        var state = (await _runs.GetAsync(offer.Run)).State;
        Assert.All(ends, e => Assert.Equal(state, e.Value.After.State));
    }

    [Fact]
    public async Task The_sweep_sends_a_lapsed_offer_back_under_the_next_number()
    {
        var runner = await _runs.RunnerAsync("rnr_1", "col_1");
        var run = await _runs.CreateRunAsync();
        var lapsed = (await _runs.OfferAsync(runner))!;
        _time.Advance(TimeSpan.FromSeconds(20));
        await _runs.Sweeper.SweepAsync(Cancel);
        var offer = (await _runs.OfferAsync(runner))!;
        Assert.Equal((run.Id, 2), (offer.Run, offer.Attempt));
        Assert.Equal(RefusalReason.StaleAttempt, (await _runs.AcceptAsync(runner, lapsed)).Refusal.Reason);
        var before = Assert.Single(await _runs.Queries.AttemptsAsync(run.Id, Cancel));
        Assert.Equal((1, AttemptStates.Lost, RunReasons.OfferLapsed), (before.Attempt, before.State, before.Reason));
    }

    [Fact]
    public async Task A_sweep_wakes_a_waiting_poll_with_the_run_that_came_back()
    {
        var (_, offer) = await AcceptedAsync();
        var other = await _runs.RunnerAsync("rnr_2", "col_1");
        _time.Advance(TimeSpan.FromSeconds(40));
        var poll = _runs.PollAsync(other, 1, TimeSpan.FromSeconds(50), Cancel);
        _time.Advance(TimeSpan.FromSeconds(20));
        await _runs.Sweeper.SweepAsync(Cancel);
        Assert.Equal((offer.Run, 2), Assert.Single(await poll.WaitAsync(TimeSpan.FromSeconds(120), Cancel)) is var o ? (o.Run, o.Attempt) : default);
    }

    [Fact]
    public async Task A_renewed_lease_outlives_the_first_and_a_lease_that_has_ended_can_not_be_renewed()
    {
        var (runner, offer) = await AcceptedAsync();
        var hold = new Hold(offer.Run, offer.Attempt, AttemptStates.Accepted);
        _time.Advance(TimeSpan.FromSeconds(40));
        Assert.Equal(new HoldAnswer(offer.Run, 1, HoldAnswers.Keep, 60, 600), Assert.Single(await _runs.Holds.AnswerAsync(runner, [hold], Cancel)));
        _time.Advance(TimeSpan.FromSeconds(40));
        await _runs.Sweeper.SweepAsync(Cancel);
        Assert.Equal(RunStates.Running, (await _runs.GetAsync(offer.Run)).State);
        _time.Advance(TimeSpan.FromSeconds(20));
        Assert.Equal(HoldAnswers.Abandon, Assert.Single(await _runs.Holds.AnswerAsync(runner, [hold], Cancel)).Answer);
    }

    [Fact]
    public async Task A_hold_that_is_not_the_runners_is_to_be_abandoned_and_its_owner_keeps_it()
    {
        var (_, offer) = await AcceptedAsync();
        var other = await _runs.RunnerAsync("rnr_2", "col_1");
        Hold[] holds = [new(offer.Run, offer.Attempt, AttemptStates.Running), new("run_none", 1, AttemptStates.Running), new(offer.Run, 7, AttemptStates.Running)];
        Assert.All(await _runs.Holds.AnswerAsync(other, holds, Cancel), a => Assert.Equal(HoldAnswers.Abandon, a.Answer));
        Assert.Equal("rnr_1", (await _runs.GetAsync(offer.Run)).Runner);
    }

    [Fact]
    public async Task A_newer_session_fences_the_older_at_once()
    {
        var (older, offer) = await AcceptedAsync();
        var newer = await _runs.SessionAsync(older, "second");
        Assert.Equal(RefusalReason.StaleAttempt, (await _runs.StartAsync(older, offer)).Refusal.Reason);
        Assert.Equal(RefusalReason.StaleAttempt, (await _runs.EndAsync(older, offer)).Refusal.Reason);
        await _runs.CreateRunAsync();
        Assert.Null(await _runs.OfferAsync(older));
        Assert.NotNull(await _runs.OfferAsync(newer));
    }

    [Fact]
    public async Task A_repeated_session_call_is_the_same_session()
    {
        var runner = await _runs.RunnerAsync("rnr_1", "col_1");
        Assert.Equal(runner.Session!.Session, (await _runs.SessionAsync(runner, "first")).Session!.Session);
        Assert.NotEqual(runner.Session.Session, (await _runs.SessionAsync(runner, "second")).Session!.Session);
    }

    [Fact]
    public async Task An_attempt_that_a_new_session_does_not_name_in_its_first_word_is_lost_at_once_and_one_that_it_names_goes_on()
    {
        var (runner, forgotten) = await AcceptedAsync();
        await _runs.CreateRunAsync();
        var kept = (await _runs.OfferAsync(runner))!;
        await _runs.AcceptAsync(runner, kept);
        var newer = await _runs.SessionAsync(runner, "second");
        var answers = await _runs.Holds.AnswerAsync(newer, [new(kept.Run, kept.Attempt, AttemptStates.Accepted)], Cancel);
        Assert.Equal(HoldAnswers.Keep, Assert.Single(answers).Answer);
        Assert.Equal(RunStates.Queued, (await _runs.GetAsync(forgotten.Run)).State);
        Assert.False((await _runs.StartAsync(newer, kept)).IsRefused);
    }

    [Fact]
    public async Task An_attempt_is_alive_from_its_accept_to_its_end_and_not_a_moment_longer_here()
    {
        var runner = await _runs.RunnerAsync("rnr_1", "col_1");
        await _runs.CreateRunAsync();
        var offer = (await _runs.OfferAsync(runner))!;
        Assert.False(await _runs.Liveness.IsAliveAsync(offer.Run, 1, Cancel));
        await _runs.AcceptAsync(runner, offer);
        Assert.True(await _runs.Liveness.IsAliveAsync(offer.Run, 1, Cancel));
        Assert.False(await _runs.Liveness.IsAliveAsync(offer.Run, 2, Cancel));
        Assert.False(await _runs.Liveness.IsAliveAsync("run_none", 1, Cancel));
        await _runs.EndAsync(runner, offer);
        Assert.False(await _runs.Liveness.IsAliveAsync(offer.Run, 1, Cancel));
    }

    [Fact]
    public async Task In_canceling_and_after_the_lease_an_attempt_is_dead_for_tokens()
    {
        var (runner, offer) = await AcceptedAsync();
        Assert.True(await _runs.Liveness.IsAliveAsync(offer.Run, 1, Cancel));
        _time.Advance(TimeSpan.FromSeconds(60));
        Assert.False(await _runs.Liveness.IsAliveAsync(offer.Run, 1, Cancel));
        await _runs.CreateRunAsync();
        var second = (await _runs.OfferAsync(runner))!;
        await _runs.AcceptAsync(runner, second);
        Assert.True(await _runs.Liveness.IsAliveAsync(second.Run, 1, Cancel));
        await _runs.CancelAsync(second.Run);
        Assert.False(await _runs.Liveness.IsAliveAsync(second.Run, 1, Cancel));
    }

    [Fact]
    public async Task A_second_run_with_the_same_idempotency_text_is_not_made()
    {
        var run = Samples.Queued(_time, "run_a");
        Assert.True(await _runs.Store.InsertAsync(run, ("def_1", "build"), 0, "{}", "key", "hash", RunsHarness.Created, static () => { }, Cancel));
        Assert.False(await _runs.Store.InsertAsync(run with { Id = "run_b" }, ("def_1", "build"), 0, "{}", "key", "hash", RunsHarness.Created, static () => { }, Cancel));
        Assert.True(await _runs.Store.InsertAsync(run with { Id = "run_c", Collection = "col_2" }, ("def_1", "build"), 0, "{}", "key", "hash", RunsHarness.Created, static () => { }, Cancel));
        Assert.Equal("run_a", (await _runs.Queries.FindByIdempotencyAsync("col_1", "key", Cancel))!.Run);
        Assert.Null(await _runs.Store.FindAsync("run_b", Cancel));
    }

    [Fact]
    public async Task A_step_that_is_over_stays_over()
    {
        var run = await _runs.CreateRunAsync();
        await _runs.Store.PutStepAsync(run.Id, 1, 0, "running", null, null, 10, Cancel);
        await _runs.Store.PutStepAsync(run.Id, 1, 0, "failed", 3, null, 20, Cancel);
        await _runs.Store.PutStepAsync(run.Id, 1, 0, "succeeded", 0, null, 30, Cancel);
        Assert.Equal(new StepRecord(1, 0, "failed", 3, null, 10, 20), Assert.Single(await _runs.Queries.StepsAsync(run.Id, Cancel)));
    }

    [Fact]
    public async Task The_slow_poll_finds_every_queue_that_has_a_run()
    {
        foreach (var collection in (string[])["col_3", "col_1", "col_2", "col_1"])
            await _runs.CreateRunAsync(collection);
        await _runs.CreateRunAsync("col_1", labels: ["gpu"]);
        Assert.Equal(["col_1", "col_1||gpu", "col_2", "col_3"], (await _runs.Claims.WaitingQueuesAsync(Cancel)).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_server_that_starts_anew_offers_what_waited_and_knows_who_holds_what()
    {
        var (runner, offer) = await AcceptedAsync();
        var waiting = await _runs.CreateRunAsync();
        await _runs.DisposeAsync();
        await _test.ReopenAsync();
        _runs = RunsHarness.On(_test.Database, _time);
        await _runs.Dispatch.LookAsync(Cancel);
        Assert.Equal(waiting.Id, (await _runs.OfferAsync(runner))!.Run);
        Assert.Equal(HoldAnswers.Keep, Assert.Single(await _runs.Holds.AnswerAsync(runner, [new(offer.Run, 1, "accepted")], Cancel)).Answer);
        Assert.False((await _runs.EndAsync(runner, offer)).IsRefused);
    }

    private async Task<(Lanyard.Server.Runners.ActiveRunner Runner, OfferedRun Offer)> AcceptedAsync()
    {
        var runner = await _runs.RunnerAsync("rnr_1", "col_1");
        await _runs.CreateRunAsync();
        var offer = (await _runs.OfferAsync(runner))!;
        await _runs.AcceptAsync(runner, offer);
        return (runner, offer);
    }
}
