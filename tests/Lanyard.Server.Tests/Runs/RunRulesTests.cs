using Lanyard.Identity;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Runs;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("2.9")]
public sealed class RunRulesTests
{
    private static readonly AttemptCall Mine = new("rnr_1", "ses_1", 1);
    private readonly ManualTime _time = new();
    private readonly RunRules _rules;

    public RunRulesTests() => _rules = new RunRules(new RunsOptions(), _time);

    [Fact]
    public void An_offer_is_accepted_started_and_ended()
    {
        var run = _rules.Accept(Offered(), Mine).Value;
        Assert.Equal((RunStates.Running, AttemptStates.Accepted), (run.State, run.AttemptState));
        run = _rules.Start(run, Mine).Value;
        Assert.Equal(AttemptStates.Running, run.AttemptState);
        run = _rules.End(run, Mine, Ended("succeeded")).Value;
        Assert.Equal((RunStates.Succeeded, AttemptStates.Ended), (run.State, run.AttemptState));
        Assert.False(run.IsLive);
    }

    [Fact]
    public void An_accept_is_repeated_by_the_same_session_and_changes_nothing_the_second_time()
    {
        var run = _rules.Accept(Offered(), Mine).Value;
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.Same(run, _rules.Accept(run, Mine).Value);
    }

    [Theory]
    [InlineData("rnr_1", "ses_2", 1)]
    [InlineData("rnr_2", "ses_1", 1)]
    [InlineData("rnr_1", "ses_1", 2)]
    [InlineData("rnr_1", "ses_1", 0)]
    public void A_call_of_another_session_runner_or_attempt_is_stale(string runner, string session, int attempt)
    {
        var call = new AttemptCall(runner, session, attempt);
        var held = _rules.Accept(Offered(), Mine).Value;
        Assert.Equal(RefusalReason.StaleAttempt, _rules.Accept(Offered(), call).Refusal.Reason);
        Assert.Equal(RefusalReason.StaleAttempt, _rules.Start(held, call).Refusal.Reason);
        Assert.Equal(RefusalReason.StaleAttempt, _rules.End(held, call, Ended("succeeded")).Refusal.Reason);
    }

    [Fact]
    public void An_offer_that_was_not_accepted_can_be_neither_started_nor_ended()
    {
        Assert.Equal(RefusalReason.StaleAttempt, _rules.Start(Offered(), Mine).Refusal.Reason);
        Assert.Equal(RefusalReason.StaleAttempt, _rules.End(Offered(), Mine, Ended("succeeded")).Refusal.Reason);
    }

    [Fact]
    public void An_offer_lapses_after_twenty_seconds_and_can_then_not_be_accepted_even_before_the_sweep()
    {
        var run = Offered();
        _time.Advance(TimeSpan.FromSeconds(19.9));
        Assert.Same(run, _rules.Expire(run));
        _time.Advance(TimeSpan.FromSeconds(0.1));
        Assert.Equal(RefusalReason.StaleAttempt, _rules.Accept(run, Mine).Refusal.Reason);
        var lapsed = _rules.Expire(run);
        Assert.Equal((RunStates.Queued, AttemptStates.Lost, RunReasons.OfferLapsed), (lapsed.State, lapsed.AttemptState, lapsed.Reason));
        Assert.True(lapsed.IsWaiting);
        Assert.Equal(0, lapsed.Accepts);
    }

    [Fact]
    public void A_lost_attempt_sends_its_run_back_until_the_third_is_lost()
    {
        var run = Offered();
        for (var attempt = 1; attempt <= 3; attempt++)
        {
            run = Offered(run, attempt);
            run = _rules.Accept(run, Mine with { Attempt = attempt }).Value;
            run = _rules.Start(run, Mine with { Attempt = attempt }).Value;
            _time.Advance(TimeSpan.FromSeconds(60));
            run = _rules.Expire(run);
            Assert.Equal(AttemptStates.Lost, run.AttemptState);
            Assert.Equal(attempt < 3 ? RunStates.Queued : RunStates.Failed, run.State);
        }
        Assert.Equal(RunReasons.AttemptsExhausted, run.Reason);
    }

