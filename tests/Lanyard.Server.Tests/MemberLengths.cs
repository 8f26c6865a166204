using System.Text.RegularExpressions;

namespace Lanyard.Server.Tests;

/// <summary>Finds members with a block and how long they are, by the indentation that the formatter guarantees.</summary>
internal static partial class MemberLengths
{
    /// <returns>The line (from 1) of each member's opening brace, and the lines from there to its end.</returns>
    public static IEnumerable<(int Line, int Lines)> Of(string[] lines)
    {
        for (var i = 1; i < lines.Length; i++)
        {
            if (lines[i].TrimStart() != "{" || Indent(lines[i]) is not (4 or 8) || !IsMember(lines, i))
            {
                continue;
            }

            var end = Array.FindIndex(lines, i, line => line.TrimEnd() is var text && text.TrimStart() is "}" or "};" or "});" && Indent(text) == Indent(lines[i]));
            if (end > 0)
            {
                yield return (i + 1, end - i + 1);
            }
        }
    }

    /// <summary>Its head, on the lines above at the same indentation, begins with a modifier and declares no type.</summary>
    private static bool IsMember(string[] lines, int brace)
    {
        for (var i = brace - 1; i >= 0 && lines[i].Trim().Length > 0; i--)
        {
            if (Indent(lines[i]) == Indent(lines[brace]) && Modifier().IsMatch(lines[i].TrimStart()))
            {
                return !Type().IsMatch(lines[i]);
            }
        }

        return false;
    }

    private static int Indent(string line) => line.Length - line.TrimStart().Length;

    [GeneratedRegex(@"^(public|internal|private|protected)\b", RegexOptions.CultureInvariant)]
    private static partial Regex Modifier();

    [GeneratedRegex(@"\b(class|record|struct|interface|enum)\b", RegexOptions.CultureInvariant)]
    private static partial Regex Type();
}
