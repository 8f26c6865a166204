using Lanyard.Identity;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Runs;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("2.9")]
public sealed class SqliteRunLeasesTests() : RunLeasesContract(DatabaseKind.Sqlite);

[Line("2.9")]
[Needs("postgres")]
public sealed class PostgresRunLeasesTests() : RunLeasesContract(DatabaseKind.Postgres);

/// <summary>What accepts, leases and fencing must hold to on every database.</summary>
public abstract class RunLeasesContract(DatabaseKind kind) : RunsFixture(kind)
{
    [Fact]
    public async Task A_cancelled_run_of_a_waiting_runner_has_its_poll_answered()
    {
        var (runner, offer) = await AcceptedAsync();
        var poll = Runs.PollAsync(runner, 3, TimeSpan.FromSeconds(50), Cancel);
        await Runs.CancelAsync(offer.Run);
        Assert.Empty(await poll.WaitAsync(TimeSpan.FromSeconds(120), Cancel));
        var answer = Assert.Single(await Runs.Holds.AnswerAsync(runner, [new(offer.Run, 1, "running")], Cancel));
        Assert.Equal(HoldAnswers.Cancel, answer.Answer);
    }

    [Fact]
    public async Task Of_two_runners_that_accept_only_the_one_with_the_offer_is_answered()
    {
        var mine = await Runs.RunnerAsync("rnr_1", "col_1");
        var other = await Runs.RunnerAsync("rnr_2", "col_1");
        await Runs.CreateRunAsync();
        var offer = (await Runs.OfferAsync(mine))!;
        Assert.Equal(RefusalReason.StaleAttempt, (await Runs.AcceptAsync(other, offer)).Refusal.Reason);
        Assert.False((await Runs.AcceptAsync(mine, offer)).IsRefused);
        Assert.True((await Runs.AcceptAsync(mine, offer)).Value.IsNone);
    }

