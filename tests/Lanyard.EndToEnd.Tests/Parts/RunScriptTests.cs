using System.Text.Json.Nodes;
using Lanyard.Testing;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Parts;

/// <summary>What a newcomer types first: <c>./run</c> in a fresh copy of the checkout, and what is said where the SDK is missing.</summary>
[Line("2.15")]
[Needs("bwrap")]
public sealed class RunScriptTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateDirectory($"/var/tmp/lanyard-newcomer-{Guid.NewGuid():N}");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task A_fresh_copy_builds_and_its_first_run_is_verified_by_a_stranger()
    {
        await CopyCheckoutAsync();

        var said = await Command.RunAsync(Path.Combine(_folder.FullName, "run"), ["--once", "--json"], deadline: TimeSpan.FromMinutes(12)); // It builds everything, beside other tests.

        var result = JsonNode.Parse(said.Succeeded())!.AsObject();
        Assert.Equal(
            ["audience", "claims", "issuer", "run", "secondsToFirstRun", "state", "subject", "verified"],
            result.Select(static member => member.Key).Order(StringComparer.Ordinal));
        Assert.True(result["verified"]!.GetValue<bool>());
        Assert.Equal("succeeded", result["state"]!.GetValue<string>());
        Assert.Equal(result["subject"]!.GetValue<string>(), result["claims"]!["sub"]!.GetValue<string>());
        Assert.Equal(result["issuer"]!.GetValue<string>(), result["claims"]!["iss"]!.GetValue<string>());
        Assert.Equal(result["run"]!.GetValue<string>(), result["claims"]!["run"]!.GetValue<string>());
        Assert.InRange(result["secondsToFirstRun"]!.GetValue<double>(), 0.01, 60);
        Assert.DoesNotContain("eyJ", said.Output, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Path.Combine(_folder.FullName, ".lanyard")));
    }

    [Fact]
    public async Task A_terminated_demo_takes_its_server_and_its_runner_with_it_and_leaves_no_scratch_folder()
    {
        var temporary = _folder.CreateSubdirectory("tmp");
        File.SetUnixFileMode(temporary.FullName, (UnixFileMode)0b111_001_001);
        var environment = new Dictionary<string, string?> { ["TMPDIR"] = temporary.FullName };
        await using var demo = ChildProcess.Start("sh", ["-c", $"exec '{Repo.Lanyard}' demo --listen 127.0.0.1:0"], environment, _folder.FullName);
        await demo.WaitForLineAsync("The server stays up", TimeSpan.FromSeconds(90));
        var children = Children(demo.Id);
        Assert.Equal(2, children.Count);

        demo.Signal(15);

        Assert.Equal(130, await demo.WaitForExitAsync());
        foreach (var child in children) Assert.False(IsAlive(child), $"{child} lives on");
        Assert.Empty(temporary.EnumerateDirectories("lanyard-demo-*"));
    }

    [Fact]
    public async Task A_demo_whose_port_is_taken_says_so_and_shows_no_stack()
    {
        using var other = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        other.Start();

        var said = await Command.RunAsync("sh", ["-c", $"cd '{_folder.FullName}' && exec '{Repo.Lanyard}' demo --listen {other.LocalEndpoint}"]);

        Assert.Equal(4, said.ExitCode);
        Assert.Contains($"the demo's server did not come up; it said:\n  lanyard server: --listen {other.LocalEndpoint}: Address already in use", said.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", said.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Help_names_every_command_of_the_one_entry_point()
    {
        var help = (await LanyardProcess.RunAsync(["--help"])).Succeeded();

        foreach (var word in (string[])["server", "cluster-proxy", "runner", "token", "kubectl", "kubeconfig", "run ", "logs", "cancel", "apply", "explain", "audit", "pipe", "access-entry"])
            Assert.Contains("\n  " + word, help, StringComparison.Ordinal);
        Assert.Contains("lanyard runner [options]", (await LanyardProcess.RunAsync(["runner", "--help"])).Succeeded(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("help", "--version")]
    [InlineData("help run", "--follow")]
    [InlineData("help cluster register", "--kubeconfig")]
    [InlineData("help server", "--data-dir")]
    [InlineData("server --data-dir elsewhere --help", "--public-url")]
    [InlineData("help cluster-proxy", "--authentication-config")]
    [InlineData("cluster-proxy -h", "--authentication-config")]
    [InlineData("access-entry list --help", "lanyard access-entry list")]
    [InlineData("token --audience x --help", "--audience AUDIENCE")]
    public async Task Help_is_given_wherever_it_is_asked_for_and_nothing_is_begun(string line, string word)
    {
        var said = await LanyardProcess.RunAsync(line.Split(' '));

        Assert.Contains(word, said.Succeeded(), StringComparison.Ordinal);
        Assert.Empty(said.Errors);
        Assert.False(Directory.Exists(Path.Combine(Repo.Root, "elsewhere")));
    }

    [Theory]
    [InlineData("run")]
    [InlineData("test")]
    public async Task Where_the_SDK_is_missing_the_command_says_so_and_how_to_get_it(string command)
    {
        var said = await WithoutSdkAsync($"./{command}");

        Assert.Equal(3, said.ExitCode);
        Assert.Contains("The .NET 10 SDK is missing", said.Errors, StringComparison.Ordinal);
        Assert.Contains("--yes", said.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Told_yes_it_installs_the_SDK_to_the_users_folder_with_the_official_script()
    {
        // Nothing but the package feeds can be reached here, so the script that curl would bring is a double of it: it leaves a program that knows SDK 10.
        var installer = """
            while [ $# -gt 0 ]; do case $1 in --install-dir) dir=$2 ;; --channel) [ "$2" = 10.0 ] || exit 9 ;; esac; shift; done
            mkdir -p "$dir"
            printf '#!/bin/sh\n[ "$1" = --list-sdks ] && echo "10.0.100 [here]" || { echo "built with $*"; exit 7; }\n' > "$dir/dotnet"
            chmod 755 "$dir/dotnet"
            """;
        await File.WriteAllTextAsync(Path.Combine(_folder.FullName, "installer"), installer);
        var curl = """
            #!/bin/bash
            while [ $# -gt 0 ]; do case $1 in -o) out=$2 ;; https://dot.net/v1/dotnet-install.sh) asked=1 ;; esac; shift; done
            [ "${asked:-}" = 1 ] && cp "$INSTALLER" "$out"
            """;

        var said = await WithoutSdkAsync("./run --yes --once", curl);

        Assert.True(File.Exists(Path.Combine(_folder.FullName, "home", ".dotnet", "dotnet")), said.Errors);
        Assert.Contains("built with build", said.Errors + said.Output, StringComparison.Ordinal);
    }

    /// <summary>A PATH with the system's tools but without dotnet, and a HOME without one.</summary>
    private async Task<CommandResult> WithoutSdkAsync(string command, string? curl = null)
    {
        var copy = _folder.CreateSubdirectory("copy").FullName;
        await CopyCheckoutAsync(copy);
        var bin = _folder.CreateSubdirectory("bin").FullName;
        foreach (var tool in (string[])["bash", "sh", "env", "dirname", "readlink", "grep", "sed", "find", "mkdir", "mktemp", "rm", "cp", "chmod", "touch", "mv", "flock", "cat", "cut", "sort"])
            File.CreateSymbolicLink(Path.Combine(bin, tool), (await Command.RunAsync("sh", ["-c", $"command -v {tool}"])).Succeeded().Trim());
        if (curl is not null)
        {
            await File.WriteAllTextAsync(Path.Combine(bin, "curl"), curl);
            File.SetUnixFileMode(Path.Combine(bin, "curl"), (UnixFileMode)0b111_101_101);
        }

        var environment = new Dictionary<string, string?>
        {
            ["PATH"] = bin,
            ["HOME"] = _folder.CreateSubdirectory("home").FullName,
            ["DOTNET_ROOT"] = null,
            ["DOTNET_INSTALL_DIR"] = null,
            ["INSTALLER"] = Path.Combine(_folder.FullName, "installer"),
        };
        return await Command.RunAsync(Path.Combine(bin, "sh"), ["-c", $"cd '{copy}' && {command}"], environment);
    }

    /// <summary>What git would bring: the tracked files, and nothing that was built.</summary>
    private async Task CopyCheckoutAsync(string? to = null) => (await Command.RunAsync(
        "sh", ["-c", "cd \"$1\" && { git ls-files -z 2> /dev/null || find . -type f -not -path './artifacts/*' -not -path './.git/*' -print0; } | tar --null -T - -c | tar -x -C \"$2\"", "-", Repo.Root, to ?? _folder.FullName],
        deadline: TimeSpan.FromMinutes(1))).Succeeded();

    private static List<int> Children(int parent) =>
        [.. Directory.GetDirectories("/proc").Select(static folder => Path.GetFileName(folder)).Where(static name => int.TryParse(name, out _)).Select(int.Parse).Where(id => ParentOf(id) == parent)];

    private static int ParentOf(int process)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{process}/stat");
            return int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return 0;
        }
    }

    private static bool IsAlive(int process)
    {
        try
        {
            return !File.ReadAllText($"/proc/{process}/stat").Contains(") Z ", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }
}
