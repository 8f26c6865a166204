using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using Lanyard.Cli.Runner.Logs;
using Lanyard.Protocol.Runs;
using Lanyard.Testing;
using Lanyard.Testing.Runs;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Logs;

[Line("2.9")]
[Needs("bwrap")]
public sealed class LogUploadTests : IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(90);
    private FakeControlPlane _plane = null!;

    public async ValueTask InitializeAsync() => _plane = await FakeControlPlane.StartAsync();

    public ValueTask DisposeAsync() => _plane.DisposeAsync();

    [Fact]
    public async Task Output_arrives_in_order_and_whole_after_cuts_repeats_and_a_server_that_forgot()
    {
        _plane.MaxLogChunkBytes = 4096;
        var calls = 0;
        FakeAttempt? attempt = null;
        _plane.FaultOf = name =>
        {
            if (name != "log")
            {
                return Fault.None;
            }

            if (++calls == 7)
            {
                attempt!.ForgetLogAfter(5000);
            }

            return (calls % 4) switch { 1 => Fault.LoseAnswer, 2 => Fault.LoseCall, _ => Fault.None };
        };
        await using var runner = new RunnerUnderTest(_plane);
        attempt = _plane.Enqueue(Payloads.Of(Payloads.Script("seq 1 10000")));

        var end = await attempt.Ended.WaitAsync(Deadline);

        Assert.Equal("[lanyard] step step\n" + string.Concat(Enumerable.Range(1, 10000).Select(n => $"{n}\n")), attempt.Log);
        Assert.Equal((attempt.LogBytes.Length, Convert.ToHexStringLower(SHA256.HashData(attempt.LogBytes))), ((int)end.LogBytes, end.LogSha256));
    }

    [Fact]
    public async Task Tokens_bearers_and_their_signatures_never_reach_the_server_in_a_log()
    {
        _plane.MaxLogChunkBytes = 1024;
        await using var runner = new RunnerUnderTest(_plane);
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script(
            """
            echo "whole $LANYARD_OIDC_TOKEN"
            echo "signature ${LANYARD_OIDC_TOKEN##*.}"
            echo "bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN"
            printf '%s' "$LANYARD_OIDC_TOKEN" | cut -c1-60 | tr -d '\n'; sleep 0.5; printf '%s\n' "$LANYARD_OIDC_TOKEN" | cut -c61-
            """,
            oidc: [])));
        await attempt.Ended.WaitAsync(Deadline);

        Assert.Equal("[lanyard] step step\nwhole ***\nsignature ***\nbearer ***\n***\n", attempt.Log);
        Assert.Equal(RunStates.Succeeded, (await attempt.Ended).Outcome);
    }

    [Fact]
    public async Task Live_output_is_uploaded_while_the_step_runs()
    {
        await using var runner = new RunnerUnderTest(_plane);
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script("echo early; while [ ! -f go ]; do sleep 0.1; done; echo late")));

        await attempt.LogSaysAsync("early");
        Assert.DoesNotContain("late", attempt.Log, StringComparison.Ordinal);
        await File.WriteAllTextAsync(Path.Combine(runner.Settings.WorkFolder, "attempts", $"{attempt.Payload.Run}.1", "work", "go"), "");

        await attempt.Ended.WaitAsync(Deadline);
        Assert.Contains("late", attempt.Log, StringComparison.Ordinal);
    }
}
