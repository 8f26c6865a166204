using Lanyard.Cli.Runner;
using Lanyard.Protocol.Runs;
using Lanyard.Testing;
using Lanyard.Testing.Runs;
using Xunit;

namespace Lanyard.Cli.Tests.Runner;

/// <summary>What a runner does with what the server decides about it: drained, ephemeral, silent steps, cancels that are not heard.</summary>
[Line("5.5")]
[Needs("bwrap")]
public sealed class DispatchedRunnerTests : IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(90);
    private FakeControlPlane _plane = null!;

    public async ValueTask InitializeAsync() => _plane = await FakeControlPlane.StartAsync();

    public ValueTask DisposeAsync() => _plane.DisposeAsync();

    [Fact]
    public async Task A_runner_that_is_drained_finishes_what_it_holds_and_ends()
    {
        await using var runner = new RunnerUnderTest(_plane);
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script("echo up; while [ ! -e go ]; do sleep 0.1; done; echo finished")));
        await attempt.LogSaysAsync("up");
        _plane.BeginDrain();
        await Eventually.HoldsAsync(() => Task.FromResult(_plane.Polls.Last().Free == 0), "a poll without room");
        var late = _plane.Enqueue(Payloads.Of(Payloads.Script("echo late")));
        File.WriteAllText(Path.Combine(WorkOf(runner, attempt), "go"), "");

        Assert.Equal(RunnerExit.Done, await runner.Ended);
        Assert.Equal(RunStates.Succeeded, (await attempt.Ended).Outcome);
        Assert.Contains("finished", attempt.Log, StringComparison.Ordinal);
        Assert.Equal(0, late.Accepts);
    }

    [Theory]
    [InlineData("true", RunnerExit.Done)]
    [InlineData("false", RunnerExit.RunFailed)]
    public async Task An_ephemeral_runner_takes_one_run_and_ends_as_that_did(string script, int exit)
    {
        _plane.Ephemeral = true;
        var first = _plane.Enqueue(Payloads.Of(Payloads.Script(script)));
        await using var runner = new RunnerUnderTest(_plane, settings => settings with { Concurrency = 1 });
        await first.Ended.WaitAsync(Deadline);
        var second = _plane.Enqueue(Payloads.Of(Payloads.Script("echo never")));

        Assert.Equal(exit, await runner.Ended);
        Assert.Equal(0, second.Accepts);
    }

    [Fact]
    public async Task A_step_that_falls_silent_is_timed_out_and_one_that_goes_on_speaking_is_not()
    {
        await using var runner = new RunnerUnderTest(_plane);
        var silent = _plane.Enqueue(Payloads.Of(Payloads.Script("echo up; sleep 300"), Payloads.Script("echo never")) with { GraceSeconds = 1, SilenceSeconds = 1 });
        var speaking = _plane.Enqueue(Payloads.Of(Payloads.Script("for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo $i; sleep 0.2; done")) with { SilenceSeconds = 1 });

        var end = await silent.Ended.WaitAsync(Deadline);
        Assert.Equal((RunStates.TimedOut, "the step has written nothing for 1 s"), (end.Outcome, end.Reason));
        Assert.Contains("[lanyard] the step has written nothing for 1 s", silent.Log, StringComparison.Ordinal);
        Assert.Equal("skipped", silent.LastReport(1).State);
        Assert.Equal(RunStates.Succeeded, (await speaking.Ended.WaitAsync(Deadline)).Outcome);
    }

    [Theory]
    [InlineData("end")]
    [InlineData("step")]
    public async Task The_final_state_of_a_canceled_step_is_sent_until_the_server_has_it(string lost)
    {
        await using var runner = new RunnerUnderTest(_plane);
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script("trap '' TERM; echo up; while true; do sleep 0.1; done")) with { GraceSeconds = 1 });
        await attempt.LogSaysAsync("up");
        var left = 3;
        _plane.FaultOf = name => name == lost && Interlocked.Decrement(ref left) >= 0 ? (left % 2 == 0 ? Fault.LoseAnswer : Fault.LoseCall) : Fault.None;

        _plane.Tell(attempt, HoldAnswers.Cancel);

        Assert.Equal(RunStates.Canceled, (await attempt.Ended.WaitAsync(Deadline)).Outcome);
        Assert.Equal(("canceled", 9), (attempt.LastReport(0).State, attempt.LastReport(0).Signal));
        await Eventually.HoldsAsync(() => Task.FromResult(_plane.Polls.Last().Holds.Count == 0), "the runner holds nothing");
    }

    private static string WorkOf(RunnerUnderTest runner, FakeAttempt attempt) =>
        Path.Combine(runner.Settings.WorkFolder, "attempts", $"{attempt.Payload.Run}.1", "work");
}
