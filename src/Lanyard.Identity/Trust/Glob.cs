namespace Lanyard.Identity.Trust;

/// <summary>
/// A pattern over claim values: <c>*</c> stands for one or more characters and never for <c>:</c> or <c>/</c>, so that it can't reach into
/// another segment of a subject; everything else stands for itself. There is no <c>**</c>, no <c>?</c>, no class: one rule, easily read.
/// Matching is iterative and at worst quadratic in bounded lengths.
/// </summary>
public sealed class Glob
{
    public const int MaxLength = 512;
    public const int MaxStars = 16;

    private readonly string _pattern;

    private Glob(string pattern) => _pattern = pattern;

    public static bool IsSeparator(char character) => character is ':' or '/';

    /// <param name="mistake">Why the pattern is refused.</param>
    public static Glob? TryParse(string pattern, out string? mistake)
    {
        ArgumentNullException.ThrowIfNull(pattern);
        mistake = pattern.Length is 0 or > MaxLength ? $"a glob has 1 to {MaxLength} characters"
            : pattern.Contains("**", StringComparison.Ordinal) ? "\"**\" is not supported: * never crosses \":\" or \"/\", list the shapes instead"
            : pattern.Count(c => c == '*') > MaxStars ? $"a glob has at most {MaxStars} stars"
            : pattern == "*" ? "a glob of nothing but * matches every value of one segment: name what is trusted"
            : null;
        return mistake is null ? new Glob(pattern) : null;
    }

    public bool Matches(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int p = 0, t = 0, star = -1, resume = 0;
        while (t < text.Length)
        {
            if (p < _pattern.Length && _pattern[p] == '*')
            {
                // A star takes at least one character.
                if (IsSeparator(text[t]))
                {
                    if (!Retry(text, star, ref resume, out p, out t))
                    {
                        return false;
                    }

                    continue;
                }

                star = p++;
                resume = ++t;
            }
            else if (p < _pattern.Length && _pattern[p] == text[t])
            {
                p++;
                t++;
            }
            else if (!Retry(text, star, ref resume, out p, out t))
            {
                return false;
            }
        }

        return p == _pattern.Length;
    }

    public override string ToString() => _pattern;

    /// <summary>Lets the last star take one character more.</summary>
    private static bool Retry(string text, int star, ref int resume, out int p, out int t)
    {
        p = star + 1;
        t = resume;
        if (star < 0 || resume >= text.Length || IsSeparator(text[resume]))
        {
            return false;
        }

        t = ++resume;
        return true;
    }
}
