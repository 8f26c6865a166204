using System.Buffers;

namespace Lanyard.Cli.Runner.Logs;

/// <summary>
/// Output with the line breaks taken out that stand in base64, as <c>base64</c>, <c>openssl</c> and mail write it: a line whose end is that many characters of the alphabet goes on in the next
/// one, indented or not. A secret stands anywhere in what was encoded, and so is broken anywhere. Lines of words are not joined, and are not held back for what might follow.
/// </summary>
internal sealed class JoinedLines
{
    private const int LeastLine = 40;
    private const int MostIndent = 64;
    private static readonly SearchValues<byte> s_alphabet = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"u8);

    private readonly ArrayBufferWriter<byte> _text = new();

    /// <summary>Where each one stood in the text without them, and how much was taken out until then.</summary>
    private readonly List<(int At, int Taken)> _breaks = [];

    private JoinedLines()
    {
    }

    /// <param name="before">So many characters of the alphabet stand right before the window.</param>
    /// <returns>Null where nothing is to be joined.</returns>
    public static JoinedLines? Of(ReadOnlySpan<byte> window, int before)
    {
        JoinedLines? joined = null;
        var (copied, taken) = (0, 0);
        for (var end = EndOfLine(window, 0); end < window.Length; end = EndOfLine(window, Math.Max(copied, end + 1)))
        {
            if (RunAtEnd(window[..end], before) < LeastLine) continue;
            var next = BehindBreak(window, end);
            joined ??= new();
            joined._text.Write(window[copied..end]);
            joined._breaks.Add((joined._text.WrittenCount, taken += next - end));
            copied = next;
        }

        joined?._text.Write(window[copied..]);
        return joined;
    }

    /// <summary>How many characters of the alphabet stand at the end, no more than matter.</summary>
    /// <param name="before">So many stand right before.</param>
    public static int RunAtEnd(ReadOnlySpan<byte> window, int before)
    {
        var last = window[^Math.Min(window.Length, LeastLine)..];
        var other = last.LastIndexOfAnyExcept(s_alphabet);
        return other >= 0 || last.Length == LeastLine ? last.Length - other - 1 : Math.Min(LeastLine, last.Length + before);
    }

    /// <summary>All places of the patterns, as they stand in the window that it was made of, in their order.</summary>
    public List<Place> Find(PatternSet patterns)
    {
        var places = new List<Place>();
        var text = _text.WrittenSpan;
        for (var at = patterns.Find(text, 0, out var length, out var isCut); at < text.Length; at = patterns.Find(text, at + 1, out length, out isCut))
        {
            var start = InWindow(at);
            places.Add(new(start, length == 0 ? 0 : InWindow(at + length - 1) + 1 - start, isCut));
        }

        return places;
    }

    /// <summary>The first line feed, or the carriage return right before it; one at the window's end may have its line feed still to come.</summary>
    private static int EndOfLine(ReadOnlySpan<byte> window, int from)
    {
        var feed = window[from..].IndexOf((byte)'\n');
        var end = feed < 0 ? window.Length : from + feed;
        return end > from && window[end - 1] == '\r' ? end - 1 : end;
    }

    private static int BehindBreak(ReadOnlySpan<byte> window, int end)
    {
        var next = end;
        if (window[next] == '\r') next++;
        if (next < window.Length) next++;
        var indent = window[next..].IndexOfAnyExcept((byte)' ', (byte)'\t');
        if (indent < 0) indent = window.Length - next;
        return next + Math.Min(indent, MostIndent);
    }

    private int InWindow(int at)
    {
        var taken = 0;
        foreach (var one in _breaks)
        {
            if (one.At > at) break;
            taken = one.Taken;
        }

        return at + taken;
    }
}

/// <summary>Where a pattern was found.</summary>
/// <param name="Length">Of the longest complete one; 0: all are cut off.</param>
/// <param name="IsCut">One is cut off by the end of the window.</param>
internal readonly record struct Place(int At, int Length, bool IsCut);
