using System.Diagnostics;
using Lanyard.Cli.Runner;
using Lanyard.Protocol.Runs;
using Lanyard.Testing;
using Lanyard.Testing.Runs;
using Xunit;

namespace Lanyard.Cli.Tests.Runner;

/// <summary>Lost answers, stale attempts, cancel, leases that end, signals: what a runner does when things go wrong.</summary>
[Line("2.9")]
[Needs("bwrap")]
public sealed class FencingTests : IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(90);
    private FakeControlPlane _plane = null!;

    public async ValueTask InitializeAsync() => _plane = await FakeControlPlane.StartAsync();

    public ValueTask DisposeAsync() => _plane.DisposeAsync();

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
        _plane.FaultOf = Once(call, fault);
        await using var runner = new RunnerUnderTest(_plane);
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script("echo once")));

        Assert.Equal(RunStates.Succeeded, (await attempt.Ended.WaitAsync(Deadline)).Outcome);
        await Eventually.HoldsAsync(() => Task.FromResult(_plane.Polls.Last().Holds.Count == 0), "the runner holds nothing");
        Assert.Equal("[lanyard] step step\nonce\n", attempt.Log);
        if (call == "session")
        {
            Assert.Single(_plane.Sessions.Select(session => session.Nonce).Distinct());
        }
    }

    [Theory]
    [InlineData(Fault.Over)]
    [InlineData(Fault.Stale)]
    public async Task A_stale_attempts_process_is_killed_and_nothing_more_is_said_about_it(Fault fault)
    {
        await using var runner = new RunnerUnderTest(_plane);
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script("trap '' TERM; echo up; while true; do sleep 0.3; echo more; done # stale")));
        await attempt.LogSaysAsync("more");
        var process = ProcessIn(runner, attempt);
        var ends = 0;
        _plane.FaultOf = name =>
        {
            ends += name is "end" or "step" ? 1 : 0;
            return name == "log" ? fault : Fault.None;
        };

        await Eventually.HoldsAsync(() => Task.FromResult(!Directory.Exists($"/proc/{process}")), "the process is dead");
        await Eventually.HoldsAsync(() => Task.FromResult(_plane.Polls.Last().Holds.Count == 0), "the runner holds nothing");

        Assert.Equal((0, 0), (attempt.Ends, ends));
    }

    [Fact]
    public async Task An_attempt_that_is_to_be_abandoned_is_killed_at_once_and_its_folder_is_gone()
    {
        await using var runner = new RunnerUnderTest(_plane);
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script("trap '' TERM; echo up; sleep 300 & wait; sleep 300")) with { GraceSeconds = 60 });
        await attempt.LogSaysAsync("up");
        var process = ProcessIn(runner, attempt);

        _plane.Tell(attempt, HoldAnswers.Abandon);

        await Eventually.HoldsAsync(() => Task.FromResult(!Directory.Exists($"/proc/{process}")), "the process is dead");
        await Eventually.HoldsAsync(
            () => Task.FromResult(!Directory.Exists(Path.Combine(runner.Settings.WorkFolder, "attempts", $"{attempt.Payload.Run}.1"))), "the folder is gone");
        Assert.Equal(0, attempt.Ends);
    }

    [Fact]
    public async Task Cancel_asks_politely_waits_the_grace_and_ends_with_what_the_step_still_said()
    {
        await using var runner = new RunnerUnderTest(_plane);
        var attempt = _plane.Enqueue(
            Payloads.Of(Payloads.Script("trap 'echo saving; exit 7' TERM; echo up; while true; do sleep 0.1; done"), Payloads.Script("echo never")) with { GraceSeconds = 60 });
        await attempt.LogSaysAsync("up");
        await Eventually.HoldsAsync(
            () => Task.FromResult(_plane.Polls.SelectMany(poll => poll.Holds).Any(hold => hold.Run == attempt.Payload.Run && hold.State == AttemptStates.Running)),
            "a poll says that it runs"); // a cancel is obeyed also by the poll that named the offer, and then none says so

        _plane.Tell(attempt, HoldAnswers.Cancel);
        var end = await attempt.Ended.WaitAsync(Deadline);

        Assert.Equal(RunStates.Canceled, end.Outcome);
        Assert.Contains("saving", attempt.Log, StringComparison.Ordinal);
        Assert.Equal(("canceled", 7), (attempt.LastReport(0).State, attempt.LastReport(0).ExitCode));
        Assert.Equal("skipped", attempt.LastReport(1).State);
    }

    [Fact]
    public async Task A_program_that_ignores_the_signal_is_killed_after_the_grace()
    {
        await using var runner = new RunnerUnderTest(_plane);
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script("trap '' TERM; echo up; while true; do sleep 0.1; done")) with { GraceSeconds = 1 });
        await attempt.LogSaysAsync("up");

        _plane.Tell(attempt, HoldAnswers.Cancel);

        Assert.Equal(RunStates.Canceled, (await attempt.Ended.WaitAsync(Deadline)).Outcome);
        Assert.Equal(9, attempt.LastReport(0).Signal);
    }

    [Fact]
    public async Task A_program_gets_the_signal_alone_so_that_its_helpers_outlive_it()
    {
        await using var runner = new RunnerUnderTest(_plane);
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Program(
            "/bin/sh", "-c", "/bin/sh -c 'trap \"echo helper-got-it\" TERM; while true; do sleep 0.1; done' & trap 'sleep 0.5; echo main-got-it; exit 0' TERM; echo up; wait")) with { GraceSeconds = 60 });
        await attempt.LogSaysAsync("up");

        _plane.Tell(attempt, HoldAnswers.Cancel);
        await attempt.Ended.WaitAsync(Deadline);

        Assert.Contains("main-got-it", attempt.Log, StringComparison.Ordinal);
        Assert.DoesNotContain("helper-got-it", attempt.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_step_and_a_run_that_take_too_long_are_timed_out()
    {
        await using var runner = new RunnerUnderTest(_plane);
        var step = _plane.Enqueue(Payloads.Of(Payloads.Script("echo up; sleep 300", timeoutSeconds: 1), Payloads.Script("echo never")) with { GraceSeconds = 1 });
        var run = _plane.Enqueue(Payloads.Of(Payloads.Script("echo up; sleep 300")) with { GraceSeconds = 1, TimeoutSeconds = 1 });

        Assert.Equal(RunStates.TimedOut, (await step.Ended.WaitAsync(Deadline)).Outcome);
        Assert.Equal(RunStates.TimedOut, (await run.Ended.WaitAsync(Deadline)).Outcome);
        Assert.Equal("timed_out", step.LastReport(0).State);
        Assert.Equal("skipped", step.LastReport(1).State);
    }

    [Fact]
    public async Task A_runner_that_cannot_renew_its_lease_kills_its_steps_before_the_lease_ends()
    {
        _plane.LeaseSeconds = 6;
        await using var runner = new RunnerUnderTest(_plane);
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script("trap '' TERM; echo up; while true; do sleep 0.1; done")) with { GraceSeconds = 1 });
        await attempt.LogSaysAsync("up");
        var process = ProcessIn(runner, attempt);
        var lease = Stopwatch.StartNew(); // the server may have renewed just now, at the latest
        _plane.FaultOf = _ => Fault.Hang;

        await Eventually.HoldsAsync(() => Task.FromResult(!Directory.Exists($"/proc/{process}")), "the process is dead");

        Assert.True(lease.Elapsed < TimeSpan.FromSeconds(6), $"dead only after {lease.Elapsed}");
        _plane.FaultOf = static _ => Fault.Stale;
    }

    [Fact]
    public async Task The_first_signal_finishes_what_is_held_and_takes_nothing_new()
    {
        await using var runner = new RunnerUnderTest(_plane);
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script("echo up; sleep 2; echo finished")));
        await attempt.LogSaysAsync("up");

        runner.Host.Signal();
        await Eventually.HoldsAsync(() => Task.FromResult(_plane.Polls.Last().Free == 0), "a poll without room");
        var late = _plane.Enqueue(Payloads.Of(Payloads.Script("echo late")));

        Assert.Equal(RunnerExit.Done, await runner.Ended);
        Assert.Equal(RunStates.Succeeded, (await attempt.Ended).Outcome);
        Assert.Contains("finished", attempt.Log, StringComparison.Ordinal);
        Assert.Equal(0, late.Accepts);
    }

    [Fact]
    public async Task The_second_signal_cancels_what_is_held()
    {
        await using var runner = new RunnerUnderTest(_plane);
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script("echo up; sleep 300")) with { GraceSeconds = 1 });
        await attempt.LogSaysAsync("up");

        runner.Host.Signal();
        runner.Host.Signal();

        Assert.Equal(RunnerExit.Done, await runner.Ended);
        Assert.Equal((RunStates.Canceled, "the runner was stopped"), ((await attempt.Ended).Outcome, (await attempt.Ended).Reason));
    }

    [Fact]
    public async Task A_runner_whose_place_was_taken_kills_everything_and_exits()
    {
        await using var runner = new RunnerUnderTest(_plane);
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script("echo up; sleep 300")));
        await attempt.LogSaysAsync("up");
        _plane.FaultOf = name => name == "poll" ? Fault.Stale : Fault.None;

        Assert.Equal(RunnerExit.TakenOver, await runner.Ended);
        Assert.Equal(0, attempt.Ends);
    }

    [Fact]
    public async Task A_session_that_the_server_forgot_is_opened_anew_and_the_attempt_goes_on()
    {
        await using var runner = new RunnerUnderTest(_plane);
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script("echo up; sleep 3; echo finished")));
        await attempt.LogSaysAsync("up");
        _plane.FaultOf = Once("poll", Fault.Over);

        Assert.Equal(RunStates.Succeeded, (await attempt.Ended.WaitAsync(Deadline)).Outcome);
        Assert.Equal(2, _plane.Sessions.Select(session => session.Nonce).Distinct().Count());
    }

    [Fact]
    public async Task Once_takes_one_run_and_exits_with_its_result()
    {
        await using var runner = new RunnerUnderTest(_plane, settings => settings with { Once = true, Concurrency = 1 });
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script("exit 3")));
        var second = _plane.Enqueue(Payloads.Of(Payloads.Script("true")));

        Assert.Equal(RunnerExit.RunFailed, await runner.Ended);
        Assert.Equal((1, 0), (attempt.Ends, second.Accepts));
    }

    [Fact]
    public async Task Several_attempts_run_at_once_but_not_more_than_allowed()
    {
        await using var runner = new RunnerUnderTest(_plane, settings => settings with { Concurrency = 3 });
        var attempts = Enumerable.Range(0, 4).Select(_ => _plane.Enqueue(Payloads.Of(Payloads.Script("echo up; sleep 300")) with { GraceSeconds = 0 })).ToList();
        await Task.WhenAll(attempts.Take(3).Select(attempt => attempt.LogSaysAsync("up")));
        await Eventually.HoldsAsync(() => Task.FromResult(_plane.Polls.Last() is { Free: 0, Holds.Count: 3 }), "a poll that holds three");
        Assert.Equal(0, attempts[3].Accepts);

        _plane.Tell(attempts[1], HoldAnswers.Cancel);
        await attempts[3].LogSaysAsync("up");

        Assert.All(_plane.Polls, poll => Assert.InRange(poll.Free + poll.Holds.Count, 0, 3));
        attempts.ForEach(attempt => _plane.Tell(attempt, HoldAnswers.Cancel));
        await Task.WhenAll(attempts.Select(attempt => attempt.Ended.WaitAsync(Deadline)));
        Assert.All(attempts, attempt => Assert.Equal((1, 1), (attempt.Accepts, attempt.Ends)));
    }

    [Fact]
    public async Task Without_a_sandbox_a_runner_refuses_more_than_one_collection()
    {
        _plane.Collections = ["acme/prod", "acme/test"];
        await using var runner = new RunnerUnderTest(_plane, settings => settings with { Sandbox = SandboxChoice.None });

        Assert.Equal(RunnerExit.NotSafe, await runner.Ended);
        Assert.Empty(_plane.Polls);
        Assert.False(_plane.Sessions.Single().Sandboxed);
    }

    [Fact]
    public async Task Without_a_sandbox_an_offer_of_a_second_collection_is_not_accepted()
    {
        await using var runner = new RunnerUnderTest(_plane, settings => settings with { Sandbox = SandboxChoice.None });
        var first = _plane.Enqueue(Payloads.Of(Payloads.Script("echo \"$HOME\"; id -u; cat \"$0\" >/dev/null; (setsid sleep 7654321 &); echo left")));
        Assert.Equal(RunStates.Succeeded, (await first.Ended.WaitAsync(Deadline)).Outcome);
        var other = _plane.Enqueue(Payloads.Of(Payloads.Script("echo never")) with { Collection = "test" });
        var same = _plane.Enqueue(Payloads.Of(Payloads.Script("echo again; exit 5")));

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
        await using var runner = new RunnerUnderTest(_plane);
        var both = _plane.Enqueue(Payloads.Of(new StepPayload("x", ["/bin/true"], "true", new Dictionary<string, string>(), 10, null)));
        var none = _plane.Enqueue(Payloads.Of());
        var name = _plane.Enqueue(Payloads.Of(Payloads.Script("echo never", environment: ("A\nB", "x"))));

        Assert.Equal("runner_error", (await both.Ended.WaitAsync(Deadline)).Outcome);
        Assert.Equal("runner_error", (await none.Ended.WaitAsync(Deadline)).Outcome);
        Assert.Equal(RunStates.Failed, (await name.Ended.WaitAsync(Deadline)).Outcome);
        Assert.DoesNotContain("never", name.Log, StringComparison.Ordinal);
    }

    private static Func<string, Fault> Once(string call, Fault fault)
    {
        var left = 1;
        return name => name == call && Interlocked.Exchange(ref left, 0) == 1 ? fault : Fault.None;
    }

    /// <summary>The host's number of a process whose working folder is the attempt's.</summary>
    private static int ProcessIn(RunnerUnderTest runner, FakeAttempt attempt)
    {
        var environment = $"LANYARD_RUN={attempt.Payload.Run}";
        return Directory.EnumerateDirectories("/proc")
            .Where(folder => int.TryParse(Path.GetFileName(folder), out _) && Read(Path.Combine(folder, "environ")).Contains(environment, StringComparison.Ordinal))
            .Select(folder => int.Parse(Path.GetFileName(folder), null))
            .First();
    }

    private static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
