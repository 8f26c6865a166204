using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>A run of a scene that has been brought to a state, so that something can be killed or stopped there, and goes on meanwhile as far as it can.</summary>
internal sealed class StagedRun
{
    private const int Stop = 19;
    private const int Continue = 18;
    private readonly FaultScene _scene;
    private readonly string _state;
    private ChildProcess _runner = null!;
    private StepMessage? _message;

    private StagedRun(FaultScene scene, string state) => (_scene, _state) = (scene, state);

    public string Run { get; private set; } = "";

    /// <summary>What the step of a scene is to do before it says its name, for <see cref="FaultScene.StartAsync"/>.</summary>
    public static string BeforeOf(string state) => state == "canceling" ? FaultScene.Deaf : "";

    /// <param name="state"><c>queued</c>, <c>offered</c>, <c>accepted</c>, <c>running</c>, <c>canceling</c> or <c>ending</c>: its end is on its way.</param>
    public static async Task<StagedRun> BringAsync(FaultScene scene, string state)
    {
        var staged = new StagedRun(scene, state) { _runner = await scene.StartRunnerAsync() };
        await staged.BringAsync();
        return staged;
    }

    /// <summary>What can go on without the one that is away: the runner, its calls, the step. A cancel's grace is over, and the step dead, when this returns.</summary>
    public async Task GoOnAsync()
    {
        _scene.Front.LoseHeld();
        if (_state == "queued") _scene.StartRunnerAgain();
        if (_state == "offered") _runner.Signal(Continue);
        if (_state == "running") await _message!.AnswerAsync();
        if (_state == "canceling") await Eventually.HoldsAsync(() => Task.FromResult(StepProcesses.Of(Run).Count == 0), "the grace is over and the step is dead", FaultScene.Patience);
    }

    /// <summary>It ends as if nothing had been away, in the attempt that it had.</summary>
    public async Task EndsAsync()
    {
        if (_state == "canceling")
        {
            await _scene.EndsAsync("canceled", "ended", Run, [$"{Run} 1"], _message!);
            return;
        }

        if (_message is null) await (_message = await _scene.Mailbox.ReceiveAsync(FaultScene.Patience)).AnswerAsync();

        // Whether the offer had reached the runner, or lapsed.
        var attempt = _state == "offered" ? (await _scene.AttemptsAsync(Run)).Count : 1;
        await _scene.EndsWellAsync(Run, [$"{Run} {attempt}"], _message);
    }

    private async Task BringAsync()
    {
        if (_state == "canceling")
        {
            (Run, _message) = await _scene.CancelRunningAsync();
            return;
        }

        if (_state == "queued") await FaultScene.KillAsync(_runner);
        if (_state == "offered")
        {
            // Its poll is open long before this command has ended.
            await _scene.Installation.LanyardJsonAsync("get", "runner", "host", "-w", "acme");
            _runner.Signal(Stop);
        }

        var held = _state is "accepted" or "ending" ? _scene.Front.HoldAsync(_state == "accepted" ? "/start HTTP" : "/end HTTP") : Task.CompletedTask;
        Run = await _scene.CreateRunAsync();
        if (_state is "running" or "ending") _message = await _scene.Mailbox.ReceiveAsync(FaultScene.Patience);
        if (_state == "offered") await Eventually.HoldsAsync(async () => (await _scene.AttemptsAsync(Run)).Any(static a => a.State == "offered"), "the run is offered", FaultScene.Patience);
        if (_state == "ending") await _message!.AnswerAsync();
        await held.WaitAsync(FaultScene.Patience);
    }
}