    [Fact]
    public void An_attempt_that_began_apply_is_never_retried()
    {
        var run = _rules.Start(_rules.Accept(Offered() with { Phase = "apply" }, Mine).Value, Mine).Value;
        _time.Advance(TimeSpan.FromMinutes(2));
        run = _rules.Expire(run);
        Assert.Equal((RunStates.Failed, RunReasons.LostInApply), (run.State, run.Reason));
    }

    [Fact]
    public void An_apply_that_was_accepted_but_never_started_is_retried()
    {
        var run = _rules.Accept(Offered() with { Phase = "apply" }, Mine).Value;
        _time.Advance(TimeSpan.FromMinutes(2));
        Assert.True(_rules.Expire(run).IsWaiting);
    }

    [Fact]
    public void A_runner_that_never_accepts_can_not_keep_a_run_for_ever()
    {
        var run = Offered();
        var offers = 1;
        for (; !run.IsFinal && offers < 1000; offers++)
        {
            _time.Advance(TimeSpan.FromSeconds(20));
            run = _rules.Expire(run);
            if (run.IsWaiting)
                run = Offered(run, run.Attempt + 1);
        }
        Assert.Equal((RunStates.Failed, RunReasons.NeverAccepted), (run.State, run.Reason));
        Assert.Equal(20, run.Attempt);
    }

    [Fact]
    public void A_run_that_nobody_takes_times_out()
    {
        var run = Queued();
        _time.Advance(TimeSpan.FromHours(24));
        run = _rules.Expire(run);
        Assert.Equal((RunStates.TimedOut, RunReasons.QueueExpired), (run.State, run.Reason));
    }

    [Fact]
    public void A_second_end_answers_as_the_first_and_changes_nothing()
    {
        var run = _rules.End(_rules.Accept(Offered(), Mine).Value, Mine, Ended("succeeded")).Value;
        Assert.Same(run, _rules.End(run, Mine, Ended("failed")).Value);
    }

    [Fact]
    public void After_the_end_every_other_call_learns_that_the_attempt_is_over()
    {
        var run = _rules.End(_rules.Accept(Offered(), Mine).Value, Mine, Ended("succeeded")).Value;
        Assert.Equal(RefusalReason.AttemptOver, _rules.Accept(run, Mine).Refusal.Reason);
        Assert.Equal(RefusalReason.AttemptOver, _rules.Start(run, Mine).Refusal.Reason);
        Assert.Equal(RefusalReason.AttemptOver, RunRules.Hold(run, Mine)!.Reason);
    }

    [Fact]
    public void A_lost_attempt_can_not_be_ended()
    {
        var run = _rules.Accept(Offered(), Mine).Value;
        _time.Advance(TimeSpan.FromMinutes(2));
        Assert.Equal(RefusalReason.AttemptOver, _rules.End(_rules.Expire(run), Mine, Ended("succeeded")).Refusal.Reason);
    }

    [Fact]
    public void Canceling_lasts_until_the_runner_says_that_the_process_is_dead()
    {
        var run = _rules.Cancel(_rules.Start(_rules.Accept(Offered(), Mine).Value, Mine).Value);
        Assert.Equal((RunStates.Running, AttemptStates.Canceling), (run.State, run.AttemptState));
        Assert.Same(run, _rules.Cancel(run));
        Assert.Same(run, _rules.Start(run, Mine).Value);
        run = _rules.End(run, Mine, Ended("canceled")).Value;
        Assert.Equal(RunStates.Canceled, run.State);
    }

    [Fact]
    public void A_runner_that_renews_but_does_not_stop_is_ended_by_the_server()
    {
        var run = _rules.Cancel(_rules.Start(_rules.Accept(Offered(), Mine).Value, Mine).Value);
        _time.Advance(TimeSpan.FromSeconds(70));
        run = _rules.Expire(run with { Deadline = _rules.LeaseEnd });
        Assert.Equal((RunStates.Canceled, AttemptStates.Lost), (run.State, run.AttemptState));
    }

