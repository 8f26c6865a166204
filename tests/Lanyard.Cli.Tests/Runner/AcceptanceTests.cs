using Lanyard.Cli.Runner;
using Lanyard.Protocol.Runs;
using Lanyard.Testing;
using Lanyard.Testing.Runs;
using Xunit;

namespace Lanyard.Cli.Tests.Runner;

/// <summary>What a runner takes on: how much at once, of whom, and no payload that makes no sense.</summary>
[Line("2.9")]
[Needs("bwrap")]
public sealed class AcceptanceTests : FakePlaneTests
{
    [Fact]
    public async Task Once_takes_one_run_and_exits_with_its_result()
    {
        await using var runner = new RunnerUnderTest(Plane, settings => settings with { Once = true, Concurrency = 1 });
        var attempt = Plane.Enqueue(Payloads.Of(Payloads.Script("exit 3")));
        var second = Plane.Enqueue(Payloads.Of(Payloads.Script("true")));

        Assert.Equal(RunnerExit.RunFailed, await runner.Ended);
        Assert.Equal((1, 0), (attempt.Ends, second.Accepts));
    }

    [Fact]
    public async Task Several_attempts_run_at_once_but_not_more_than_allowed()
    {
        await using var runner = new RunnerUnderTest(Plane, settings => settings with { Concurrency = 3 });
        var attempts = Enumerable.Range(0, 4).Select(_ => Plane.Enqueue(Payloads.Of(Payloads.Script("echo up; sleep 300")) with { GraceSeconds = 0 })).ToList();
        await Task.WhenAll(attempts.Take(3).Select(attempt => attempt.LogSaysAsync("up")));
        await Eventually.HoldsAsync(() => Task.FromResult(Plane.Polls.Last() is { Free: 0, Holds.Count: 3 }), "a poll that holds three");
        Assert.Equal(0, attempts[3].Accepts);

        Plane.Tell(attempts[1], HoldAnswers.Cancel);
        await attempts[3].LogSaysAsync("up");

        Assert.All(Plane.Polls, poll => Assert.InRange(poll.Free + poll.Holds.Count, 0, 3));
        attempts.ForEach(attempt => Plane.Tell(attempt, HoldAnswers.Cancel));
        await Task.WhenAll(attempts.Select(attempt => attempt.Ended.WaitAsync(Deadline)));
        Assert.All(attempts, attempt => Assert.Equal((1, 1), (attempt.Accepts, attempt.Ends)));
    }

    [Fact]
    public async Task Without_a_sandbox_a_runner_refuses_more_than_one_collection()
    {
        Plane.Collections = ["acme/prod", "acme/test"];
        await using var runner = new RunnerUnderTest(Plane, settings => settings with { Sandbox = SandboxChoice.None });

        Assert.Equal(RunnerExit.NotSafe, await runner.Ended);
        Assert.Empty(Plane.Polls);
        Assert.False(Plane.Sessions.Single().Sandboxed);
    }

    [Fact]
    public async Task Without_a_sandbox_an_offer_of_a_second_collection_is_not_accepted()
    {
        await using var runner = new RunnerUnderTest(Plane, settings => settings with { Sandbox = SandboxChoice.None });
        var first = Plane.Enqueue(Payloads.Of(Payloads.Script("echo \"$HOME\"; id -u; cat \"$0\" >/dev/null; (setsid sleep 7654321 &); echo left")));
        Assert.Equal(RunStates.Succeeded, (await first.Ended.WaitAsync(Deadline)).Outcome);
        var other = Plane.Enqueue(Payloads.Of(Payloads.Script("echo never")) with { Collection = "test" });
        var same = Plane.Enqueue(Payloads.Of(Payloads.Script("echo again; exit 5")));

        Assert.Equal("the step exited with code 5", (await same.Ended.WaitAsync(Deadline)).Reason);
        Assert.Equal(0, other.Accepts);
        Assert.Contains($"/attempts/{first.Payload.Run}.1/work", first.Log, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("run_../../etc")]
    [InlineData("run_A")]
    [InlineData("../run")]
    public void An_offer_with_an_id_that_could_be_a_path_is_not_well_formed(string run) => Assert.False(new AttemptKey(run, 1).IsWellFormed);

    [Fact]
    public async Task A_payload_that_makes_no_sense_is_ended_as_the_runners_error_and_nothing_is_executed()
    {
        await using var runner = new RunnerUnderTest(Plane);
        var both = Plane.Enqueue(Payloads.Of(new StepPayload("x", ["/bin/true"], "true", new Dictionary<string, string>(), 10, null)));
        var none = Plane.Enqueue(Payloads.Of());
        var name = Plane.Enqueue(Payloads.Of(Payloads.Script("echo never", environment: ("A\nB", "x"))));

        Assert.Equal("runner_error", (await both.Ended.WaitAsync(Deadline)).Outcome);
        Assert.Equal("runner_error", (await none.Ended.WaitAsync(Deadline)).Outcome);
        Assert.Equal(RunStates.Failed, (await name.Ended.WaitAsync(Deadline)).Outcome);
        Assert.DoesNotContain("never", name.Log, StringComparison.Ordinal);
    }
}
