using Lanyard.Testing;
using Xunit;

namespace Lanyard.Cli.Tests.Completion;

[Line("2.6")]
public sealed class SuggestionTests : IDisposable
{
    private readonly CliRun _cli = new();

    public void Dispose() => _cli.Dispose();

    [Theory]
    [InlineData("lanyard clus", "cluster cluster-proxy")]
    [InlineData("./lanyard cluster re", "register")]
    [InlineData("lanyard   cluster   re", "register")]
    [InlineData("lanyard cache l", "list")]
    [InlineData("lanyard run hello --fol", "--follow")]
    [InlineData("lanyard run hello --follow --coll", "--collection")]
    [InlineData("lanyard get --outp", "--output")]
    [InlineData("lanyard get -o j", "json")]
    [InlineData("lanyard get -o ", "json table yaml")]
    [InlineData("lanyard get --server ", "")]
    [InlineData("lanyard cache list --key k --sc", "--scope")]
    [InlineData("lanyard runner --concurr", "--concurrency")]
    [InlineData("lanyard runner app", "approve")]
    [InlineData("lanyard completion ", "bash fish zsh")]
    [InlineData("lanyard get work", "workspaces")]
    [InlineData("lanyard delete r", "runners")]
    [InlineData("lanyard get workspaces work", "")]
    [InlineData("lanyard get workspaces --outp", "--output")]
    [InlineData("lanyard frobnicate ", "")]
    [InlineData("lanyard run hello --frobnicate", "")]
    public async Task A_word_is_completed_by_the_commands_and_options_that_there_are(string line, string words)
    {
        Assert.Equal(0, await _cli.RunAsync($"[suggest:{line.Length}]", line));
        Assert.Equal(words, string.Join(' ', _cli.Out.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries)));
        Assert.Empty(_cli.Error.ToString());
    }

    [Fact]
    public async Task All_commands_are_offered_and_no_option_before_a_hyphen_is_typed()
    {
        Assert.Equal(0, await _cli.RunAsync("[suggest:8]", "lanyard "));

        var words = _cli.Out.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Contains("server", words);
        Assert.Contains("revoke", words);
        Assert.DoesNotContain(words, static word => word.StartsWith('-') || word.StartsWith('/'));
    }

    [Theory]
    [InlineData("[suggest:12]", "lanyard clus nothing")]
    [InlineData("[suggest]", "lanyard clus")]
    [InlineData("[suggest:999]", "lanyard clus")]
    public async Task Only_what_stands_before_the_cursor_counts(string directive, string line)
    {
        Assert.Equal(0, await _cli.RunAsync(directive, line));
        Assert.Equal("cluster\ncluster-proxy\n", _cli.Out.ToString());
    }
}
