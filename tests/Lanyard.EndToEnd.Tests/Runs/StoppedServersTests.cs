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

    [Theory]
    [InlineData("queued")]
    [InlineData("offered")]
    [InlineData("accepted")]
    [InlineData("running")]
    [InlineData("canceling")]
    [InlineData("ending")]
    public async Task A_server_that_stands_still_for_a_while_costs_time_only(string state)
    {
        await using var scene = await FaultScene.StartAsync(StagedRun.BeforeOf(state));
        var run = await StagedRun.BringAsync(scene, state);

        scene.Installation.Server.Signal(Stop);
        await run.GoOnAsync();
        await Task.Delay(TimeSpan.FromSeconds(5), TimeProvider.System, TestContext.Current.CancellationToken); // the fault itself: nobody is heard
        scene.Installation.Server.Signal(Continue);

        await run.EndsAsync();
    }
}
