using System.Text;

namespace Lanyard.Identity.Tokens;

/// <summary>
/// Names a claim: the exact name of one (<c>repository_owner_id</c>, <c>https://acme.example/team</c>), or else a dotted path into objects
/// (<c>kubernetes\.io.namespace</c>, where <c>\.</c> is a dot inside a name and <c>\\</c> a backslash). The exact name is tried first.
/// </summary>
public sealed class ClaimPath
{
    private const int MaxLength = 512;

    private readonly string[] _segments;

    private ClaimPath(string text, string[] segments)
    {
        Text = text;
        _segments = segments;
    }

    public string Text { get; }

    /// <summary>Never empty.</summary>
    internal ReadOnlySpan<string> Segments => _segments;

    /// <returns>Null when the text is empty, too long, has an empty segment or an unknown escape.</returns>
    public static ClaimPath? TryParse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.Length is 0 or > MaxLength)
        {
            return null;
        }

        var segments = new List<string>();
        var current = new StringBuilder();
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '\\')
            {
                if (++i == text.Length || text[i] is not ('.' or '\\'))
                {
                    return null;
                }

                current.Append(text[i]);
            }
            else if (text[i] == '.')
            {
                segments.Add(current.ToString());
                current.Clear();
            }
            else
            {
                current.Append(text[i]);
            }
        }

        segments.Add(current.ToString());
        return segments.Contains("") ? null : new ClaimPath(text, [.. segments]);
    }

    public override string ToString() => Text;
}
