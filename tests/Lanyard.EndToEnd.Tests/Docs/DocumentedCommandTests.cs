using Lanyard.Testing;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Docs;

/// <summary>Every command line in every page is one that the program has, with options that it has: pages outlive the names that they were written with.</summary>
[Line("2.9")]
[Line("5.3")]
[Line("6.9")]
public sealed class DocumentedCommandTests
{
    private readonly DocumentedCommands _commands = new();

    [Fact]
    public async Task Every_command_and_option_that_a_page_shows_is_there()
    {
        var shown = DocumentedCommands.All();
        var wrong = new List<string>();
        foreach (var (page, words) in shown)
        {
            if (await _commands.WantingAsync(words) is { } wanting) wrong.Add($"{page}: lanyard {words}: {wanting}");
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        Assert.InRange(shown.Count, 150, int.MaxValue);
    }

    [Theory]
    [InlineData("Say `lanyard cluster regster --yes`.", "no command regster")]
    [InlineData("Say `lanyard gte workspaces`.", "no command gte")]
    [InlineData("```sh\n./lanyard run greet --folow\n```\n", "no option --folow")]
    [InlineData("```sh\numask 077; cat x | ./lanyard token \\\n  --audeince y > z\n```\n", "no option --audeince")]
    [InlineData("`lanyard trust-policy aws|azrue DEFINITION`", "no command aws|azrue")]
    [InlineData("`lanyard kubectl --cluster prod -- get pods --no-such-option`", null)]
    public async Task A_page_that_is_wrong_is_found(string page, string? wanting)
    {
        Assert.Equal(wanting, await _commands.WantingAsync(Assert.Single(DocumentedCommands.Of("page", page)).Words));
    }
}
