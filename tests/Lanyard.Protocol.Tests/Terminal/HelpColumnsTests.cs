using Lanyard.Protocol.Terminal;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Protocol.Tests.Terminal;

[Line("2.14")]
public sealed class HelpColumnsTests
{
    private static readonly (string, string)[] Rows =
    [
        ("--listen ADDRESS:PORT", "where it listens, and what that means for those who call"),
        ("--plain", "short"),
        ("--a-name-that-is-much-longer-than-all-of-the-others URL", "of https://example.org/a/word/that/is/longer/than/the/whole/column/of/text the rest"),
    ];

    [Fact]
    public void Text_is_wrapped_in_its_column_and_a_long_name_has_a_line_of_its_own() => Assert.Equal(
        """
          --listen ADDRESS:PORT  where it listens, and what that means
                                 for those who call
          --plain                short
          --a-name-that-is-much-longer-than-all-of-the-others URL
                                 of
                                 https://example.org/a/word/that/is/longer/than/the/whole/column/of/text
                                 the rest

        """,
        HelpColumns.Of(Rows, 63));

    [Theory]
    [InlineData(40)]
    [InlineData(80)]
    [InlineData(200)]
    public void No_line_is_longer_than_the_terminal_but_for_a_single_word(int width)
    {
        foreach (var line in HelpColumns.Of(Rows, width).Split('\n'))
            Assert.True(line.Length <= width || !line.Trim().Contains(' ', StringComparison.Ordinal) || line.TrimStart().StartsWith("--a-name", StringComparison.Ordinal), line);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(int.MaxValue)]
    public void No_width_is_odd_enough_to_lose_a_word(int width)
    {
        var help = HelpColumns.Of(Rows, width) + HelpColumns.Paragraph("Usage:", "lanyard x --first A --second B", width);

        foreach (var word in Rows.SelectMany(static row => (row.Item1 + ' ' + row.Item2).Split(' ')).Append("--second")) Assert.Contains(word, help, StringComparison.Ordinal);
    }

    [Fact]
    public void A_paragraph_hangs_behind_its_first_word() =>
        Assert.Equal("Usage: lanyard cluster-proxy --kubeconfig\n       FILE --listen ADDRESS:PORT\n", HelpColumns.Paragraph("Usage:", "lanyard cluster-proxy --kubeconfig FILE --listen ADDRESS:PORT", 42));

    private const string UsageText = """
        usage: lanyard thing list  --file FILE
               lanyard thing make  --file FILE [--extra KEY=VALUE,...] [--grant ROLE:SPACE[:NAME]]... [--name NAME]

        FILE:  of things, which are found by themselves where nobody names one
        lint ends with 1 where there are warnings, with 2 where there are mistakes
        """;

    [Fact]
    public void A_usage_line_goes_on_below_what_it_explains_and_what_stands_in_brackets_stays_together() => Assert.Equal(
        """
        usage: lanyard thing list  --file FILE
               lanyard thing make  --file FILE
                   [--extra KEY=VALUE,...]
                   [--grant ROLE:SPACE[:NAME]]...
                   [--name NAME]

        FILE:  of things, which are found by themselves
               where nobody names one
        lint ends with 1 where there are warnings, with 2
            where there are mistakes
        """,
        HelpColumns.Usage(UsageText, 50));

    [Fact]
    public void Usage_that_fits_is_left_as_it_is() => Assert.Equal(UsageText, HelpColumns.Usage(UsageText, 132));

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(23)]
    [InlineData(79)]
    public void Wrapped_usage_loses_no_word(int width) =>
        Assert.Equal(UsageText.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries), HelpColumns.Usage(UsageText, width).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
}
