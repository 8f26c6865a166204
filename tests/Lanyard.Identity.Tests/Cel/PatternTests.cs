using Lanyard.Identity.Cel;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Cel;

/// <summary>Regular expressions mean what RE2 means by them, or are refused.</summary>
[Line("6.1")]
public sealed class PatternTests
{
    [Theory]
    [InlineData("^abc$", "abc", true)]
    [InlineData("^abc$", "abc\n", false)]
    [InlineData("(?m)^b$", "a\nb\nc", true)]
    [InlineData("^b$", "a\nb\nc", false)]
    [InlineData("a.c", "a\nc", false)]
    [InlineData("(?s)a.c", "a\nc", true)]
    [InlineData("^a.c$", "a😀c", true)]
    [InlineData("^[^x]$", "😀", true)]
    [InlineData("^[\\s\\S]$", "😀", true)]
    [InlineData("^😀{2}$", "😀😀", true)]
    [InlineData("^\\d+$", "١٢", false)]
    [InlineData("^\\w+$", "é", false)]
    [InlineData("^\\p{L}+$", "é", true)]
    [InlineData("^\\PN+$", "ab", true)]
    [InlineData("^\\s$", "\u00a0", false)]
    [InlineData("^[[:alpha:]_]+$", "ab_", true)]
    [InlineData("^[a\\-z]+$", "-az", true)]
    [InlineData("^[a\\-z]+$", "b", false)]
    [InlineData("^(?P<org>[a-z]+)/(?<repo>[a-z]+)$", "acme/web", true)]
    [InlineData("(?i)^ACME$", "acme", true)]
    [InlineData("^(?i:A)b$", "ab", true)]
    [InlineData("^(?i:A)b$", "aB", false)]
    [InlineData("^\\Qa.b\\E$", "a.b", true)]
    [InlineData("^\\Qa.b\\E$", "axb", false)]
    [InlineData("^a{2,3}$", "aaa", true)]
    [InlineData("^a{,3}$", "a{,3}", true)]
    [InlineData("^x{$", "x{", true)]
    [InlineData("^[]a]$", "]", true)]
    [InlineData("^\\x41\\x{1F600}$", "A😀", true)]
    [InlineData("^repo:acme/.+:ref:refs/heads/main\\z", "repo:acme/web:ref:refs/heads/main", true)]
    [InlineData("#a b", "#a b", true)]
    public void A_pattern_matches_as_in_RE2(string pattern, string text, bool expected)
    {
        Assert.True(BoundedPattern.TryCreate(pattern, 1000, out var compiled, out var problem), problem);
        Assert.Equal(expected, compiled.IsMatch(text));
    }

    [Theory]
    [InlineData("(?=a)")]
    [InlineData("(?!a)")]
    [InlineData("(?<=a)b")]
    [InlineData("(?<!a)b")]
    [InlineData("(?>a)")]
    [InlineData("(a)\\1")]
    [InlineData("\\bword\\b")]
    [InlineData("\\k<x>")]
    [InlineData("\\C")]
    [InlineData("\\p{Greek}")]
    [InlineData("a**")]
    [InlineData("*a")]
    [InlineData("a{2}{3}")]
    [InlineData("a{1001}")]
    [InlineData("(a")]
    [InlineData("a)")]
    [InlineData("[a")]
    [InlineData("[b-a]")]
    [InlineData("[😀-😂]")]
    [InlineData("(?x)a")]
    [InlineData("(?#c)")]
    [InlineData("(?(a)b|c)")]
    [InlineData("a\\")]
    [InlineData("((((a{100}){100}){100}){100})")]
    [InlineData("(a|b)*a(a|b){1000}(a|b){1000}")]
    [InlineData("(((((((((((a{2}){2}){2}){2}){2}){2}){2}){2}){2}){2}){2}){2}")]
    public void What_would_mean_something_else_or_cost_too_much_is_refused(string pattern) =>
        Assert.False(BoundedPattern.TryCreate(pattern, 1000, out _, out _));

    [Fact]
    public void A_pattern_that_kills_backtracking_engines_reads_the_text_once()
    {
        Assert.True(BoundedPattern.TryCreate("^(a+)+$", 1000, out var compiled, out _));

        Assert.False(compiled.IsMatch(new string('a', 100_000) + "b"));
    }
}
