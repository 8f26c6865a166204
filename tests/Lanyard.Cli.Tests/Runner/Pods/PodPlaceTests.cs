using System.Text;
using Lanyard.Cli.Runner;
using Lanyard.Cli.Runner.Attempts;
using Lanyard.Cli.Runner.Pods;
using Lanyard.Cli.Runner.Sandbox;
using Lanyard.Testing;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Pods;

/// <summary>The two containers of a pod without Kubernetes: the wrapper is the first process of a PID namespace of its own, with several shells.</summary>
[Needs("bwrap")]
[Line("5.1")]
public sealed class PodPlaceTests : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-pod-").FullName;
    private readonly List<string> _told = [];
    private readonly PodPlace _place;
    private ChildProcess? _container;

    public PodPlaceTests()
    {
        Directory.CreateDirectory(Path.Combine(_folder, "control"));
        Directory.CreateDirectory(Path.Combine(_folder, "work"));
        _place = new PodPlace(Path.Combine(_folder, "control"), Path.Combine(_folder, "work"), new AttemptKey("run_1", 1), (reason, _) =>
        {
            _told.Add(reason);
            return Task.CompletedTask;
        });
    }

    public static TheoryData<string> Shells => [.. new[] { "/bin/sh", "/bin/bash", "/bin/busybox" }.Where(File.Exists)];

    public async ValueTask DisposeAsync()
    {
        _place.Dispose();
        if (_container is not null)
        {
            await _container.WaitForExitAsync(TimeSpan.FromSeconds(60));
            await _container.DisposeAsync();
        }

        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [MemberData(nameof(Shells))]
    public async Task Steps_have_their_environment_output_and_status(string shell)
    {
        await StartAsync(shell);

        Assert.Equal(("x y'z\n" + _folder + "/work\n", 0), await RunAsync(new StepCommand(["sh", "-c", "echo \"$A\"; pwd"], Variables(("A", "x y'z")), false)));
        Assert.Equal(("", 7), await RunAsync(new StepCommand(["sh", "-c", "exit 7"], Variables(), false)));
        Assert.Equal(("out\nerr\n", 3), await RunAsync(_place.Script("echo out\necho err >&2\nexit 3\n", Variables())));
        Assert.Equal(127, (await RunAsync(new StepCommand(["/no/such/program"], Variables(), false))).Status);
        Assert.Empty(_told);
    }

    [Theory]
    [MemberData(nameof(Shells))]
    public async Task What_a_step_leaves_behind_is_dead_before_the_next_begins(string shell)
    {
        await StartAsync(shell);
        await RunAsync(_place.Script("setsid sleep 600 &\n(sleep 600 &)\nsleep 600 &\necho left\n", Variables()));

        var (output, status) = await RunAsync(_place.Script("for p in /proc/[0-9]*; do IFS= read -r c < $p/comm; echo $c; done", Variables()));
        Assert.Equal(0, status);
        Assert.DoesNotContain("sleep", output, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Shells))]
    public async Task A_script_hears_TERM_with_its_children_and_a_program_alone(string shell)
    {
        await StartAsync(shell);
        using (var script = await _place.StartAsync(_place.Script("echo begun; sleep 600; echo never", Variables())))
        {
            await WaitForAsync(script, "begun");
            Assert.True(script.Terminate());
            Assert.Equal(15, (await script.WaitAsync()).Signal);
        }

        using var program = await _place.StartAsync(
            new StepCommand(["sh", "-c", "trap 'kill -0 $child && echo helper lives; exit 0' TERM; sleep 600 & child=$!; echo begun; wait"], Variables(), false));
        await WaitForAsync(program, "begun");
        program.Terminate();
        var said = await new StreamReader(program.Output).ReadToEndAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, (await program.WaitAsync()).ExitCode);
        Assert.Contains("helper lives", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_step_that_ignores_TERM_is_killed()
    {
        await StartAsync("/bin/sh");
        using var step = await _place.StartAsync(_place.Script("trap '' TERM; echo begun; sleep 600", Variables()));
        await WaitForAsync(step, "begun");
        step.Terminate();
        step.Kill();
        Assert.Equal(9, (await step.WaitAsync()).Signal);
    }

    [Fact]
    public async Task Much_output_waits_for_its_reader_and_arrives_whole()
    {
        await StartAsync("/bin/sh");
        using var step = await _place.StartAsync(_place.Script("head -c 20000000 /dev/zero", Variables()));
        var buffer = new byte[64 * 1024];
        long total = 0;
        while (await step.Output.ReadAsync(buffer, TestContext.Current.CancellationToken) is > 0 and var read)
        {
            total += read;
        }

        Assert.Equal((20_000_000, 0), (total, (await step.WaitAsync()).ExitCode));
    }

    [Fact]
    public async Task A_container_that_dies_is_noticed_at_once_and_no_step_begins_in_it()
    {
        await StartAsync("/bin/sh");
        using var step = await _place.StartAsync(_place.Script("echo begun; sleep 600", Variables()));
        await WaitForAsync(step, "begun");
        await _container!.DisposeAsync();
        _container = null;

        await Assert.ThrowsAsync<IOException>(step.WaitAsync);
        await Assert.ThrowsAsync<IOException>(() => _place.StartAsync(new StepCommand(["true"], Variables(), false)));
    }

    [Fact]
    public async Task When_the_other_container_is_gone_the_step_is_killed_and_the_container_ends()
    {
        await StartAsync("/bin/sh");
        using var step = await _place.StartAsync(_place.Script("echo begun; sleep 600", Variables()));
        await WaitForAsync(step, "begun");
        _place.Dispose();
        await _container!.WaitForExitAsync(TimeSpan.FromSeconds(60));
    }

    [Fact]
    [Line("5.6")]
    public async Task A_plan_is_brought_into_the_steps_folder_and_fetched_from_it_and_no_link_there_leads_elsewhere()
    {
        await StartAsync("/bin/sh");
        Assert.True(_place.WriteFile("src/network/main.tf", "resource"u8));
        Assert.True(_place.WriteFile("lanyard-plan.tgz", "bundle"u8));
        var (output, status) = await RunAsync(_place.Script("cat src/network/main.tf lanyard-plan.tgz; echo planned > lanyard-plan.json; echo more > src/network/lock; ln -sf /etc/passwd lanyard-plan.tgz; mkfifo pipe", Variables()));

        Assert.Equal(("resourcebundle", 0), (output, status));
        Assert.Equal("planned\n", Encoding.UTF8.GetString(_place.ReadFile("lanyard-plan.json", 100)!));
        Assert.Null(_place.ReadFile("lanyard-plan.json", 7));
        foreach (var name in (string[])["lanyard-plan.tgz", "pipe", "src", "nothing"]) Assert.Null(_place.ReadFile(name, 1 << 20));
        Assert.Equal((UnixFileMode)0b110_110_000, File.GetUnixFileMode(Path.Combine(_folder, "work", "src", "network", "main.tf")));
        Assert.True(File.GetUnixFileMode(Path.Combine(_folder, "work", "src", "network")).HasFlag(UnixFileMode.GroupWrite | UnixFileMode.SetGroup));
    }

    [Fact]
    public async Task Outside_a_container_the_wrapper_does_nothing()
    {
        var refused = await Command.RunAsync("/bin/sh", ["-c", StepWrapper.Text(Path.Combine(_folder, "control"))]);
        Assert.Equal(125, refused.ExitCode);
    }

    [Fact]
    public void Steps_can_read_what_they_are_given_through_their_group_and_others_can_not()
    {
        var control = Path.Combine(_folder, "control");
        _place.Script("true", Variables());
        Assert.Equal(UnixFileMode.None, File.GetUnixFileMode(Path.Combine(control, "script-1")) & (UnixFileMode)0b000_000_111);
        Assert.True(File.GetUnixFileMode(Path.Combine(control, "script-1")).HasFlag(UnixFileMode.GroupRead));
        Assert.Equal(UnixFileMode.None, File.GetUnixFileMode(Path.Combine(control, StepWrapper.Results)) & (UnixFileMode)0b000_000_111);
    }

    private static Dictionary<string, string> Variables(params (string Name, string Value)[] more) => more.ToDictionary(static one => one.Name, static one => one.Value);

    private async Task StartAsync(string shell)
    {
        string[] words = shell == "/bin/busybox" ? [shell, "sh"] : [shell];
        _container = ChildProcess.Start(
            "bwrap",
            ["--dev-bind", "/", "/", "--proc", "/proc", "--unshare-pid", "--as-pid-1", "--die-with-parent", "--", .. words, "-c", StepWrapper.Text(Path.Combine(_folder, "control"))]);
        await _place.Ready.WaitAsync(TimeSpan.FromSeconds(120), TestContext.Current.CancellationToken);
    }

    private async Task<(string Output, int? Status)> RunAsync(StepCommand command)
    {
        using var step = await _place.StartAsync(command);
        var output = await new StreamReader(step.Output, Encoding.UTF8).ReadToEndAsync(TestContext.Current.CancellationToken);
        return (output, (await step.WaitAsync()).ExitCode);
    }

    private static async Task WaitForAsync(RunningStep step, string word)
    {
        var buffer = new byte[word.Length + 1];
        await step.Output.ReadExactlyAsync(buffer, TestContext.Current.CancellationToken);
        Assert.Equal(word + "\n", Encoding.UTF8.GetString(buffer));
    }
}
