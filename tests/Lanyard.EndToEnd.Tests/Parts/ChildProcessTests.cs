using Lanyard.Testing;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Parts;

public sealed class ChildProcessTests
{
    [Fact]
    public async Task A_killed_process_takes_with_it_what_it_has_started()
    {
        await using var parent = Shell("sleep 600 & echo child $!; wait");
        var child = (await parent.WaitForLineAsync("child ")).Split(' ')[1];
        Assert.True(Directory.Exists($"/proc/{child}"));

        parent.Kill();

        Assert.Equal(128 + 9, await parent.WaitForExitAsync());
        await Eventually.HoldsAsync(() => Task.FromResult(!IsAlive(child)), "the child is gone");
    }

    /// <summary>On a busy machine numbers are used again within minutes, and tests dispose of processes that ended long ago.</summary>
    [Fact]
    public async Task The_end_of_one_that_ended_long_ago_is_not_that_of_a_stranger_who_has_its_number_now()
    {
        const string LastNumber = "/proc/sys/kernel/ns_last_pid";
        Assert.SkipUnless(Environment.IsPrivilegedProcess && File.Exists(LastNumber), "only root chooses the number of a process, and not on every kernel");
        var ended = Shell("true");
        await ended.WaitForExitAsync();
        ChildProcess? stranger = null;
        for (var i = 0; i < 500 && stranger?.Id != ended.Id; i++)
        {
            await (stranger?.DisposeAsync() ?? ValueTask.CompletedTask);
            await File.WriteAllTextAsync(LastNumber, $"{ended.Id - 1}", TestContext.Current.CancellationToken);
            stranger = Shell("sleep 600");
        }

        await using var alive = stranger!;
        Assert.Equal(ended.Id, alive.Id);
        await ended.DisposeAsync();

        await Assert.ThrowsAsync<TimeoutException>(() => alive.WaitForExitAsync(TimeSpan.FromMilliseconds(200)));
    }

    [Fact]
    public async Task What_a_process_left_in_its_group_ends_with_it()
    {
        var ended = Shell("sleep 600 > /dev/null 2>&1 & echo child $!");
        var child = (await ended.WaitForLineAsync("child ")).Split(' ')[1];
        await ended.WaitForExitAsync();
        Assert.True(IsAlive(child));

        await ended.DisposeAsync();

        await Eventually.HoldsAsync(() => Task.FromResult(!IsAlive(child)), "the child is gone");
    }

    [Fact]
    public async Task A_line_that_was_said_before_it_is_waited_for_is_found()
    {
        await using var process = Shell("echo first; echo second; read -r _; sleep 600");
        await process.WaitForLineAsync("second");

        Assert.Equal("first", await process.WaitForLineAsync(static line => line == "first"));
    }

    [Fact]
    public async Task A_process_that_ends_without_the_awaited_line_fails_the_wait_with_what_it_said()
    {
        await using var process = Shell("echo no luck >&2; exit 3");

        var refusal = await Assert.ThrowsAsync<InvalidOperationException>(() => process.WaitForLineAsync("ready"));

        Assert.Equal(3, await process.WaitForExitAsync());
        Assert.Contains("ended without the awaited line", refusal.Message, StringComparison.Ordinal);
        Assert.Equal("no luck", process.Errors);
    }

    [Fact]
    public async Task A_wait_ends_at_its_deadline()
    {
        await using var process = Shell("sleep 600");

        await Assert.ThrowsAsync<TimeoutException>(() => process.WaitForLineAsync("ready", TimeSpan.FromMilliseconds(50)));
        await Assert.ThrowsAsync<TimeoutException>(() => process.WaitForExitAsync(TimeSpan.FromMilliseconds(50)));
    }

    [Fact]
    public async Task Input_reaches_the_process_and_a_variable_without_a_value_does_not()
    {
        var environment = new Dictionary<string, string?> { ["HOME"] = null, ["GREETING"] = "hello" };

        var result = await Command.RunAsync("sh", ["-c", "cat; echo \"$GREETING ${HOME-homeless}\""], environment, input: "from outside\n");

        Assert.Equal("from outside\nhello homeless", result.Succeeded());
    }

    private static ChildProcess Shell(string script) => ChildProcess.Start("sh", ["-c", script]);

    // A dead child stays a zombie until somebody reaps it: that is dead enough.
    private static bool IsAlive(string pid)
    {
        try
        {
            return !File.ReadAllText($"/proc/{pid}/stat").Contains(") Z ", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }
}
