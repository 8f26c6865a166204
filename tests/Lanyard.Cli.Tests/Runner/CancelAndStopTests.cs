using Lanyard.Cli.Runner;
using Lanyard.Protocol.Runs;
using Lanyard.Testing;
using Lanyard.Testing.Runs;
using Xunit;

namespace Lanyard.Cli.Tests.Runner;

/// <summary>Cancel, time that is over, and signals: how a runner ends what it holds.</summary>
[Line("2.9")]
[Needs("bwrap")]
public sealed class CancelAndStopTests : FakePlaneTests
{
    [Fact]
    public async Task Cancel_asks_politely_waits_the_grace_and_ends_with_what_the_step_still_said()
    {
        await using var runner = new RunnerUnderTest(Plane);
        var attempt = Plane.Enqueue(
            Payloads.Of(Payloads.Script("trap 'echo saving; exit 7' TERM; echo up; while true; do sleep 0.1; done"), Payloads.Script("echo never")) with { GraceSeconds = 60 });
        await attempt.LogSaysAsync("up");
        await Eventually.HoldsAsync(
            () => Task.FromResult(Plane.Polls.SelectMany(poll => poll.Holds).Any(hold => hold.Run == attempt.Payload.Run && hold.State == AttemptStates.Running)),
            "a poll says that it runs"); // a cancel is obeyed also by the poll that named the offer, and then none says so

        Plane.Tell(attempt, HoldAnswers.Cancel);
        var end = await attempt.Ended.WaitAsync(Deadline);

        Assert.Equal(RunStates.Canceled, end.Outcome);
        Assert.Contains("saving", attempt.Log, StringComparison.Ordinal);
        Assert.Equal(("canceled", 7), (attempt.LastReport(0).State, attempt.LastReport(0).ExitCode));
        Assert.Equal("skipped", attempt.LastReport(1).State);
    }

    [Fact]
    public async Task A_program_that_ignores_the_signal_is_killed_after_the_grace()
    {
        await using var runner = new RunnerUnderTest(Plane);
        var attempt = Plane.Enqueue(Payloads.Of(Payloads.Script("trap '' TERM; echo up; while true; do sleep 0.1; done")) with { GraceSeconds = 1 });
        await attempt.LogSaysAsync("up");

        Plane.Tell(attempt, HoldAnswers.Cancel);

        Assert.Equal(RunStates.Canceled, (await attempt.Ended.WaitAsync(Deadline)).Outcome);
        Assert.Equal(9, attempt.LastReport(0).Signal);
    }

    [Fact]
    public async Task A_program_gets_the_signal_alone_so_that_its_helpers_outlive_it()
    {
        await using var runner = new RunnerUnderTest(Plane);
        var attempt = Plane.Enqueue(Payloads.Of(Payloads.Program(
            "/bin/sh", "-c", "/bin/sh -c 'trap \"echo helper-got-it\" TERM; while true; do sleep 0.1; done' & trap 'sleep 0.5; echo main-got-it; exit 0' TERM; echo up; wait")) with { GraceSeconds = 60 });
        await attempt.LogSaysAsync("up");

        Plane.Tell(attempt, HoldAnswers.Cancel);
        await attempt.Ended.WaitAsync(Deadline);

        Assert.Contains("main-got-it", attempt.Log, StringComparison.Ordinal);
        Assert.DoesNotContain("helper-got-it", attempt.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_step_and_a_run_that_take_too_long_are_timed_out()
    {
        await using var runner = new RunnerUnderTest(Plane);
        var step = Plane.Enqueue(Payloads.Of(Payloads.Script("echo up; sleep 300", timeoutSeconds: 1), Payloads.Script("echo never")) with { GraceSeconds = 1 });
        var run = Plane.Enqueue(Payloads.Of(Payloads.Script("echo up; sleep 300")) with { GraceSeconds = 1, TimeoutSeconds = 1 });

        Assert.Equal(RunStates.TimedOut, (await step.Ended.WaitAsync(Deadline)).Outcome);
        Assert.Equal(RunStates.TimedOut, (await run.Ended.WaitAsync(Deadline)).Outcome);
        Assert.Equal("timed_out", step.LastReport(0).State);
        Assert.Equal("skipped", step.LastReport(1).State);
    }

    [Fact]
    public async Task The_first_signal_finishes_what_is_held_and_takes_nothing_new()
    {
        await using var runner = new RunnerUnderTest(Plane);
        var attempt = Plane.Enqueue(Payloads.Of(Payloads.Script("echo up; sleep 2; echo finished")));
        await attempt.LogSaysAsync("up");

        runner.Host.Signal();
        await Eventually.HoldsAsync(() => Task.FromResult(Plane.Polls.Last().Free == 0), "a poll without room");
        var late = Plane.Enqueue(Payloads.Of(Payloads.Script("echo late")));

        Assert.Equal(RunnerExit.Done, await runner.Ended);
        Assert.Equal(RunStates.Succeeded, (await attempt.Ended).Outcome);
        Assert.Contains("finished", attempt.Log, StringComparison.Ordinal);
        Assert.Equal(0, late.Accepts);
    }

    [Fact]
    public async Task The_second_signal_cancels_what_is_held()
    {
        await using var runner = new RunnerUnderTest(Plane);
        var attempt = Plane.Enqueue(Payloads.Of(Payloads.Script("echo up; sleep 300")) with { GraceSeconds = 1 });
        await attempt.LogSaysAsync("up");

        runner.Host.Signal();
        runner.Host.Signal();

        Assert.Equal(RunnerExit.Done, await runner.Ended);
        Assert.Equal((RunStates.Canceled, "the runner was stopped"), ((await attempt.Ended).Outcome, (await attempt.Ended).Reason));
    }
}
