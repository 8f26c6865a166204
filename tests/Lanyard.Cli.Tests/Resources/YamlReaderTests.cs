using Lanyard.Cli.Resources;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Cli.Tests.Resources;

[Line("2.6")]
public sealed class YamlReaderTests
{
    [Fact]
    public void Words_numbers_and_truths_are_read_as_the_core_schema_says()
    {
        var (documents, mistakes) = YamlReader.Read("a: yes\nb: true\nc: 12\nd: \"12\"\ne: 1.5\nf: ~\ng: 0x1f\nh: [~]\ni: no\nj: 1e3\n");

        Assert.Empty(mistakes);
        Assert.Equal(
            """{"a":"yes","b":true,"c":12,"d":"12","e":1.5,"f":null,"g":"0x1f","h":[null],"i":"no","j":1000}""",
            documents[0].Root!.ToJsonString());
    }

    [Theory]
    [InlineData("a: 1\na: 2\n", 2, "a", "twice")]
    [InlineData("a: &x 1\nb: 2\n", 1, "a", "anchors")]
    [InlineData("a: 1\nb:\n  <<: {c: 1}\n", 3, "b", "merge")]
    [InlineData("a: 1\nb: !!binary aGk=\n", 2, "b", "tag")]
    [InlineData("a: .nan\n", 1, "a", "number")]
    public void What_could_surprise_a_reader_is_a_mistake_with_its_line(string text, long line, string path, string word)
    {
        var (_, mistakes) = YamlReader.Read(text);

        var mistake = Assert.Single(mistakes);
        Assert.Equal(line, mistake.Line);
        Assert.Equal(path, mistake.Path);
        Assert.Contains(word, mistake.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Aliases_cannot_blow_a_small_file_up()
    {
        var (_, mistakes) = YamlReader.Read("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n");

        Assert.Equal(9, mistakes.Count);
    }

    [Fact]
    public void A_file_that_is_no_YAML_says_so_with_its_line_and_keeps_earlier_mistakes()
    {
        var (_, mistakes) = YamlReader.Read("a: 1\na: 2\nb: [1, 2\nc: }\n");

        Assert.Equal(2, mistakes.Count);
        Assert.Contains("twice", mistakes[0].Text, StringComparison.Ordinal);
        Assert.StartsWith("not YAML", mistakes[1].Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Nesting_is_bounded()
    {
        var (_, mistakes) = YamlReader.Read(new string('[', 5000));

        Assert.Contains("nested deeper", Assert.Single(mistakes).Text, StringComparison.Ordinal);
    }
}
