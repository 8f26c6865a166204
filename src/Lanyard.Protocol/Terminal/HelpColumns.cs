using System.Text;
using System.Text.RegularExpressions;

namespace Lanyard.Protocol.Terminal;

/// <summary>Help of the programs that read their command line themselves: options on the left, what they mean on the right, wrapped where the terminal ends.</summary>
public static partial class HelpColumns
{
    /// <summary>Where no terminal reads: a file, a pipe.</summary>
    public const int NoTerminal = 80;

    private const string Margin = "  ";
    private const int LeastText = 24;

    /// <summary>Columns of the terminal that standard output is.</summary>
    public static int TerminalWidth()
    {
        if (Console.IsOutputRedirected) return NoTerminal;
        try
        {
            return Console.WindowWidth is > 0 and var width ? width : NoTerminal;
        }
        catch (IOException)
        {
            return NoTerminal;
        }
    }

    /// <summary>A line for each row, and more where its text needs them. A name that is longer than most stands in a line of its own.</summary>
    public static string Of(IReadOnlyList<(string Name, string Text)> rows, int width)
    {
        ArgumentNullException.ThrowIfNull(rows);
        var most = Math.Clamp(width * 2 / 5, 1, Math.Max(1, width - LeastText));
        var column = rows.Select(static row => row.Name.Length + Margin.Length * 2).Where(length => length <= most).DefaultIfEmpty(Margin.Length * 4).Max();
        var text = new StringBuilder();
        foreach (var (name, meaning) in rows)
        {
            var first = Margin + name;
            var stands = first.Length + Margin.Length <= column;
            if (!stands) text.Append(first).Append('\n');
            var lead = stands ? first.PadRight(column) : new string(' ', column);
            foreach (var line in Lines(meaning, Math.Max(width - column, LeastText)))
            {
                text.Append(lead).Append(line).Append('\n');
                lead = new string(' ', column);
            }
        }

        return text.ToString();
    }

    /// <summary>One paragraph behind a word, below which no line of it begins.</summary>
    public static string Paragraph(string head, string text, int width)
    {
        ArgumentNullException.ThrowIfNull(head);
        ArgumentNullException.ThrowIfNull(text);
        var indent = head.Length + 1;
        return $"{head} {string.Join("\n" + new string(' ', indent), Lines(text, Math.Max(width - indent, LeastText)))}\n";
    }

    /// <summary>A usage text, a line of it for each command or variable: what is too long for the terminal goes on below what it explains, else a little further in.</summary>
    public static string Usage(string text, int width)
    {
        ArgumentNullException.ThrowIfNull(text);
        return string.Join('\n', text.ReplaceLineEndings("\n").Split('\n').Select(line => line.Length <= width ? line : UsageLine(line, width)));
    }

    private static string UsageLine(string line, int width)
    {
        var words = Word().Matches(line);
        var start = words[words.Count > 1 && words[0].Value == "usage:" ? 1 : 0].Index;
        var column = words.Select(static word => word.Index).FirstOrDefault(at => at > start && line[at - 2] == ' ');
        var indent = Math.Min(column > 0 && column <= width * 2 / 5 ? column : start + Margin.Length * 2, Math.Max(0, width - LeastText));
        var text = new StringBuilder();
        var (used, end) = (0, 0);
        foreach (Match word in words)
        {
            var gap = word.Index - end;
            if (used > indent && used + gap + word.Length > width)
            {
                text.Append('\n');
                (used, gap) = (0, indent);
            }

            text.Append(' ', gap).Append(word.Value);
            (used, end) = (used + gap + word.Length, word.Index + word.Length);
        }

        return text.ToString();
    }

    /// <summary>What stands in brackets is one word.</summary>
    [GeneratedRegex(@"\[[^\]]*\]\S*|\S+")]
    private static partial Regex Word();

    /// <summary>Only blanks end a line: a word that is too long, such as a URL, stays whole.</summary>
    private static IEnumerable<string> Lines(string text, int width)
    {
        var line = new StringBuilder();
        foreach (var word in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.Length > 0 && line.Length + 1 + word.Length > width)
            {
                yield return line.ToString();
                line.Clear();
            }

            if (line.Length > 0) line.Append(' ');
            line.Append(word);
        }

        yield return line.ToString();
    }
}
