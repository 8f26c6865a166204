using Lanyard.Testing;
using Xunit;

namespace Lanyard.Cli.Tests;

/// <summary>A command line that is wrong is answered with what is wrong, what was meant, and where help is.</summary>
[Line("2.9")]
public sealed class ParseMistakeTests : IDisposable
{
    private readonly CliRun _cli = new();

    public void Dispose() => _cli.Dispose();

    [Theory]
    [InlineData("gte workspaces", "there is no command gte here; did you mean get?\nSee lanyard --help.\n")]
    [InlineData("cluster regster", "there is no command regster here; did you mean register?\nSee lanyard cluster --help.\n")]
    [InlineData("run hello --folow", "there is no option --folow here; did you mean --follow?\nSee lanyard run --help.\n")]
    [InlineData("run hello --sever x", "there is no option --sever here; did you mean --server?\nthere is no argument x here\nSee lanyard run --help.\n")]
    [InlineData("runs --frobnicate", "there is no option --frobnicate here\nSee lanyard runs --help.\n")]
    [InlineData("get workspaces --outptu json", "there is no option --outptu here; did you mean --output?\nthere is no argument json here\nSee lanyard get --help.\n")]
    [InlineData("get workspaces -o xml", "--output xml: one of table, json, yaml is wanted\nSee lanyard get --help.\n")]
    [InlineData("run hello --priority high", "--priority high: a whole number is wanted\nSee lanyard run --help.\n")]
    [InlineData("cancel", "<run> is missing: run_…\nSee lanyard cancel --help.\n")]
    [InlineData("policy", "lanyard policy: which command? test.\nSee lanyard policy --help.\n")]
    public async Task A_mistake_is_told_with_what_was_meant(string line, string words)
    {
        Assert.Equal(2, await _cli.RunAsync(line.Split(' ')));
        Assert.Equal(words, _cli.Error.ToString());
    }

    [Theory]
    [InlineData("get workspaces demo")]
    [InlineData("get workspaces")]
    [InlineData("logs")]
    [InlineData("frobnicate")]
    [InlineData("cluster")]
    public async Task What_looks_like_a_token_is_repeated_by_none(string line)
    {
        const string token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln";

        Assert.Equal(2, await _cli.RunAsync([.. line.Split(' '), token]));
        Assert.DoesNotContain(token, _cli.Error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Help_names_the_formats_as_they_are_typed()
    {
        Assert.Equal(0, await _cli.RunAsync("get", "--help"));
        Assert.Contains("--output <table|json|yaml>", _cli.Out.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nothing_said_is_answered_with_the_commands()
    {
        Assert.Equal(2, await _cli.RunAsync());
        Assert.Contains("lanyard: which command? server, cluster-proxy, ", _cli.Error.ToString(), StringComparison.Ordinal);
    }
}
