using Lanyard.Testing;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>
/// SIGKILL to server and runner at each state of a run. Whatever was killed: the run ends, its attempts are numbered without a gap, at most one of
/// them lives, each step says its effect at most once for each attempt, and no process of a step is left.
/// </summary>
[Needs("bwrap")]
[Line("2.8")]
[Line("2.9")]
[Line("5.8")]
public sealed class KilledProcessesTests
{
    private static readonly TimeSpan Patience = FaultScene.Patience;

    [Fact]
    public async Task A_server_killed_while_a_run_is_queued_has_it_still()
    {
        await using var scene = await FaultScene.StartAsync();
        var run = await scene.CreateRunAsync();
        await scene.Installation.KillServerAsync();

        await scene.Installation.StartServerAsync();
        await scene.StartRunnerAsync();
        var message = await scene.Mailbox.ReceiveAsync(Patience);
        await message.AnswerAsync();

        await scene.EndsWellAsync(run, [$"{run} 1"], message);
    }

    [Fact]
    public async Task A_run_goes_on_in_its_first_attempt_while_the_server_is_killed_and_comes_back()
    {
        await using var scene = await FaultScene.StartAsync();
        await scene.StartRunnerAsync();
        var run = await scene.CreateRunAsync();
        var message = await scene.Mailbox.ReceiveAsync(Patience);

        await scene.Installation.KillServerAsync();
        await scene.Installation.StartServerAsync();
        await message.AnswerAsync();

        await scene.EndsWellAsync(run, [$"{run} 1"], message);
    }

    [Fact]
    public async Task A_server_killed_while_a_run_ends_loses_nothing_of_its_end()
    {
        await using var scene = await FaultScene.StartAsync();
        await scene.StartRunnerAsync();
        var run = await scene.CreateRunAsync();
        var message = await scene.Mailbox.ReceiveAsync(Patience);

        // The end is reported to a server that is not there.
        await scene.Installation.KillServerAsync();
        await message.AnswerAsync();
        await Eventually.HoldsAsync(() => Task.FromResult(StepProcesses.Of(run).Count == 0), "the step has ended");
        await scene.Installation.StartServerAsync();

        await scene.EndsWellAsync(run, [$"{run} 1"], message);
    }

    [Fact]
    public async Task An_offer_to_a_killed_runner_lapses_and_another_runner_takes_the_next_attempt()
    {
        await using var scene = await FaultScene.StartAsync();
        var runner = await scene.StartRunnerAsync();
        // Its poll is open long before this command has ended. Stopped, it holds it open: the server offers, nobody accepts.
        await scene.Installation.LanyardJsonAsync("get", "runner", "host", "-w", "acme");
        runner.Signal(19);
        var run = await scene.CreateRunAsync();
        await Eventually.HoldsAsync(async () => (await scene.AttemptsAsync(run)).Any(static a => a.State == "offered"), "the run is offered", Patience);
        await FaultScene.KillAsync(runner);

        await scene.StartRunnerAsync("spare");
        var message = await scene.Mailbox.ReceiveAsync(Patience);
        await message.AnswerAsync();

        await scene.EndsWellAsync(run, [$"{run} 2"], message);
    }

    [Fact]
    public async Task A_server_killed_while_a_run_is_offered_offers_it_again_and_one_attempt_does_it()
    {
        await using var scene = await FaultScene.StartAsync();
        var runner = await scene.StartRunnerAsync();
        await scene.Installation.LanyardJsonAsync("get", "runner", "host", "-w", "acme");
        runner.Signal(19);
        var run = await scene.CreateRunAsync();
        await Eventually.HoldsAsync(async () => (await scene.AttemptsAsync(run)).Any(static a => a.State == "offered"), "the run is offered", Patience);

        await scene.Installation.KillServerAsync();
        await scene.Installation.StartServerAsync();
        runner.Signal(18);
        var message = await scene.Mailbox.ReceiveAsync(Patience);
        await message.AnswerAsync();

        // Whether the offer had reached the runner, or lapsed.
        await scene.EndsWellAsync(run, [$"{run} {(await scene.AttemptsAsync(run)).Count}"], message);
    }

    [Fact]
    public async Task A_runner_killed_between_its_acceptance_and_its_start_has_done_nothing_and_the_next_attempt_does_it()
    {
        await using var scene = await FaultScene.StartAsync();
        var runner = await scene.StartRunnerAsync();
        var held = scene.Front.HoldAsync("/start HTTP");
        var run = await scene.CreateRunAsync();
        await held.WaitAsync(Patience);
        Assert.Equal([(1, "accepted")], await scene.AttemptsAsync(run));

        await FaultScene.KillAsync(runner);
        scene.Front.LoseHeld();
        scene.StartRunnerAgain();
        var message = await scene.Mailbox.ReceiveAsync(Patience);
        Assert.Single(await scene.AttemptsAsync(run), static a => a.State is not ("ended" or "lost"));
        await message.AnswerAsync();

        await scene.EndsWellAsync(run, [$"{run} 2"], message);
    }

