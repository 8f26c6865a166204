using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Lanyard.Protocol.Runs;
using Lanyard.Testing;
using Lanyard.Testing.Runs;
using Xunit;

namespace Lanyard.Cli.Tests.Runner;

/// <summary>Steps that try to get at the runner and at their neighbours. Each test first makes sure that there is something to find.</summary>
[Line("2.9")]
[Needs("bwrap")]
public sealed class SandboxTests : IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(90);
    private FakeControlPlane _plane = null!;
    private RunnerUnderTest _runner = null!;

    public async ValueTask InitializeAsync()
    {
        _plane = await FakeControlPlane.StartAsync();
        _runner = new RunnerUnderTest(_plane);
    }

    public async ValueTask DisposeAsync()
    {
        await _runner.DisposeAsync();
        await _plane.DisposeAsync();
    }

    [Fact]
    public async Task A_step_finds_neither_the_runners_token_file_nor_its_work_folder()
    {
        Assert.True(File.Exists(_runner.TokenFile));

        var log = await RunAsync(
            $"""
            cat {_runner.TokenFile} 2>/dev/null && echo FOUND-token
            ls {_runner.Folder} 2>/dev/null && echo FOUND-folder
            ls /proc/1/root{_runner.Folder} 2>/dev/null && echo FOUND-root
            find / -xdev -name service-account-token 2>/dev/null | grep . && echo FOUND-find
            ls /root /home /var/lib /etc/shadow /run/secrets 2>/dev/null && echo FOUND-host
            true
            """);

        Assert.DoesNotContain("FOUND", log, StringComparison.Ordinal);
        Assert.DoesNotContain("the-runners-own-token", log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_step_sees_no_process_but_its_own()
    {
        var log = await RunAsync(
            $$"""
            ls -d /proc/[0-9]* | wc -l | sed 's/^/processes: /'
            [ -d /proc/{{Environment.ProcessId}} ] && grep -q dotnet /proc/{{Environment.ProcessId}}/cmdline && echo FOUND-runner
            cat /proc/*/environ | tr '\0' '\n' | grep -v LANYARD | grep -E '^(LANYARD_TEST_|DOTNET|HOSTNAME|USER|LOGNAME|SHELL)' && echo FOUND-environment
            kill -9 {{Environment.ProcessId}} 2>/dev/null && echo FOUND-kill
            true
            """);

        Assert.DoesNotContain("FOUND", log, StringComparison.Ordinal);
        var count = int.Parse(log.Split("processes: ")[1].Split('\n')[0], null);
        Assert.InRange(count, 2, 8);
    }

    [Fact]
    public async Task Nothing_of_the_runners_environment_reaches_a_step()
    {
        Environment.SetEnvironmentVariable("LANYARD_TEST_SECRET", "in-the-runners-environment");
        var log = await RunAsync("env; tr '\\0' '\\n' </proc/1/environ; tr '\\0' '\\n' </proc/1/cmdline");

        Assert.DoesNotContain("in-the-runners-environment", log, StringComparison.Ordinal);
        string[] allowed =
        [
            "PATH", "HOME", "LANG", "TERM", "CI", "PWD", "OLDPWD", "SHLVL", "_", "LANYARD", "LANYARD_RUN", "LANYARD_ATTEMPT", "LANYARD_WORKSPACE", "LANYARD_COLLECTION",
            "LANYARD_DEFINITION", "LANYARD_PHASE", "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        ];
        var names = log.Split('\n').Where(line => line.Contains('=', StringComparison.Ordinal)).Select(line => line.Split('=')[0]);
        Assert.Empty(names.Except(allowed));
    }

    [Fact]
    public async Task A_step_cannot_reach_a_neighbours_folder_environment_processes_or_endpoint()
    {
        var victim = _plane.Enqueue(Payloads.Of(Payloads.Script(
            "echo the-victims-file > $HOME/mine; echo x > /tmp/mine; echo \"url $ACTIONS_ID_TOKEN_REQUEST_URL\"; exec sleep 300 # victim-process",
            environment: ("VICTIM", "the-victims-variable"))) with { GraceSeconds = 1 });
        var said = await victim.LogSaysAsync("url http");
        var url = said.Split("url ")[1].Split('\n')[0];
        var folder = Path.Combine(_runner.Settings.WorkFolder, "attempts", $"{victim.Payload.Run}.1", "work");
        Assert.Equal("the-victims-file\n", await File.ReadAllTextAsync(Path.Combine(folder, "mine")));
        // Other tests and other runners on this host have sleepers too.
        int[] sleepers = [];
        await Eventually.HoldsAsync(
            () => Task.FromResult((sleepers = [.. SleepersOnHost().Where(pid => Read($"/proc/{pid}/environ").Contains("the-victims-variable", StringComparison.Ordinal))]).Length > 0),
            "the victim sleeps"); // it speaks before
        var sleeper = sleepers[0];

        var log = await RunAsync(
            $"""
            cat {folder}/mine $HOME/mine /tmp/mine 2>/dev/null && echo FOUND-file
            ls /proc/1/root{folder} /proc/1/cwd/../mine 2>/dev/null && echo FOUND-by-proc
            cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr '\0' '\n' | grep '[v]ictims' && echo FOUND-environment
            for pid in $(seq 1 40000); do kill -0 $pid 2>/dev/null && grep -aq 'slee[p].300' /proc/$pid/cmdline 2>/dev/null && echo FOUND-process; done
            kill -9 {sleeper} 2>/dev/null && [ ! -d /proc/{sleeper} ] && echo FOUND-signal
            kill -9 -1 2>/dev/null
            true
            """,
            expectEnd: false);
        Assert.DoesNotContain("FOUND", log, StringComparison.Ordinal);
        Assert.DoesNotContain("victims", log.Replace("the-victims-file || true", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.True(Directory.Exists($"/proc/{sleeper}"), "the neighbour's process was killed");

        var curl = await RunAsync(
            $$"""
            request() { perl -MIO::Socket::INET -e '($p,$q,$b)=@ARGV; $s=IO::Socket::INET->new("127.0.0.1:$p") or die; print $s "GET $q HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAuthorization: Bearer $b\r\n\r\n"; print scalar <$s>' "$1" "$2" "$3"; }
            port=$(echo "$ACTIONS_ID_TOKEN_REQUEST_URL" | sed 's,.*:\([0-9]*\)/.*,\1,')
            own=$(echo "$ACTIONS_ID_TOKEN_REQUEST_URL" | sed 's,^http://[^/]*,,')
            echo "own: $(request $port "$own&audience=x" "$ACTIONS_ID_TOKEN_REQUEST_TOKEN")"
            echo "neighbour: $(request $port "{{new Uri(url).PathAndQuery}}&audience=x" "$ACTIONS_ID_TOKEN_REQUEST_TOKEN")"
            echo "nobody: $(request $port "$own&audience=x" "")"
            """);
        Assert.Contains("own: HTTP/1.1 200", curl, StringComparison.Ordinal);
        Assert.Contains("neighbour: HTTP/1.1 401", curl, StringComparison.Ordinal);
        Assert.Contains("nobody: HTTP/1.1 401", curl, StringComparison.Ordinal);
        Assert.Single(_plane.Logins.TokenRequests);
        _plane.Tell(victim, HoldAnswers.Cancel);
        Assert.Equal(RunStates.Canceled, (await victim.Ended.WaitAsync(Deadline)).Outcome);
    }

    [Fact]
    public async Task A_step_has_no_privileges_and_can_get_none()
    {
        var log = await RunAsync(
            """
            grep -E '^(CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs):' /proc/self/status
            echo uid $(id -u)
            unshare --user --map-root-user true 2>/dev/null && echo FOUND-userns
            mount -t tmpfs none /mnt 2>/dev/null && echo FOUND-mount
            touch /usr/x /etc/x /x /run/lanyard/bin/x 2>/dev/null && echo FOUND-write
            ls /dev/mem /dev/kmsg /dev/vda /dev/sda /dev/kvm 2>/dev/null && echo FOUND-device
            echo $$ > /proc/sys/kernel/core_pattern 2>/dev/null && echo FOUND-sysctl
            cat /etc/passwd | wc -l
            ls -l /proc/self/fd | grep -v -E 'pipe:|/dev/null|/proc/|/run/lanyard/step|^total' | grep . && echo FOUND-descriptor
            true
            """);

        Assert.DoesNotContain("FOUND", log, StringComparison.Ordinal);
        Assert.Equal(5, log.Split('\n').Count(line => line.StartsWith("Cap", StringComparison.Ordinal) && line.EndsWith("\t0000000000000000", StringComparison.Ordinal)));
        Assert.Contains("NoNewPrivs:\t1", log, StringComparison.Ordinal);
        Assert.Contains("uid 1000", log, StringComparison.Ordinal);
    }

    [Fact]
    [Needs("root")]
    public async Task Attempts_of_one_time_have_different_uids_on_the_host()
    {
        var attempts = Enumerable.Range(0, 3).Select(_ => _plane.Enqueue(Payloads.Of(Payloads.Script("echo up; sleep 300")) with { GraceSeconds = 0 })).ToList();
        await Task.WhenAll(attempts.Select(attempt => attempt.LogSaysAsync("up")));

        var owners = attempts.Select(attempt => OwnerOf(Path.Combine(_runner.Settings.WorkFolder, "attempts", $"{attempt.Payload.Run}.1", "work"))).ToList();

        Assert.Equal(3, owners.Distinct().Count());
        Assert.All(owners, owner => Assert.InRange(owner, 210_000, 210_003));
        attempts.ForEach(attempt => _plane.Tell(attempt, HoldAnswers.Cancel));
        await Task.WhenAll(attempts.Select(attempt => attempt.Ended.WaitAsync(Deadline)));
    }

    [Fact]
    public async Task The_runner_has_no_abstract_socket_which_the_shared_network_would_show_to_steps()
    {
        var sockets = await File.ReadAllLinesAsync("/proc/net/unix");
        var inodes = Directory.EnumerateFileSystemEntries("/proc/self/fd").Select(TargetOf).ToHashSet();

        var own = sockets.Skip(1).Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(fields => fields.Length > 7 && fields[7].StartsWith('@') && inodes.Contains($"socket:[{fields[6]}]"));

        Assert.Empty(own);
    }

    [Fact]
    public async Task What_a_step_leaves_running_dies_with_the_step()
    {
        var marker = $"{Random.Shared.Next(100_000, 999_999)}";
        await RunAsync($"(setsid sleep 7{marker} >/dev/null 2>&1 &) ; (setsid sleep 8{marker} &) ; sleep 0.2; pgrep -f sleep.7{marker} >/dev/null; echo left");

        Assert.Empty(ProcessesWith($"sleep\07{marker}"));
        Assert.Empty(ProcessesWith($"sleep\08{marker}"));
    }

    [Fact]
    public async Task A_loader_variable_of_a_step_does_not_reach_the_programs_that_make_its_sandbox()
    {
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script("echo ran", environment: ("LD_PRELOAD", "/tmp/evil.so")), Payloads.Script("cat /proc/1/environ | tr '\\0' '\\n'", environment: ("LD_DEBUG", "all"))));
        await attempt.Ended.WaitAsync(Deadline);

        // Once for the step's own shell (and echo is built in); bubblewrap and setpriv would complain too if they had it.
        Assert.Equal(1, attempt.Log.Split("evil.so").Length - 1);
        Assert.DoesNotContain("bwrap: ", attempt.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_secret_is_on_no_command_line()
    {
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script("echo up; sleep 300", oidc: [], environment: ("PASSWORD", "hunter2-hunter2"))) with { GraceSeconds = 0 });
        await attempt.LogSaysAsync("up");

        var lines = Directory.EnumerateDirectories("/proc").Select(folder => Read(Path.Combine(folder, "cmdline"))).ToList();

        Assert.Contains(lines, line => line.Contains("bwrap", StringComparison.Ordinal));
        Assert.DoesNotContain(lines, line => line.Contains("hunter2-hunter2", StringComparison.Ordinal));
        Assert.DoesNotContain(lines, line => line.Contains(_plane.Logins.Tokens.Single(), StringComparison.Ordinal));
        _plane.Tell(attempt, HoldAnswers.Cancel);
        await attempt.Ended.WaitAsync(Deadline);
    }

    [Fact]
    public async Task The_attempts_folder_is_gone_when_the_attempt_is_even_if_a_step_locked_it()
    {
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script("mkdir -p a/b; touch a/b/c; ln -s / a/link; chmod 0 a/b a")));
        await attempt.Ended.WaitAsync(Deadline);
        var next = _plane.Enqueue(Payloads.Of(Payloads.Script("true")));
        await next.Ended.WaitAsync(Deadline);

        await Eventually.HoldsAsync(() => Task.FromResult(!Directory.Exists(Path.Combine(_runner.Settings.WorkFolder, "attempts", $"{attempt.Payload.Run}.1"))), "the folder is gone");
    }

    private static List<int> SleepersOnHost() => ProcessesWith("sleep\0300\0");

    private static List<int> ProcessesWith(string commandLine) =>
        [.. Directory.EnumerateDirectories("/proc")
            .Where(folder => Read(Path.Combine(folder, "cmdline")).Contains(commandLine, StringComparison.Ordinal))
            .Select(folder => int.Parse(Path.GetFileName(folder), null))];

    private static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    private static string TargetOf(string descriptor)
    {
        try
        {
            return File.ResolveLinkTarget(descriptor, false)?.Name ?? "";
        }
        catch (IOException)
        {
            return ""; // closed in the meantime
        }
    }

    private static long OwnerOf(string path)
    {
        using var stat = Process.Start(new ProcessStartInfo("stat", ["-c", "%u", path]) { RedirectStandardOutput = true })!;
        return long.Parse(stat.StandardOutput.ReadToEnd(), null);
    }

    private async Task<string> RunAsync(string script, bool expectEnd = true)
    {
        var attempt = _plane.Enqueue(Payloads.Of(Payloads.Script(script)));
        var end = await attempt.Ended.WaitAsync(Deadline);
        Assert.True(!expectEnd || end.Outcome == RunStates.Succeeded, $"{end.Outcome} {end.Reason}: {attempt.Log}");
        return attempt.Log;
    }
}
