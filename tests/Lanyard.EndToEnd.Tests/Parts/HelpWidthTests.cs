using Lanyard.Testing;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Parts;

/// <summary>The real program in a real terminal, which <c>script</c> makes.</summary>
[Line("2.14")]
public sealed class HelpWidthTests
{
    [Theory]
    [InlineData("server", 60)]
    [InlineData("server", 132)]
    [InlineData("cluster-proxy", 60)]
    [InlineData("cluster-proxy", 132)]
    public async Task Help_fits_into_the_terminal(string command, int width)
    {
        var said = (await Command.RunAsync("script", ["-qec", $"stty cols {width}; exec '{Repo.Lanyard}' {command} --help", "/dev/null"])).Succeeded();

        var longest = Fitting(said).Max(static line => line.Length);
        Assert.InRange(longest, width - 20, width);
    }

    [Theory]
    [InlineData("server")]
    [InlineData("cluster-proxy")]
    public async Task Without_a_terminal_help_has_eighty_columns(string command)
    {
        var said = (await LanyardProcess.RunAsync([command, "--help"])).Succeeded();

        Assert.InRange(Fitting(said).Max(static line => line.Length), 60, 80);
    }

    /// <summary>All lines but those of a single word, such as a URL, which is never cut.</summary>
    private static IEnumerable<string> Fitting(string help) => help.ReplaceLineEndings("\n").Split('\n').Where(static line => line.Trim().Contains(' ', StringComparison.Ordinal));
}
