using System.Text.RegularExpressions;
using Lanyard.Identity.Trust;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Trust;

[Line("2.4")]
public sealed class GlobTests
{
    [Theory]
    [InlineData("repo:acme/*:ref:refs/heads/main", "repo:acme/app:ref:refs/heads/main", true)]
    [InlineData("repo:acme/*:ref:refs/heads/main", "repo:acme/:ref:refs/heads/main", false)]
    [InlineData("repo:acme/*:ref:refs/heads/main", "repo:acme/app/x:ref:refs/heads/main", false)]
    [InlineData("repo:acme/*:ref:refs/heads/main", "repo:acme/app:environment:x:ref:refs/heads/main", false)]
    [InlineData("repo:acme/*:ref:refs/heads/main", "repo:acme-evil/app:ref:refs/heads/main", false)]
    [InlineData("repo:acme/*", "repo:acme/app:ref:refs/heads/main", false)]
    [InlineData("release-*", "release-1", true)]
    [InlineData("release-*", "release-", false)]
    [InlineData("release-*", "pre-release-1", false)]
    [InlineData("*-release", "a-release-release", true)]
    [InlineData("a*b*c", "aXbXbXc", true)]
    [InlineData("a*b*c", "abc", false)]
    [InlineData("a*a", "aa", false)]
    [InlineData("a*a", "aaa", true)]
    [InlineData("a.c", "abc", false)]
    [InlineData("A*", "ab", false)]
    [InlineData("*:*", ":", false)]
    [InlineData("*:*", "a:b", true)]
    [InlineData("*:*", "a:b:c", false)]
    public void A_star_is_one_or_more_characters_of_one_segment(string pattern, string text, bool matches) =>
        Assert.Equal(matches, Glob.TryParse(pattern, out _)!.Matches(text));

    [Theory]
    [InlineData("")]
    [InlineData("*")]
    [InlineData("**")]
    [InlineData("repo:**")]
    [InlineData("a***b")]
    [InlineData("a*b*c*d*e*f*g*h*i*j*k*l*m*n*o*p*q*r")]
    public void A_glob_that_is_empty_or_too_wide_is_refused_with_a_reason(string pattern)
    {
        Assert.Null(Glob.TryParse(pattern, out var mistake));
        Assert.NotEmpty(mistake!);
    }

    /// <summary>Against the regular expression that the rule is, over texts that come close: all short ones, and many longer ones.</summary>
    [Fact]
    public void A_glob_never_matches_more_or_less_than_its_definition()
    {
        var random = new Random(20261121);
        var (matched, pairs) = (0, 0);
        for (var i = 0; i < 3000; i++)
        {
            var pattern = Text(random, "ab:/*", 1 + random.Next(8));
            if (Glob.TryParse(pattern, out _) is not { } glob) continue;
            var definition = new Regex($@"\A{Regex.Escape(pattern).Replace(@"\*", "[^:/]+", StringComparison.Ordinal)}\z", RegexOptions.Singleline | RegexOptions.CultureInvariant);
            for (var j = 0; j < 60; j++)
            {
                var text = j % 2 == 0 ? Text(random, "ab:/*\n", random.Next(9)) : Grown(random, pattern);
                Assert.True(definition.IsMatch(text) == glob.Matches(text), $"{pattern} on {text}");
                matched += glob.Matches(text) ? 1 : 0;
                pairs++;
            }
        }

        Assert.True(matched > pairs / 20, $"only {matched} of {pairs} matched: the texts do not come close");
    }

    [Fact]
    public void The_worst_pattern_on_the_longest_text_does_not_run_away()
    {
        var glob = Glob.TryParse(string.Concat(Enumerable.Repeat("*a", Glob.MaxStars)) + "b", out _)!;
        // Backtracking into every star would take longer than the test run; one pass for each star takes no time.
        Assert.False(glob.Matches(new string('a', 16 * 1024)));
    }

    private static string Text(Random random, string alphabet, int length) => new([.. Enumerable.Range(0, length).Select(_ => alphabet[random.Next(alphabet.Length)])]);

    /// <summary>The pattern with its stars filled, sometimes wrongly.</summary>
    private static string Grown(Random random, string pattern) =>
        string.Concat(pattern.Select(c => c == '*' ? Text(random, random.Next(4) == 0 ? "ab:/" : "ab", random.Next(4)) : c.ToString()));
}
