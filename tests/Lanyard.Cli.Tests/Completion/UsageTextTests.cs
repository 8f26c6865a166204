using System.CommandLine;
using Lanyard.Cli.Completion;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Cli.Tests.Completion;

[Line("2.6")]
public sealed class UsageTextTests
{
    private const string Usage = """
        usage: lanyard fruit peel --with KNIFE [--slowly] [BASKET]
               lanyard fruit eat  FRUIT [--quick]
                                  [--spoon SPOON]
               lanyard pipe        everything is said by variables: --none

        BASKET: --basket NAME, or
                --box NAME
        BOWL:   --bowl NAME

        Whatever else there is to say of --colour is no option of anybody.
        """;

    [Theory]
    [InlineData("fruit peel", "--basket --box --slowly --with")]
    [InlineData("fruit eat", "--quick --spoon")]
    [InlineData("pipe", "--none")]
    public void A_command_has_the_options_of_its_lines_and_of_the_paragraphs_that_they_name(string path, string options)
    {
        var root = new Command("lanyard");
        UsageText.AddTo(root, Usage);

        var command = path.Split(' ').Aggregate(root, static (at, word) => at.Subcommands.Single(each => each.Name == word));
        Assert.Equal(options, string.Join(' ', command.Options.Select(static option => option.Name).Order(StringComparer.Ordinal)));
        Assert.Equal(["fruit", "pipe"], root.Subcommands.Select(static each => each.Name));
        Assert.Equal(["peel", "eat"], root.Subcommands[0].Subcommands.Select(static each => each.Name));
    }

    [Theory]
    [InlineData("lanyard fruit ", "eat peel")]
    [InlineData("lanyard fruit p", "peel")]
    [InlineData("/opt/bin/lanyard fruit peel --", "--basket --box --help --slowly --with")]
    [InlineData("lanyard fruit peel --slowly --b", "--basket --box")]
    [InlineData("lanyard fruit peel --with ", "")]
    [InlineData("lanyard fruit peel --with", "--with")]
    [InlineData("lanyard", "")]
    [InlineData("", "")]
    public void What_a_word_may_become_is_told_of_other_programs_too(string line, string words) =>
        Assert.Equal(words, string.Join(' ', new Suggestions(new RootCommand(), [Usage]).For([$"[suggest:{line.Length}]", line])));
}
