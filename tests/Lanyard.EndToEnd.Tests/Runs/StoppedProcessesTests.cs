using Lanyard.Testing;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>
/// SIGSTOP to runner and server at each state of a run, and SIGCONT when the others have gone on without them: the run ends, its attempts are numbered without a gap, and
/// what was asked of a process that stood still counts for nobody.
/// </summary>
[Needs("bwrap")]
[Line("5.8")]
public sealed class StoppedProcessesTests
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

    [Theory]
    [InlineData("queued")]
    [InlineData("offered")]
    [InlineData("accepted")]
    [InlineData("running")]
    [InlineData("ending")]
    public async Task A_server_that_stands_still_for_a_while_costs_time_only(string state)
    {
        await using var scene = await FaultScene.StartAsync();
        var runner = await scene.StartRunnerAsync();
        if (state == "queued") await FaultScene.KillAsync(runner);
        if (state == "offered")
        {
            // Its poll is open long before this command has ended.
            await scene.Installation.LanyardJsonAsync("get", "runner", "host", "-w", "acme");
            runner.Signal(Stop);
        }

        var held = state is "accepted" or "ending" ? scene.Front.HoldAsync(state == "accepted" ? "/start HTTP" : "/end HTTP") : Task.CompletedTask;
        var run = await scene.CreateRunAsync();
        var message = state is "running" or "ending" ? await scene.Mailbox.ReceiveAsync(Patience) : null;
        if (state == "offered") await Eventually.HoldsAsync(async () => (await scene.AttemptsAsync(run)).Any(static a => a.State == "offered"), "the run is offered", Patience);
        if (state == "ending") await message!.AnswerAsync();
        await held.WaitAsync(Patience);

        scene.Installation.Server.Signal(Stop);
        scene.Front.LoseHeld();
        if (state == "queued") scene.StartRunnerAgain();
        if (state == "offered") runner.Signal(Continue);
        if (state == "running") await message!.AnswerAsync();
        await Task.Delay(TimeSpan.FromSeconds(5), TimeProvider.System, TestContext.Current.CancellationToken); // the fault itself: nobody is heard
        scene.Installation.Server.Signal(Continue);
        if (message is null) await (message = await scene.Mailbox.ReceiveAsync(Patience)).AnswerAsync();

        // Whether the offer had reached the runner, or lapsed.
        var attempt = state == "offered" ? (await scene.AttemptsAsync(run)).Count : 1;
        await scene.EndsWellAsync(run, [$"{run} {attempt}"], message);
    }

    [Fact]
    public async Task A_server_that_stands_still_while_a_run_is_canceled_hears_of_its_end_when_it_goes_on()
    {
        await using var scene = await FaultScene.StartAsync(FaultScene.Deaf);
        await scene.StartRunnerAsync();
        var (run, message) = await scene.CancelRunningAsync();

        scene.Installation.Server.Signal(Stop);
        await Eventually.HoldsAsync(() => Task.FromResult(StepProcesses.Of(run).Count == 0), "the grace is over and the step is dead", Patience);
        scene.Installation.Server.Signal(Continue);

        await scene.EndsAsync("canceled", "ended", run, [$"{run} 1"], message);
    }
}
