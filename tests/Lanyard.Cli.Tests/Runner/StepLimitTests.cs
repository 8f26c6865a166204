using Lanyard.Cli.Runner.Sandbox;
using Lanyard.Protocol.Runs;
using Lanyard.Testing;
using Lanyard.Testing.Runs;
using Xunit;

namespace Lanyard.Cli.Tests.Runner;

/// <summary>A step that wants all of the host: it is ended with a reason, its neighbour and the runner go on.</summary>
[Line("2.9")]
[Needs("bwrap")]
public sealed class StepLimitTests : IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(120);
    private FakeControlPlane _plane = null!;

    public async ValueTask InitializeAsync() => _plane = await FakeControlPlane.StartAsync();

    public ValueTask DisposeAsync() => _plane.DisposeAsync();

    /// <summary>
    /// A shell gives up when it can't fork any more, and a bomb of shells falls in on itself at the kernel's wall, maybe before the watch
    /// looks; what forks beside it here never gives up.
    /// </summary>
    [Fact]
    public async Task A_fork_bomb_ends_with_its_step() =>
        Assert.Equal(
            "the step has more than its 200 processes and threads",
            await RefusedAsync("perl -e 'while (1) { my $p = fork; sleep 1000 if defined $p && $p == 0; select undef, undef, undef, 0.01 unless defined $p }' & (bomb() { bomb | bomb & }; bomb); wait", limits => limits with { Processes = 200 }));

    [Fact]
    [Needs("root")]
    public async Task The_kernel_stops_a_fork_bomb_before_the_watch_sees_it()
    {
        await using var runner = Start(limits => limits with { Processes = 40 });
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script("for i in $(seq 500); do sleep 100 & done; wait")));

        var end = await attempt.Ended.WaitAsync(Deadline);

        Assert.Equal(RunStates.Failed, end.Outcome);
        Assert.True(end.Reason == "the step has more than its 40 processes and threads" || attempt.Log.Contains("fork", StringComparison.OrdinalIgnoreCase), end.Reason);
    }

    [Fact]
    public async Task A_memory_hog_ends_with_its_step() =>
        Assert.Equal(
            "the step uses more than its 200 MiB of memory",
            await RefusedAsync("perl -e 'my @hog; push @hog, \"x\" x 1048576 and select(undef, undef, undef, 0.002) while 1'", limits => limits with { MemoryBytes = 200 * StepLimits.MiB }));

    [Fact]
    public async Task Memory_that_belongs_to_no_process_has_an_end_too()
    {
        await using var runner = Start(limits => limits with { MemoryBytes = 200 * StepLimits.MiB });
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script(
            "head -c 60M /dev/zero > /dev/shm/big && echo FOUND-shm; head -c 1M /dev/zero > /dev/x && echo FOUND-dev; : > /dev/shm/small && echo small; echo gone > /dev/null; true")));

        await attempt.Ended.WaitAsync(Deadline);

        Assert.DoesNotContain("FOUND", attempt.Log, StringComparison.Ordinal);
        Assert.Contains("small", attempt.Log, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("i=0; while :; do head -c 8M /dev/zero > file$i; i=$((i+1)); done")]
    [InlineData("i=0; while :; do head -c 8M /dev/zero > /tmp/file$i; i=$((i+1)); done")]
    [InlineData("exec 3> hidden; rm hidden; head -c 45M /dev/zero >&3; exec 4> more; rm more; head -c 45M /dev/zero >&4; sleep 100")]
    public async Task A_disk_filler_ends_with_its_step(string script) =>
        Assert.Equal("the attempt's folder holds more than its 50 MiB", await RefusedAsync(script, limits => limits with { DiskBytes = 50 * StepLimits.MiB }));

    [Fact]
    public async Task No_file_is_longer_than_the_disk_that_an_attempt_has()
    {
        await using var runner = Start(limits => limits with { DiskBytes = 10 * StepLimits.MiB });
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script("(head -c 20M /dev/zero > file) || true; stat -c 'size %s' file")));

        await attempt.Ended.WaitAsync(Deadline);

        Assert.Contains($"size {10 * StepLimits.MiB}\n", attempt.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task When_the_disk_is_nearly_full_the_attempt_that_uses_most_is_ended() =>
        Assert.Equal(
            "the disk is nearly full, and this attempt uses most of it",
            await RefusedAsync(
                "i=0; while [ $i -lt 400 ]; do head -c 8M /dev/zero > file$i; i=$((i+1)); done; sleep 100",
                limits => limits with { DiskReserveBytes = new DriveInfo(Path.GetTempPath()).AvailableFreeSpace - (400 * StepLimits.MiB) }));

    /// <summary>What would fill it is another's here, so no attempt can be ended for it: each that began would lose its output and fail.</summary>
    [Fact]
    [Line("5.5")]
    public async Task A_runner_whose_disk_is_full_takes_no_run_until_it_is_not()
    {
        var filler = Path.GetTempFileName();
        await using (var _ = new FileStream(filler, new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, PreallocationSize = 800 * StepLimits.MiB }))
        {
            // only its place on the disk matters
        }

        await using var runner = Start(limits => limits with { DiskReserveBytes = new DriveInfo(Path.GetTempPath()).AvailableFreeSpace + (400 * StepLimits.MiB) });
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script("echo hello")));
        await Eventually.HoldsAsync(() => Task.FromResult(_plane.Polls.Count > 2), "it asks what the server has to say all the same");
        Assert.All(_plane.Polls, static poll => Assert.Equal((0, NoRoomReasons.Disk), (poll.Free, poll.NoRoom)));
        Assert.False(attempt.Ended.IsCompleted);

        File.Delete(filler);
        Assert.Equal(RunStates.Succeeded, (await attempt.Ended.WaitAsync(Deadline)).Outcome);
        Assert.Null(_plane.Polls.First(static poll => poll.Free > 0).NoRoom);
    }

    [Fact]
    public async Task Open_files_have_an_end()
    {
        await using var runner = Start(limits => limits with { OpenFiles = 64 });
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script("ulimit -n; ulimit -c; perl -e 'my @f; for (1..100) { open($f[$_], \"<\", \"/dev/null\") or die \"stopped at $_\" }'")));

        Assert.Equal(RunStates.Failed, (await attempt.Ended.WaitAsync(Deadline)).Outcome);

        Assert.Contains("64\n0\n", attempt.Log, StringComparison.Ordinal);
        Assert.Contains("stopped at", attempt.Log, StringComparison.Ordinal);
    }

    /// <summary>Runs the script beside a neighbour, which must go on and end well, and a step afterwards too.</summary>
    /// <returns>Why the run failed.</returns>
    private async Task<string?> RefusedAsync(string script, Func<StepLimits, StepLimits> change)
    {
        await using var runner = Start(change);
        var neighbour = _plane.Enqueue(Payloads.Of(Payloads.Script("echo here; while [ ! -e $HOME/go ]; do sleep 0.1; done; echo well")));
        await neighbour.LogSaysAsync("here");
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script(script, timeoutSeconds: 100)));

        var end = await attempt.Ended.WaitAsync(Deadline);
        Assert.Equal(RunStates.Failed, end.Outcome);
        Assert.Contains($"[lanyard] {end.Reason}\n", attempt.Log, StringComparison.Ordinal);

        await File.WriteAllTextAsync(Path.Combine(runner.Settings.WorkFolder, "attempts", $"{neighbour.Payload.Run}.1", "work", "go"), "");
        Assert.Equal(RunStates.Succeeded, (await neighbour.Ended.WaitAsync(Deadline)).Outcome);
        var next = _plane.Enqueue(Payloads.Of(Payloads.Script("echo next")));
        Assert.Equal(RunStates.Succeeded, (await next.Ended.WaitAsync(Deadline)).Outcome);
        return end.Reason;
    }

    private RunnerUnderTest Start(Func<StepLimits, StepLimits> change) =>
        new(_plane, settings => settings with { Limits = change(StepLimits.DefaultsFor(settings.WorkFolder)) });
}
