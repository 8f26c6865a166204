using Lanyard.Testing;
using Lanyard.Testing.Processes;
using Lanyard.Testing.Runs;
using Xunit;

namespace Lanyard.Cli.Tests.Runner;

/// <summary>A runner in a process of its own, so that it can be killed. The process is this test program, asked to run one explicit test.</summary>
[Line("2.9")]
[Needs("bwrap")]
public sealed class RunnerProcessTests : IAsyncLifetime
{
    private const string Arguments = "LANYARD_TEST_RUNNER_ARGUMENTS";
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-runner-process-").FullName;
    private FakeControlPlane _plane = null!;

    public async ValueTask InitializeAsync()
    {
        File.SetUnixFileMode(_folder, (UnixFileMode)0b111_001_001);
        _plane = await FakeControlPlane.StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _plane.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Not a test: what the child process does.</summary>
    [Fact(Explicit = true)]
    public async Task Serve()
    {
        var arguments = Environment.GetEnvironmentVariable(Arguments)!.Split('\n');
        Assert.Equal(0, await Cli.Runner.RunnerCommand.RunAsync(arguments, CancellationToken.None));
    }

    [Theory]
    [InlineData("bwrap")]
    [InlineData("none")]
    public async Task A_runner_that_is_killed_leaves_no_step_behind(string sandbox)
    {
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Program("/bin/sh", "-c", "trap '' TERM HUP; echo up; exec sleep 300")));
        await using var runner = Start("--sandbox", sandbox);
        await attempt.LogSaysAsync("up");
        var steps = ProcessesOf(attempt);
        Assert.NotEmpty(steps);

        runner.Signal(9);

        await Eventually.HoldsAsync(() => Task.FromResult(steps.TrueForAll(step => !Directory.Exists($"/proc/{step}"))), "the step is dead");
    }

    [Fact]
    public async Task A_runner_that_starts_again_clears_what_a_killed_one_left()
    {
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script("echo up; sleep 300")));
        await using (var runner = Start())
        {
            await attempt.LogSaysAsync("up");
            runner.Signal(9);
            await runner.WaitForExitAsync();
            await Eventually.HoldsAsync(() => Task.FromResult(_plane.WaitingPolls == 0), "the dead runner's poll is gone");
        }

        var again = _plane.Enqueue(Payloads.Of(Payloads.Script("echo fresh")));
        await using var second = Start("--once");
        await again.LogSaysAsync("fresh");
        await again.Ended.WaitAsync(TimeSpan.FromSeconds(60));

        await Eventually.HoldsAsync(() => Task.FromResult(!Directory.EnumerateFileSystemEntries(Path.Combine(_folder, "work", "attempts")).Any()), "no attempt's folder is left");
    }

    [Fact]
    [Line("2.8")]
    public async Task SIGTERM_drains_the_process()
    {
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script("echo up; sleep 1; echo finished")));
        await using var runner = Start();
        await attempt.LogSaysAsync("up");

        runner.Signal(15);
        await runner.WaitForExitAsync();

        Assert.Equal("succeeded", (await attempt.Ended).Outcome);
        Assert.Contains("finished", attempt.Log, StringComparison.Ordinal);
    }

    [Fact]
    [Line("2.10")]
    public async Task A_step_prints_its_token_with_the_program_named_lanyard()
    {
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script(
            "lanyard token --audience sts.example > token; lanyard token --audience sts.example; wc -c < token; cat token; lanyard token --audience x --format json | cut -c1-10; lanyard nonsense 2>&1 || echo $?",
            oidc: null)));
        await using var runner = Start("--credentials-program", Repo.Program("Lanyard.Credentials", "lanyard-credentials"), "--once");

        await attempt.Ended.WaitAsync(TimeSpan.FromSeconds(60));

        Assert.StartsWith($"[lanyard] step step\n***\n{_plane.Logins.Tokens.First().Length + 1}\n***\n{{\"token\":\"", attempt.Log, StringComparison.Ordinal);
        Assert.Contains("\n2\n", attempt.Log, StringComparison.Ordinal);
        Assert.Equal(["sts.example", "sts.example", "x"], _plane.Logins.TokenRequests.Select(form => form["audience"]));
    }

    [Fact]
    public async Task Without_a_sandbox_too_nothing_outlives_a_step_that_leaves_its_session_its_parents_and_its_environment()
    {
        var marker = $"7{Random.Shared.Next(100_000, 999_999)}";
        await using var runner = Start("--sandbox", "none");
        for (var i = 0; i < 3; i++)
        {
            var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script(
                $"(setsid env -i /bin/sh -c 'setsid sleep {marker} & setsid setsid sleep {marker} & sleep {marker}' >/dev/null 2>&1 &); while ! pgrep -f '^sleep {marker}' >/dev/null; do :; done; echo left")));
            Assert.Equal("succeeded", (await attempt.Ended.WaitAsync(TimeSpan.FromSeconds(60))).Outcome);
            Assert.Contains("left", attempt.Log, StringComparison.Ordinal);

            Assert.DoesNotContain(Directory.EnumerateDirectories("/proc"), folder => CommandOf(folder).Contains(marker, StringComparison.Ordinal));
        }
    }

    private static string CommandOf(string folder)
    {
        try
        {
            return File.ReadAllText(Path.Combine(folder, "cmdline"));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return ""; // it ended in the meantime, or is no process
        }
    }

    private ChildProcess Start(params string[] more)
    {
        var token = Path.Combine(_folder, "token");
        File.WriteAllText(token, "the-runners-own-token");
        string[] arguments = ["--server", _plane.Url.AbsoluteUri, "--token-file", token, "--work-dir", Path.Combine(_folder, "work"), .. more];
        return ChildProcess.Start(
            "dotnet",
            [typeof(RunnerProcessTests).Assembly.Location, "-noLogo", "-explicit", "only", "-method", $"{typeof(RunnerProcessTests).FullName}.{nameof(Serve)}"],
            new Dictionary<string, string?> { [Arguments] = string.Join('\n', arguments) });
    }

    private static List<int> ProcessesOf(FakeAttempt attempt)
    {
        var found = new List<int>();
        foreach (var folder in Directory.EnumerateDirectories("/proc").Where(folder => int.TryParse(Path.GetFileName(folder), out _)))
        {
            try
            {
                if (File.ReadAllText(Path.Combine(folder, "environ")).Contains($"LANYARD_RUN={attempt.Payload.Run}", StringComparison.Ordinal))
                {
                    found.Add(int.Parse(Path.GetFileName(folder), null));
                }
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // It ended in the meantime.
            }
        }

        return found;
    }
}
