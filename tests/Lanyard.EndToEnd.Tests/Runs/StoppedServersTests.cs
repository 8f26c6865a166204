using Lanyard.Testing;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>SIGSTOP to the server at each state of a run, and SIGCONT: it costs time, and no attempt.</summary>
[Needs("bwrap")]
[Line("5.8")]
public sealed class StoppedServersTests
{
    private const int Stop = 19;
    private const int Continue = 18;
    private static readonly TimeSpan Patience = FaultScene.Patience;

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
