using Lanyard.Testing;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>
/// SIGSTOP to a runner at each state of a run, and SIGCONT when the others have gone on without it: the run ends, its attempts are numbered without a gap, and
/// what was asked of a process that stood still counts for nobody.
/// </summary>
[Needs("bwrap")]
[Line("5.8")]
public sealed class StoppedRunnersTests
{
    private const int Stop = 19;
    private const int Continue = 18;
    private static readonly TimeSpan Patience = FaultScene.Patience;

    [Fact]
    public async Task A_runner_that_stood_still_beyond_its_offer_takes_a_later_one_when_it_goes_on()
    {
        await using var scene = await FaultScene.StartAsync();
        var runner = await scene.StartRunnerAsync();
        await scene.Installation.LanyardJsonAsync("get", "runner", "host", "-w", "acme");
        runner.Signal(Stop);
        var run = await scene.CreateRunAsync();
        await Eventually.HoldsAsync(async () => (await scene.AttemptsAsync(run)).Any(static a => a.State == "lost"), "the offer lapses", Patience);

        runner.Signal(Continue);
        var message = await scene.Mailbox.ReceiveAsync(Patience);
        var attempts = await scene.AttemptsAsync(run);
        await message.AnswerAsync();

        Assert.True(attempts.Count > 1, "the lapsed offer is an attempt of its own");
        await scene.EndsWellAsync(run, [$"{run} {attempts.Count}"], message);
    }

    [Fact]
    public async Task A_runner_that_stood_still_before_its_start_beyond_its_lease_does_nothing_when_it_goes_on()
    {
        await using var scene = await FaultScene.StartAsync();
        var runner = await scene.StartRunnerAsync();
        var held = scene.Front.HoldAsync("/start HTTP");
        var run = await scene.CreateRunAsync();
        await held.WaitAsync(Patience);
        runner.Signal(Stop);
        scene.Front.LoseHeld();

        await scene.StartRunnerAsync("spare");
        var message = await scene.Mailbox.ReceiveAsync(Patience);
        Assert.Equal([(1, "lost"), (2, "running")], await scene.AttemptsAsync(run));
        runner.Signal(Continue);
        await message.AnswerAsync();

        await scene.EndsWellAsync(run, [$"{run} 2"], message);
    }

    [Fact]
    public async Task A_runner_that_stood_still_beyond_its_lease_kills_its_step_when_it_goes_on_and_anothers_attempt_counts()
    {
        await using var scene = await FaultScene.StartAsync();
        var runner = await scene.StartRunnerAsync();
        var run = await scene.CreateRunAsync();
        var first = await scene.Mailbox.ReceiveAsync(Patience);
        runner.Signal(Stop);
        await scene.StartRunnerAsync("spare");
        var second = await scene.Mailbox.ReceiveAsync(Patience);
        Assert.Equal([(1, "lost"), (2, "running")], await scene.AttemptsAsync(run));

        // What it says now is of an attempt that is another's: it is refused, and its step is killed.
        runner.Signal(Continue);
        await Eventually.HoldsAsync(() => Task.FromResult(StepProcesses.Of(run, attempt: 1).Count == 0), "the late runner's step is dead");
        await second.AnswerAsync();

        await scene.EndsWellAsync(run, [$"{run} 1", $"{run} 2"], first, second);
    }

    [Fact]
    public async Task A_runner_that_stood_still_while_it_canceled_beyond_its_lease_kills_its_step_when_it_goes_on_and_the_run_stays_canceled()
    {
        await using var scene = await FaultScene.StartAsync(FaultScene.Deaf);
        var runner = await scene.StartRunnerAsync();
        var (run, message) = await scene.CancelRunningAsync();
        runner.Signal(Stop);
        await Eventually.HoldsAsync(async () => (await scene.AttemptsAsync(run))[^1].State == "lost", "the lease ends", Patience);

        runner.Signal(Continue);
        await Eventually.HoldsAsync(() => Task.FromResult(StepProcesses.Of(run).Count == 0), "the step is dead", Patience);

        await scene.EndsAsync("canceled", "lost", run, [$"{run} 1"], message);
    }

    [Fact]
    public async Task A_runner_that_stood_still_before_it_told_the_end_beyond_its_lease_tells_it_in_vain()
    {
        await using var scene = await FaultScene.StartAsync();
        var runner = await scene.StartRunnerAsync();
        var (run, first) = await scene.HoldEndAsync();
        runner.Signal(Stop);
        scene.Front.LoseHeld();

        await scene.StartRunnerAsync("spare");
        var second = await scene.Mailbox.ReceiveAsync(Patience);
        Assert.Equal([(1, "lost"), (2, "running")], await scene.AttemptsAsync(run));
        runner.Signal(Continue);
        await second.AnswerAsync();

        await scene.EndsWellAsync(run, [$"{run} 1", $"{run} 2"], first, second);
    }
}
