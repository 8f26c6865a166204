using System.Reflection;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Runs;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

/// <summary>What is told of a run that has ended, each way in which one can.</summary>
[Line("5.5")]
public sealed class WhyEndedTests
{
    private const string At = "2027-01-15 08:00:00Z";
    private static readonly RunRecord Ended = Samples.Queued(TimeProvider.System) with
    {
        State = RunStates.Failed, Attempt = 2, AttemptState = AttemptStates.Ended, Runner = "rnr_1", StartedAt = 1, FinishedAt = 1_800_000_000_000, EndedAt = 1_800_000_000_000,
    };

    public static TheoryData<string> Reasons => [.. typeof(RunReasons).GetFields(BindingFlags.Public | BindingFlags.Static).Select(static one => (string)one.GetRawConstantValue()!)];

    [Theory]
    [MemberData(nameof(Reasons))]
    public void Every_reason_of_the_servers_own_is_told_in_words_with_its_name(string reason) =>
        Assert.Matches($": [a-z ]+,?[a-z ]+ \\({reason}\\)$", Sentence(Ended with { Reason = reason }));

    [Fact]
    public void A_runners_own_words_stand_as_they_are_behind_the_step() =>
        Assert.Equal($"it failed at {At} in step test of attempt 2 on runner r1: the step exited with code 3", Sentence(Ended with { Reason = "the step exited with code 3" }, "test"));

    [Theory]
    [InlineData(RunStates.TimedOut, RunReasons.QueueExpired, $"it timed out at {At}: no runner took it for as long as it may wait (queue_expired)")]
    [InlineData(RunStates.Canceled, RunReasons.Discarded, $"it was canceled at {At}: its plan was discarded (discarded)")]
    [InlineData(RunStates.TimedOut, RunReasons.StopOverdue, $"it timed out at {At} in attempt 2 on runner r1: it did not stop when it had to (stop_overdue)")]
    public void Who_ended_while_it_waited_did_not_end_in_the_attempt_before(string state, string reason, string told) =>
        Assert.Equal(told, Sentence(Ended with { State = state, Reason = reason }));

    [Fact]
    public void Who_was_asked_to_end_is_told_apart_and_so_is_where_the_log_is_if_there_is_one()
    {
        var canceled = WhyEnded.Reasons(new EndedFacts(Ended with { State = RunStates.Canceled, CancelRequestedAt = 1_800_000_000_000 }, "r1", null, []));
        Assert.Equal([WhyCodes.Finished, WhyCodes.Canceled, WhyCodes.Log], canceled.Select(static reason => reason.Code));
        Assert.Contains("run.cancel", canceled[1].Text, StringComparison.Ordinal);
        var drained = Ended with { Attempt = 0, StartedAt = 0, State = RunStates.Canceled, CancelRequestedAt = 1, Reason = RunReasons.CollectionDrained };
        Assert.Equal([WhyCodes.Finished], WhyEnded.Reasons(new EndedFacts(drained, null, null, [])).Select(static reason => reason.Code));
    }

    private static string Sentence(RunRecord run, string? step = null) => WhyEnded.Reasons(new EndedFacts(run, "r1", step, []))[0].Text;
}
