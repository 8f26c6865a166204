using System.Text.RegularExpressions;
using Lanyard.Testing;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Parts;

/// <summary>The real program in a real terminal, which <c>script</c> makes.</summary>
[Line("2.14")]
public sealed partial class HelpWidthTests
{
    [Theory]
    [InlineData("server", 60)]
    [InlineData("server", 132)]
    [InlineData("cluster-proxy", 60)]
    [InlineData("cluster-proxy", 132)]
    [InlineData("access-entry", 60)]
    [InlineData("credential", 60)]
    [InlineData("credential", 132)]
    [InlineData("kubectl", 60)]
    [InlineData("pipe", 60)]
    public async Task Help_fits_into_the_terminal(string command, int width)
    {
        var said = (await Command.RunAsync("script", ["-qec", $"stty cols {width}; exec '{Repo.Lanyard}' {command} --help", "/dev/null"])).Succeeded();

        var longest = Fitting(said).Max(static line => line.Length);
        Assert.InRange(longest, width - 20, width);
    }

    [Theory]
    [InlineData("server")]
    [InlineData("cluster-proxy")]
    [InlineData("access-entry")]
    [InlineData("kubeconfig")]
    [InlineData("credential")]
    [InlineData("pipe")]
    [InlineData("token")]
    public async Task Without_a_terminal_help_has_eighty_columns(string command)
    {
        var said = (await LanyardProcess.RunAsync([command, "--help"])).Succeeded();

        Assert.InRange(Fitting(said).Max(static line => line.Length), 60, 80);
    }

    /// <summary>All lines but those of a single word, such as a URL, which is never cut; without what only sets the terminal.</summary>
    private static IEnumerable<string> Fitting(string help) => TerminalSetting().Replace(help, "").ReplaceLineEndings("\n").Split('\n').Where(static line => line.Trim().Contains(' ', StringComparison.Ordinal));

    [GeneratedRegex(@"\e(\[\?[0-9]+[hl]|[=>])")]
    private static partial Regex TerminalSetting();
}
