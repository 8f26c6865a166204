using System.Text;

namespace Lanyard.Protocol.Terminal;

/// <summary>Help of the programs that read their command line themselves: options on the left, what they mean on the right, wrapped where the terminal ends.</summary>
public static class HelpColumns
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
