using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Collections;
using Lanyard.Server.Runs;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

/// <summary>What a definition says about trying again, by cause, and where it is not asked.</summary>
[Line("5.5")]
public sealed class RetryRulesTests
{
    private static readonly AttemptCall Mine = new("rnr_1", "ses_1", 1);
    private readonly ManualTime _time = new();
    private readonly RunRules _rules;

    public RetryRulesTests() => _rules = new RunRules(new RunsOptions(), _time);

    [Theory]
    [InlineData(null, "lost", "queued")]
    [InlineData(null, "runner_error", "failed")]
    [InlineData(null, "failed", "failed")]
    [InlineData(null, "timed_out", "timed_out")]
    [InlineData("failed", "failed", "queued")]
    [InlineData("failed", "lost", "failed")]
    [InlineData("failed", "timed_out", "timed_out")]
    [InlineData("timed_out", "timed_out", "queued")]
    [InlineData("runner_error", "runner_error", "queued")]
    [InlineData("lost", "runner_error", "failed")]
    [InlineData("", "lost", "failed")]
    [InlineData("lost,runner_error,failed,timed_out", "canceled", "canceled")]
    [InlineData("lost,runner_error,failed,timed_out", "succeeded", "succeeded")]
    public void An_attempt_that_had_started_ends_its_run_unless_the_rule_names_the_cause(string? on, string cause, string state)
    {
        Assert.Equal(state, After(Running("run", on), cause).State);
    }

    [Theory]
    [InlineData("lost")]
    [InlineData("runner_error")]
    [InlineData("failed")]
    [InlineData("timed_out")]
    public void An_attempt_that_began_apply_is_never_tried_again_whatever_the_rule_says(string cause)
    {
        var after = After(Running("apply", "lost,runner_error,failed,timed_out"), cause);
        Assert.True(after.IsFinal);
        Assert.Equal(cause == "timed_out" ? RunStates.TimedOut : RunStates.Failed, after.State);
    }

    [Theory]
    [InlineData("lost")]
    [InlineData("failed")]
    public void A_run_whose_end_was_asked_for_is_not_tried_again(string cause)
    {
        var canceled = _rules.Cancel(Running("run", "lost,failed"));
        Assert.True(After(canceled, cause).IsFinal);
    }

    [Fact]
    public void The_number_of_attempts_is_the_definitions()
    {
        var run = Running("run", "lost") with { Accepts = 2, Terms = new(2, RetryCauses.Lost) };
        var after = _rules.Lose(run, RunReasons.LeaseExpired);
        Assert.Equal((RunStates.Failed, RunReasons.AttemptsExhausted), (after.State, after.Reason));
        Assert.Equal(RunStates.Queued, _rules.Lose(run with { Terms = new(3, RetryCauses.Lost) }, RunReasons.LeaseExpired).State);
    }

    [Fact]
    public void An_offer_that_lapses_is_made_again_even_where_nothing_is_tried_again()
    {
        var offered = Samples.Offered(Samples.Queued(_time), "rnr_1", "ses_1", 1, _rules.OfferEnd) with { Terms = new(1, RetryCauses.None) };
        Assert.Equal(RunStates.Queued, _rules.Lose(offered, RunReasons.OfferLapsed).State);
    }

    [Fact]
    public void The_grace_of_a_definition_moves_the_servers_own_end()
    {
        var run = Running("run", null) with { Terms = new(GraceSeconds: 300) };
        var canceled = _rules.Cancel(run with { StopBy = long.MaxValue });
        Assert.Equal(_rules.Now + 360_000, canceled.StopBy);
    }

    [Fact]
    public void Every_mistake_of_retry_and_times_is_found_at_once()
    {
        var spec = new DefinitionSpec(
            [new StepSpec("a", Script: "true")], Runner: "No Slug", Retry: new(11, ["failed", "failed"]), QueueTimeoutSeconds: 0, SilenceTimeoutSeconds: 86_401, GraceSeconds: 601);
        Assert.Equal(
            ["spec.graceSeconds", "spec.queueTimeoutSeconds", "spec.retry.attempts", "spec.retry.on[1]", "spec.runner", "spec.silenceTimeoutSeconds"],
            DefinitionRules.Check(spec).Select(m => m.Path).Order(StringComparer.Ordinal));
        Assert.Contains(DefinitionRules.Check(spec with { Retry = new(On: ["oom"]) }), m => m.Path == "spec.retry.on[0]");
    }

    private RunRecord Running(string phase, string? on)
    {
        var spec = new RetrySpec(On: on?.Split(',', StringSplitOptions.RemoveEmptyEntries));
        var terms = RunTerms.Of(new DefinitionSpec([], Retry: on is null ? null : spec));
        var offered = Samples.Offered(Samples.Queued(_time) with { Phase = phase, Terms = terms }, "rnr_1", "ses_1", 1, _rules.OfferEnd);
        return _rules.Start(_rules.Accept(offered, Mine).Value, Mine).Value;
    }

    private RunRecord After(RunRecord run, string cause) => cause == "lost"
        ? _rules.Lose(run, RunReasons.LeaseExpired)
        : _rules.End(run, Mine, new AttemptEnd(cause, null, 0, null, true)).Value;
}
