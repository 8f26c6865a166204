using Lanyard.Testing;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Parts;

/// <summary>The real program in real shells.</summary>
[Line("2.6")]
public sealed class ShellCompletionTests
{
    public static TheoryData<string, string> Lines => new()
    {
        { "clus", "cluster cluster-proxy" },
        { "cluster re", "register" },
        { "cache l", "list" },
        { "run hello --fol", "--follow" },
        { "server --data-d", "--data-dir" },
        { "cluster-proxy --authentication", "--authentication-config" },
        { "access-entry l", "lint list" },
        { "access-entry rbac --g", "--grant" },
        { "runner --conc", "--concurrency" },
        { "token --aud", "--audience" },
        { "kubectl --cluster prod --token-s", "--token-source" },
        { "credential ", "aws azure ecr eks gcp github kube rds vault" },
        { "credential aws --ro", "--role-arn" },
    };

    [Theory]
    [MemberData(nameof(Lines))]
    public async Task Bash_completes_commands_and_options(string typed, string words)
    {
        const string ask = """
            source <("$program" completion bash) || exit 9
            complete -p lanyard > /dev/null || exit 8
            COMP_LINE="$program $typed"
            COMP_POINT=${#COMP_LINE}
            _lanyard "$program"
            echo "${COMPREPLY[@]}"
            """;

        Assert.Equal(words, (await RunAsync("bash", ["--norc", "-c", ask], typed)).Succeeded());
    }

    /// <summary>Keys as a person types them, in a terminal of its own: what is completed is run.</summary>
    [Fact]
    public async Task A_tab_in_an_interactive_bash_types_the_rest()
    {
        const string keys = """
            bind 'set bell-style none'; source <(lanyard completion bash); PS1=
            """;
        var folder = Path.GetDirectoryName(Repo.Lanyard);
        var said = await Command.RunAsync(
            "script", ["-qec", "bash --norc -i", "/dev/null"], new Dictionary<string, string?> { ["PATH"] = $"{folder}:{Environment.GetEnvironmentVariable("PATH")}", ["TERM"] = "dumb" },
            $"{keys}\nlanyard access-en\tl\t\x15lanyard cluster regis\t--hel\t\nexit\n");

        Assert.Contains("lanyard cluster register [options]", said.Output, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Lines))]
    [Needs("fish")]
    public async Task Fish_completes_commands_and_options(string typed, string words)
    {
        const string ask = """
            $program completion fish | source; or exit 9
            complete -C "lanyard $typed"
            """;

        Assert.Equal(words, string.Join(' ', (await RunAsync("fish", ["--no-config", "-c", ask], typed)).Succeeded().Split('\n', StringSplitOptions.RemoveEmptyEntries)));
    }

    [Theory]
    [MemberData(nameof(Lines))]
    [Needs("zsh")]
    public async Task Zsh_completes_commands_and_options(string typed, string words)
    {
        // Its completion lives in the line editor alone: compadd and compdef stand in for what that gives.
        const string ask = """
            compdef() { }
            compadd() { shift; print -r -- "$@" }
            _files() { print files }
            source <("$program" completion zsh) || exit 9
            words=("$program" "${(@s: :)typed}"); CURRENT=$#words
            _lanyard
            """;

        Assert.Equal(words, (await RunAsync("zsh", ["-f", "-c", ask], typed)).Succeeded());
    }

    private static Task<CommandResult> RunAsync(string shell, string[] arguments, string typed) => Command.RunAsync(
        shell, arguments, new Dictionary<string, string?>
        {
            ["program"] = Repo.Lanyard, ["typed"] = typed, ["PATH"] = $"{Path.GetDirectoryName(Repo.Lanyard)}:{Environment.GetEnvironmentVariable("PATH")}",
        });
}
