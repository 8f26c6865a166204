using Lanyard.Protocol.Runs;
using Lanyard.Testing;
using Lanyard.Testing.Runs;
using Xunit;

namespace Lanyard.Cli.Tests.Runner;

[Line("2.9")]
[Needs("bwrap")]
public sealed class RunnerLoopTests : IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private FakeControlPlane _plane = null!;

    public async ValueTask InitializeAsync() => _plane = await FakeControlPlane.StartAsync();

    public ValueTask DisposeAsync() => _plane.DisposeAsync();

    [Fact]
    public async Task A_run_is_accepted_started_executed_logged_and_ended()
    {
        await using var runner = new RunnerUnderTest(_plane);
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script("echo out; echo err >&2; echo out again"), Payloads.Program("/bin/echo", "$HOME")));

        var end = await attempt.Ended.WaitAsync(Deadline);

        Assert.True(end.Outcome == RunStates.Succeeded, $"{end.Outcome} {end.Reason} {attempt.Log}");
        Assert.Equal("[lanyard] step step\nout\nerr\nout again\n[lanyard] step step\n$HOME\n", attempt.Log);
        Assert.Equal(attempt.LogBytes.Length, end.LogBytes);
        Assert.Equal(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(attempt.LogBytes)), end.LogSha256);
        Assert.Equal(["0 running ", "0 succeeded 0", "1 running ", "1 succeeded 0"], attempt.Reports.Select(r => $"{r.Index} {r.Report.State} {r.Report.ExitCode}"));
        Assert.Equal((1, 1, 1), (attempt.Accepts, attempt.Starts, attempt.Ends));
    }

    [Fact]
    public async Task A_failing_step_skips_the_rest_and_its_exit_code_is_told()
    {
        await using var runner = new RunnerUnderTest(_plane);
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script("false; exit 0"), Payloads.Script("echo never")));
        var other = _plane.Enqueue(Payloads.Of(Payloads.Script("exit 42")));
        var killed = _plane.Enqueue(Payloads.Of(Payloads.Program("/bin/sh", "-c", "kill -9 $$")));

        Assert.Equal(RunStates.Failed, (await attempt.Ended.WaitAsync(Deadline)).Outcome);
        Assert.Equal("the step exited with code 42", (await other.Ended.WaitAsync(Deadline)).Reason);
        await killed.Ended.WaitAsync(Deadline);

        Assert.Equal((1, null), (attempt.LastReport(0).ExitCode, attempt.LastReport(0).Signal));
        Assert.Equal("skipped", attempt.LastReport(1).State);
        Assert.DoesNotContain("never", attempt.Log, StringComparison.Ordinal);
        Assert.Equal((null, 9), (killed.LastReport(0).ExitCode, killed.LastReport(0).Signal));
    }
}
