using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;

namespace Lanyard.Identity.Cel;

/// <summary>
/// A regular expression of RE2's syntax and meaning that runs in time linear in the text. What the engine below can't do with the
/// same meaning is refused when the pattern is read (<see cref="PatternReader"/>).
/// </summary>
internal sealed class BoundedPattern
{
    private readonly Regex _regex;
    private readonly int _length;

    private BoundedPattern(Regex regex, int length)
    {
        _regex = regex;
        _length = length;
    }

    public static bool TryCreate(
        string pattern,
        int maxLength,
        [NotNullWhen(true)] out BoundedPattern? compiled,
        [NotNullWhen(false)] out string? problem)
    {
        compiled = null;
        problem = pattern.Length > maxLength ? $"the pattern is longer than {maxLength} characters" : null;
        if (problem is not null || !PatternReader.TryTranslate(pattern, out var translated, out problem))
        {
            return false;
        }

        try
        {
            compiled = new BoundedPattern(new Regex(translated, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant), pattern.Length);
            return true;
        }
        catch (Exception refused) when (refused is ArgumentException or NotSupportedException)
        {
            problem = "the pattern is malformed or too large";
            return false;
        }
    }

    /// <summary>As Kubernetes counts: a tenth of the text times a quarter of the pattern.</summary>
    public long CostOf(int textLength) => 1 + ((1 + (textLength / 10)) * (1L + (_length / 4)));

    public bool IsMatch(string text) => _regex.IsMatch(text);

    public Match Match(string text) => _regex.Match(text);
}
