using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;

namespace Lanyard.Identity.Cel;

/// <summary>
/// A regular expression of RE2's syntax and meaning that runs in time linear in the text. What the engine below can't do with the
/// same meaning is refused when the pattern is read (<see cref="PatternReader"/>).
/// </summary>
internal sealed class BoundedPattern
{
    private const int ManyItems = 64;

    private readonly Regex _regex;
    private readonly int _weight;

    private BoundedPattern(Regex regex, int size)
    {
        _regex = regex;
        _weight = size <= ManyItems ? 1 + (size / 4) : size;
        IsLarge = size > ManyItems;
    }

    /// <summary>The engine's automaton may take megabytes: not to be kept with a program.</summary>
    public bool IsLarge { get; }

    public static bool TryCreate(
        string pattern,
        int maxLength,
        [NotNullWhen(true)] out BoundedPattern? compiled,
        [NotNullWhen(false)] out string? problem)
    {
        compiled = null;
        problem = pattern.Length > maxLength ? $"the pattern is longer than {maxLength} characters" : null;
        if (problem is not null || !PatternReader.TryTranslate(pattern, out var translated, out var size, out problem))
        {
            return false;
        }

        try
        {
            compiled = new BoundedPattern(new Regex(translated, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant), size);
            return true;
        }
        catch (Exception refused) when (refused is ArgumentException or NotSupportedException)
        {
            problem = "the pattern is malformed or too large";
            return false;
        }
    }

    /// <summary>Like Kubernetes a tenth of the text times a quarter of the pattern, its counts written out; large patterns cost fourfold.</summary>
    public long CostOf(int textLength) => 1 + ((1 + (textLength / 10)) * (long)_weight);

    public bool IsMatch(string text) => _regex.IsMatch(text);

    public Match Match(string text) => _regex.Match(text);
}