    [Fact]
    public void An_attempt_beyond_its_time_is_ended_by_the_server_even_while_its_lease_is_renewed()
    {
        var run = _rules.Start(_rules.Accept(Offered(), Mine).Value, Mine).Value;
        _time.Advance(TimeSpan.FromSeconds(600 + 70));
        run = _rules.Expire(run with { Deadline = _rules.LeaseEnd });
        Assert.Equal((RunStates.TimedOut, RunReasons.StopOverdue), (run.State, run.Reason));
    }

    [Fact]
    [Line("5.1")]
    [Line("5.5")]
    public void The_time_of_an_attempt_is_its_steps_and_what_a_pod_took_to_come_up_is_not_taken_from_it()
    {
        var run = _rules.Accept(Offered(), Mine).Value;
        _time.Advance(TimeSpan.FromMinutes(20));
        Assert.Same(run = run with { Deadline = _rules.LeaseEnd }, _rules.Expire(run));
        run = _rules.Start(run, Mine).Value;
        _time.Advance(TimeSpan.FromSeconds(600));
        Assert.Same(run = run with { Deadline = _rules.LeaseEnd }, _rules.Expire(run));
        _time.Advance(TimeSpan.FromSeconds(70));
        Assert.Equal(RunReasons.StopOverdue, _rules.Expire(run with { Deadline = _rules.LeaseEnd }).Reason);
    }

    [Fact]
    public void An_attempt_that_never_begins_is_ended_by_the_server_all_the_same()
    {
        var run = _rules.Accept(Offered(), Mine).Value;
        _time.Advance(TimeSpan.FromMinutes(60) + TimeSpan.FromSeconds(600 + 70));
        Assert.Equal((RunStates.TimedOut, RunReasons.StopOverdue), _rules.Expire(run with { Deadline = _rules.LeaseEnd }) is var ended ? (ended.State, ended.Reason) : default);
    }

    [Fact]
    public void A_run_that_waits_or_is_only_offered_is_canceled_at_once()
    {
        Assert.Equal(RunStates.Canceled, _rules.Cancel(Queued()).State);
        var withdrawn = _rules.Cancel(Offered());
        Assert.Equal((RunStates.Canceled, AttemptStates.Lost), (withdrawn.State, withdrawn.AttemptState));
        Assert.True(_rules.Accept(withdrawn, Mine).IsRefused);
    }

    [Fact]
    public void A_canceled_run_whose_attempt_is_lost_is_not_retried()
    {
        var run = _rules.Cancel(_rules.Accept(Offered(), Mine).Value);
        Assert.Equal(RunStates.Canceled, _rules.Lose(run, RunReasons.LeaseExpired).State);
    }

    [Fact]
    public void A_runner_error_before_the_first_step_sends_the_run_to_another_runner_and_after_it_fails_the_run()
    {
        var accepted = _rules.Accept(Offered(), Mine).Value;
        var back = _rules.End(accepted, Mine, Ended(AttemptOutcomes.RunnerError)).Value;
        Assert.True(back.IsWaiting);
        Assert.Same(back, _rules.End(back, Mine, Ended(AttemptOutcomes.RunnerError)).Value);
        var started = _rules.Start(accepted, Mine).Value;
        Assert.Equal(RunStates.Failed, _rules.End(started, Mine, Ended(AttemptOutcomes.RunnerError)).Value.State);
    }

    [Fact]
    public void A_finished_run_never_changes_again()
    {
        var run = _rules.End(_rules.Accept(Offered(), Mine).Value, Mine, Ended("failed")).Value;
        _time.Advance(TimeSpan.FromDays(30));
        Assert.Same(run, _rules.Cancel(run));
        Assert.Same(run, _rules.Expire(run));
        Assert.Same(run, _rules.Lose(run, RunReasons.NotHeld));
    }

    private RunRecord Queued() => Samples.Queued(_time);

    private RunRecord Offered() => Offered(Queued(), 1);

    private RunRecord Offered(RunRecord run, int attempt) => Samples.Offered(run, "rnr_1", "ses_1", attempt, _rules.OfferEnd);

    private static AttemptEnd Ended(string outcome) => new(outcome, null, 0, null, true);
}
