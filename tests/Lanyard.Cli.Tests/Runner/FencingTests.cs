using System.Diagnostics;
using Lanyard.Cli.Runner;
using Lanyard.Protocol.Runs;
using Lanyard.Testing;
using Lanyard.Testing.Runs;
using Xunit;

namespace Lanyard.Cli.Tests.Runner;

/// <summary>Lost answers, stale attempts, leases that end, places that were taken: what a runner does when things go wrong.</summary>
[Line("2.9")]
[Needs("bwrap")]
public sealed class FencingTests : FakePlaneTests
{
    [Theory]
    [InlineData("accept", Fault.LoseAnswer)]
    [InlineData("accept", Fault.LoseCall)]
    [InlineData("session", Fault.LoseAnswer)]
    [InlineData("start", Fault.LoseAnswer)]
    [InlineData("step", Fault.LoseAnswer)]
    [InlineData("log", Fault.LoseAnswer)]
    [InlineData("log", Fault.Unavailable)]
    [InlineData("end", Fault.LoseAnswer)]
    [InlineData("end", Fault.Unavailable)]
    public async Task A_call_that_gets_lost_is_repeated_and_the_run_is_executed_once(string call, Fault fault)
    {
        Plane.FaultOf = Once(call, fault);
        await using var runner = new RunnerUnderTest(Plane);
        var attempt = Plane.Enqueue(Payloads.Of(Payloads.Script("echo once")));

        Assert.Equal(RunStates.Succeeded, (await attempt.Ended.WaitAsync(Deadline)).Outcome);
        await Eventually.HoldsAsync(() => Task.FromResult(Plane.Polls.Last().Holds.Count == 0), "the runner holds nothing");
        Assert.Equal("[lanyard] step step\nonce\n", attempt.Log);
        if (call == "session")
        {
            Assert.Single(Plane.Sessions.Select(session => session.Nonce).Distinct());
        }
    }

    [Theory]
    [InlineData(Fault.Over)]
    [InlineData(Fault.Stale)]
    public async Task A_stale_attempts_process_is_killed_and_nothing_more_is_said_about_it(Fault fault)
    {
        await using var runner = new RunnerUnderTest(Plane);
        var attempt = Plane.Enqueue(Payloads.Of(Payloads.Script("trap '' TERM; echo up; while true; do sleep 0.3; echo more; done # stale")));
        await attempt.LogSaysAsync("more");
        var process = ProcessIn(runner, attempt);
        var ends = 0;
        Plane.FaultOf = name =>
        {
            ends += name is "end" or "step" ? 1 : 0;
            return name == "log" ? fault : Fault.None;
        };

        await Eventually.HoldsAsync(() => Task.FromResult(!Directory.Exists($"/proc/{process}")), "the process is dead");
        await Eventually.HoldsAsync(() => Task.FromResult(Plane.Polls.Last().Holds.Count == 0), "the runner holds nothing");

        Assert.Equal((0, 0), (attempt.Ends, ends));
    }

    [Fact]
    public async Task An_attempt_that_is_to_be_abandoned_is_killed_at_once_and_its_folder_is_gone()
    {
        await using var runner = new RunnerUnderTest(Plane);
        var attempt = Plane.Enqueue(Payloads.Of(Payloads.Script("trap '' TERM; echo up; sleep 300 & wait; sleep 300")) with { GraceSeconds = 60 });
        await attempt.LogSaysAsync("up");
        var process = ProcessIn(runner, attempt);

        Plane.Tell(attempt, HoldAnswers.Abandon);

        await Eventually.HoldsAsync(() => Task.FromResult(!Directory.Exists($"/proc/{process}")), "the process is dead");
        await Eventually.HoldsAsync(
            () => Task.FromResult(!Directory.Exists(Path.Combine(runner.Settings.WorkFolder, "attempts", $"{attempt.Payload.Run}.1"))), "the folder is gone");
        Assert.Equal(0, attempt.Ends);
    }

    [Fact]
    public async Task A_runner_that_cannot_renew_its_lease_kills_its_steps_before_the_lease_ends()
    {
        Plane.LeaseSeconds = 6;
        await using var runner = new RunnerUnderTest(Plane);
        var attempt = Plane.Enqueue(Payloads.Of(Payloads.Script("trap '' TERM; echo up; while true; do sleep 0.1; done")) with { GraceSeconds = 1 });
        await attempt.LogSaysAsync("up");
        var process = ProcessIn(runner, attempt);
        var lease = Stopwatch.StartNew(); // the server may have renewed just now, at the latest
        Plane.FaultOf = _ => Fault.Hang;

        await Eventually.HoldsAsync(() => Task.FromResult(!Directory.Exists($"/proc/{process}")), "the process is dead");

        Assert.True(lease.Elapsed < TimeSpan.FromSeconds(6), $"dead only after {lease.Elapsed}");
        Plane.FaultOf = static _ => Fault.Stale;
    }

    [Fact]
    public async Task A_runner_whose_place_was_taken_kills_everything_and_exits()
    {
        await using var runner = new RunnerUnderTest(Plane);
        var attempt = Plane.Enqueue(Payloads.Of(Payloads.Script("echo up; sleep 300")));
        await attempt.LogSaysAsync("up");
        Plane.FaultOf = name => name == "poll" ? Fault.Stale : Fault.None;

        Assert.Equal(RunnerExit.TakenOver, await runner.Ended);
        Assert.Equal(0, attempt.Ends);
    }

    [Fact]
    public async Task A_session_that_the_server_forgot_is_opened_anew_and_the_attempt_goes_on()
    {
        await using var runner = new RunnerUnderTest(Plane);
        var attempt = Plane.Enqueue(Payloads.Of(Payloads.Script("echo up; sleep 3; echo finished")));
        await attempt.LogSaysAsync("up");
        Plane.FaultOf = Once("poll", Fault.Over);

        Assert.Equal(RunStates.Succeeded, (await attempt.Ended.WaitAsync(Deadline)).Outcome);
        Assert.Equal(2, Plane.Sessions.Select(session => session.Nonce).Distinct().Count());
    }

    private static Func<string, Fault> Once(string call, Fault fault)
    {
        var left = 1;
        return name => name == call && Interlocked.Exchange(ref left, 0) == 1 ? fault : Fault.None;
    }
}