    [Fact]
    public async Task Twenty_accepts_at_once_of_one_offer_change_the_run_once()
    {
        var runner = await Runs.RunnerAsync("rnr_1", "col_1");
        await Runs.CreateRunAsync();
        var offer = (await Runs.OfferAsync(runner))!;
        var changes = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Runs.AcceptAsync(runner, offer)));
        Assert.Single(changes, c => !c.Value.IsNone);
        Assert.Equal(1, (await Runs.GetAsync(offer.Run)).Accepts);
    }

    [Fact]
    public async Task Of_two_ends_with_different_outcomes_the_first_stands()
    {
        var (runner, offer) = await AcceptedAsync();
        var ends = await Task.WhenAll(Runs.EndAsync(runner, offer, RunStates.Succeeded), Runs.EndAsync(runner, offer, RunStates.Failed));
        Assert.Single(ends, e => !e.Value.IsNone);
        var state = (await Runs.GetAsync(offer.Run)).State;
        Assert.All(ends, e => Assert.Equal(state, e.Value.After.State));
    }

    [Fact]
    public async Task The_sweep_sends_a_lapsed_offer_back_under_the_next_number()
    {
        var runner = await Runs.RunnerAsync("rnr_1", "col_1");
        var run = await Runs.CreateRunAsync();
        var lapsed = (await Runs.OfferAsync(runner))!;
        Time.Advance(TimeSpan.FromSeconds(20));
        await Runs.Sweeper.SweepAsync(Cancel);
        var offer = (await Runs.OfferAsync(runner))!;
        Assert.Equal((run.Id, 2), (offer.Run, offer.Attempt));
        Assert.Equal(RefusalReason.StaleAttempt, (await Runs.AcceptAsync(runner, lapsed)).Refusal.Reason);
        var before = Assert.Single(await Runs.Queries.AttemptsAsync(run.Id, Cancel));
        Assert.Equal((1, AttemptStates.Lost, RunReasons.OfferLapsed), (before.Attempt, before.State, before.Reason));
    }

    [Fact]
    public async Task A_sweep_wakes_a_waiting_poll_with_the_run_that_came_back()
    {
        var (_, offer) = await AcceptedAsync();
        var other = await Runs.RunnerAsync("rnr_2", "col_1");
        Time.Advance(TimeSpan.FromSeconds(40));
        var poll = Runs.PollAsync(other, 1, TimeSpan.FromSeconds(50), Cancel);
        Time.Advance(TimeSpan.FromSeconds(20));
        await Runs.Sweeper.SweepAsync(Cancel);
        Assert.Equal((offer.Run, 2), Assert.Single(await poll.WaitAsync(TimeSpan.FromSeconds(120), Cancel)) is var o ? (o.Run, o.Attempt) : default);
    }

    [Fact]
    public async Task A_renewed_lease_outlives_the_first_and_a_lease_that_has_ended_can_not_be_renewed()
    {
        var (runner, offer) = await AcceptedAsync();
        var hold = new Hold(offer.Run, offer.Attempt, AttemptStates.Accepted);
        Time.Advance(TimeSpan.FromSeconds(40));
        Assert.Equal(new HoldAnswer(offer.Run, 1, HoldAnswers.Keep, 60, 600), Assert.Single(await Runs.Holds.AnswerAsync(runner, [hold], Cancel)));
        Time.Advance(TimeSpan.FromSeconds(40));
        await Runs.Sweeper.SweepAsync(Cancel);
        Assert.Equal(RunStates.Running, (await Runs.GetAsync(offer.Run)).State);
        Time.Advance(TimeSpan.FromSeconds(20));
        Assert.Equal(HoldAnswers.Abandon, Assert.Single(await Runs.Holds.AnswerAsync(runner, [hold], Cancel)).Answer);
    }

    [Fact]
    public async Task A_hold_that_is_not_the_runners_is_to_be_abandoned_and_its_owner_keeps_it()
    {
        var (_, offer) = await AcceptedAsync();
        var other = await Runs.RunnerAsync("rnr_2", "col_1");
        Hold[] holds = [new(offer.Run, offer.Attempt, AttemptStates.Running), new("run_none", 1, AttemptStates.Running), new(offer.Run, 7, AttemptStates.Running)];
        Assert.All(await Runs.Holds.AnswerAsync(other, holds, Cancel), a => Assert.Equal(HoldAnswers.Abandon, a.Answer));
        Assert.Equal("rnr_1", (await Runs.GetAsync(offer.Run)).Runner);
    }

    [Fact]
    public async Task A_newer_session_fences_the_older_at_once()
    {
        var (older, offer) = await AcceptedAsync();
        var newer = await Runs.SessionAsync(older, "second");
        Assert.Equal(RefusalReason.StaleAttempt, (await Runs.StartAsync(older, offer)).Refusal.Reason);
        Assert.Equal(RefusalReason.StaleAttempt, (await Runs.EndAsync(older, offer)).Refusal.Reason);
        await Runs.CreateRunAsync();
        Assert.Null(await Runs.OfferAsync(older));
        Assert.NotNull(await Runs.OfferAsync(newer));
    }

    [Fact]
    public async Task A_repeated_session_call_is_the_same_session()
    {
        var runner = await Runs.RunnerAsync("rnr_1", "col_1");
        Assert.Equal(runner.Session!.Session, (await Runs.SessionAsync(runner, "first")).Session!.Session);
        Assert.NotEqual(runner.Session.Session, (await Runs.SessionAsync(runner, "second")).Session!.Session);
    }

    [Fact]
    public async Task An_attempt_that_a_new_session_does_not_name_in_its_first_word_is_lost_at_once_and_one_that_it_names_goes_on()
    {
        var (runner, forgotten) = await AcceptedAsync();
        await Runs.CreateRunAsync();
        var kept = (await Runs.OfferAsync(runner))!;
        await Runs.AcceptAsync(runner, kept);
        var newer = await Runs.SessionAsync(runner, "second");
        var answers = await Runs.Holds.AnswerAsync(newer, [new(kept.Run, kept.Attempt, AttemptStates.Accepted)], Cancel);
        Assert.Equal(HoldAnswers.Keep, Assert.Single(answers).Answer);
        Assert.Equal(RunStates.Queued, (await Runs.GetAsync(forgotten.Run)).State);
        Assert.False((await Runs.StartAsync(newer, kept)).IsRefused);
    }

    [Fact]
    public async Task An_attempt_is_alive_from_its_accept_to_its_end_and_not_a_moment_longer_here()
    {
        var runner = await Runs.RunnerAsync("rnr_1", "col_1");
        await Runs.CreateRunAsync();
        var offer = (await Runs.OfferAsync(runner))!;
        Assert.False(await Runs.Liveness.IsAliveAsync(offer.Run, 1, Cancel));
        await Runs.AcceptAsync(runner, offer);
        Assert.True(await Runs.Liveness.IsAliveAsync(offer.Run, 1, Cancel));
        Assert.False(await Runs.Liveness.IsAliveAsync(offer.Run, 2, Cancel));
        Assert.False(await Runs.Liveness.IsAliveAsync("run_none", 1, Cancel));
        await Runs.EndAsync(runner, offer);
        Assert.False(await Runs.Liveness.IsAliveAsync(offer.Run, 1, Cancel));
    }

    [Fact]
    public async Task In_canceling_and_after_the_lease_an_attempt_is_dead_for_tokens()
    {
        var (runner, offer) = await AcceptedAsync();
        Assert.True(await Runs.Liveness.IsAliveAsync(offer.Run, 1, Cancel));
        Time.Advance(TimeSpan.FromSeconds(60));
        Assert.False(await Runs.Liveness.IsAliveAsync(offer.Run, 1, Cancel));
        await Runs.CreateRunAsync();
        var second = (await Runs.OfferAsync(runner))!;
        await Runs.AcceptAsync(runner, second);
        Assert.True(await Runs.Liveness.IsAliveAsync(second.Run, 1, Cancel));
        await Runs.CancelAsync(second.Run);
        Assert.False(await Runs.Liveness.IsAliveAsync(second.Run, 1, Cancel));
    }

    [Fact]
    public async Task A_server_that_starts_anew_offers_what_waited_and_knows_who_holds_what()
    {
        var (runner, offer) = await AcceptedAsync();
        var waiting = await Runs.CreateRunAsync();
        await Runs.DisposeAsync();
        await Test.ReopenAsync();
        Renew();
        await Runs.Dispatch.LookAsync(Cancel);
        Assert.Equal(waiting.Id, (await Runs.OfferAsync(runner))!.Run);
        Assert.Equal(HoldAnswers.Keep, Assert.Single(await Runs.Holds.AnswerAsync(runner, [new(offer.Run, 1, "accepted")], Cancel)).Answer);
        Assert.False((await Runs.EndAsync(runner, offer)).IsRefused);
    }
}