    [Fact]
    public async Task A_server_killed_between_a_runs_acceptance_and_its_start_has_it_in_its_first_attempt_still()
    {
        await using var scene = await FaultScene.StartAsync();
        await scene.StartRunnerAsync();
        var held = scene.Front.HoldAsync("/start HTTP");
        var run = await scene.CreateRunAsync();
        await held.WaitAsync(Patience);
        Assert.Equal([(1, "accepted")], await scene.AttemptsAsync(run));

        await scene.Installation.KillServerAsync();
        scene.Front.LoseHeld();
        await scene.Installation.StartServerAsync();
        var message = await scene.Mailbox.ReceiveAsync(Patience);
        await message.AnswerAsync();

        await scene.EndsWellAsync(run, [$"{run} 1"], message);
    }

    [Fact]
    public async Task A_runner_killed_while_it_cancels_leaves_no_process_and_the_run_is_canceled_and_not_tried_again()
    {
        await using var scene = await FaultScene.StartAsync(FaultScene.Deaf);
        var runner = await scene.StartRunnerAsync();
        var (run, message) = await scene.CancelRunningAsync();

        await FaultScene.KillAsync(runner);
        await Eventually.HoldsAsync(() => Task.FromResult(StepProcesses.Of(run).Count == 0), "the killed runner's step is gone");
        scene.StartRunnerAgain();

        await scene.EndsAsync("canceled", "lost", run, [$"{run} 1"], message);
    }

    [Fact]
    public async Task A_server_killed_while_a_run_is_canceling_hears_of_its_end_afterwards()
    {
        await using var scene = await FaultScene.StartAsync(FaultScene.Deaf);
        await scene.StartRunnerAsync();
        var (run, message) = await scene.CancelRunningAsync();

        await scene.Installation.KillServerAsync();
        await Eventually.HoldsAsync(() => Task.FromResult(StepProcesses.Of(run).Count == 0), "the grace is over and the step is dead", Patience);
        await scene.Installation.StartServerAsync();

        await scene.EndsAsync("canceled", "ended", run, [$"{run} 1"], message);
    }

    [Fact]
    public async Task A_runner_killed_while_it_reports_the_end_leaves_a_lost_attempt_and_the_run_ends_in_the_next()
    {
        await using var scene = await FaultScene.StartAsync();
        var runner = await scene.StartRunnerAsync();
        var (run, first) = await scene.HoldEndAsync();

        await FaultScene.KillAsync(runner);
        scene.Front.LoseHeld();
        scene.StartRunnerAgain();
        var second = await scene.Mailbox.ReceiveAsync(Patience);
        Assert.Single(await scene.AttemptsAsync(run), static a => a.State is not ("ended" or "lost"));
        await second.AnswerAsync();

        await scene.EndsWellAsync(run, [$"{run} 1", $"{run} 2"], first, second);
    }

    [Fact]
    public async Task A_runner_killed_with_a_running_step_leaves_no_process_and_the_run_ends_in_a_second_attempt()
    {
        await using var scene = await FaultScene.StartAsync();
        var runner = await scene.StartRunnerAsync();
        var run = await scene.CreateRunAsync();
        var first = await scene.Mailbox.ReceiveAsync(Patience);
        Assert.NotEmpty(StepProcesses.Of(run));

        await FaultScene.KillAsync(runner);
        await Eventually.HoldsAsync(() => Task.FromResult(StepProcesses.Of(run).Count == 0), "the killed runner's step is gone");
        scene.StartRunnerAgain();
        var second = await scene.Mailbox.ReceiveAsync(Patience);
        Assert.Single(await scene.AttemptsAsync(run), static a => a.State is not ("ended" or "lost"));
        await second.AnswerAsync();

        await scene.EndsWellAsync(run, [$"{run} 1", $"{run} 2"], first, second);
    }

    [Fact]
    public async Task Server_and_runner_killed_together_end_the_run_all_the_same()
    {
        await using var scene = await FaultScene.StartAsync();
        var runner = await scene.StartRunnerAsync();
        var run = await scene.CreateRunAsync();
        var first = await scene.Mailbox.ReceiveAsync(Patience);

        await scene.Installation.KillServerAsync();
        await FaultScene.KillAsync(runner);
        await scene.Installation.StartServerAsync();
        scene.StartRunnerAgain();
        var second = await scene.Mailbox.ReceiveAsync(Patience);
        await second.AnswerAsync();

        await scene.EndsWellAsync(run, [$"{run} 1", $"{run} 2"], first, second);
    }
}
