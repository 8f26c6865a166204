using System.Text.Json.Nodes;
using Lanyard.Cli.Resources;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Cli.Tests.Resources;

[Line("2.6")]
public sealed class PrintingTests
{
    [Theory]
    [InlineData("true")]
    [InlineData("12")]
    [InlineData("0x1f")]
    [InlineData("null")]
    [InlineData("~")]
    [InlineData("no")]
    [InlineData("")]
    [InlineData(" blank ")]
    [InlineData("a: b")]
    [InlineData("#x")]
    [InlineData("- x")]
    [InlineData("*a")]
    [InlineData("line\nline\n")]
    [InlineData("line\nline")]
    [InlineData("  lead\nline")]
    [InlineData("\nline\n\n")]
    [InlineData("tab\tand\u0001bell")]
    [InlineData("'\"\\")]
    [InlineData("ünïcödé 🙂")]
    [InlineData("repo:acme/*:ref:refs/heads/main")]
    public void Printed_YAML_reads_back_as_the_same_text(string text)
    {
        var node = new JsonObject { ["value"] = text, ["list"] = new JsonArray(text, text), [text.Length == 0 ? "empty" : text] = 1 };

        var (documents, mistakes) = YamlReader.Read(Printing.Yaml(node));

        Assert.Empty(mistakes);
        Assert.Equal(node.ToJsonString(), documents[0].Root!.ToJsonString());
    }

    [Fact]
    public void A_table_shows_no_character_that_steers_the_terminal()
    {
        var writer = new StringWriter();

        Printing.Table(writer, ["A"], [["\u001b[31mred\u0007"]]);

        Assert.DoesNotContain('\u001b', writer.ToString());
        Assert.DoesNotContain('\u0007', writer.ToString());
    }
}
