using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Lanyard.Identity.Cel;

/// <summary>
/// Turns RE2 syntax into the platform's with the same meaning: <c>$</c> is the very end of the text (not before a last line feed),
/// <c>\d \w \s</c> are ASCII, <c>.</c> and negated classes take a whole code point. Look-around, back references, word boundaries,
/// script names and other things that would mean something else are refused, never guessed.
/// </summary>
internal sealed partial class PatternReader
{
    private const string Astral = @"[\uD800-\uDBFF][\uDC00-\uDFFF]";

    private const int MostItems = 2000;

    private readonly string _pattern;
    private readonly StringBuilder _out = new();
    private readonly Stack<(bool Multiline, bool DotAll, int Start, int Size)> _groups = new();
    private int _at;
    private bool _multiline;
    private bool _dotAll;
    private string? _problem;

    // Where the last item began in the output, so that a quantifier can be checked; -1 when there is nothing to repeat.
    private int _item = -1;

    // Items of the group so far, repeats counted out: what the engine's automaton grows with.
    private int _size;
    private int _itemSize;

    private PatternReader(string pattern) => _pattern = pattern;

    /// <param name="size">How many items the pattern has when its counts are written out.</param>
    public static bool TryTranslate(
        string pattern,
        [NotNullWhen(true)] out string? translated,
        out int size,
        [NotNullWhen(false)] out string? problem)
    {
        var reader = new PatternReader(pattern);
        reader.Read();
        size = reader._size;
        problem = reader._problem;
        translated = problem is null ? reader._out.ToString() : null;
        return problem is null;
    }

    private void Read()
    {
        while (_at < _pattern.Length && _problem is null)
        {
            ReadItem();
        }

        if (_groups.Count > 0)
        {
            Refuse("missing ')'");
        }
    }

    private void Refuse(string why) => _problem ??= $"the pattern is not accepted: {why}";

    private void Emit(string text)
    {
        _item = _out.Length;
        _out.Append(text);
        Grow(1);
    }

    private void Grow(int size)
    {
        _itemSize = size;
        _size += size;
        if (_size > MostItems)
        {
            Refuse($"more than {MostItems} items");
        }
    }

    private void ReadItem()
    {
        var c = _pattern[_at++];
        switch (c)
        {
            case '(': OpenGroup(); break;
            case ')': CloseGroup(); break;
            case '[': ReadClass(); break;
            case '\\': ReadEscape(); break;
            case '.': Emit(_dotAll ? $@"(?:{Astral}|[^\uD800-\uDFFF])" : $@"(?:{Astral}|[^\n\uD800-\uDFFF])"); break;
            case '^': Anchor(_multiline ? "(?m:^)" : @"\A"); break;
            case '$': Anchor(_multiline ? "(?m:$)" : @"\z"); break;
            case '|':
                _out.Append('|');
                _item = -1;
                break;
            case '*' or '+' or '?': Repeat(c.ToString(), 1); break;
            case '{': ReadCount(); break;
            default: EmitLiteral(c); break;
        }
    }

    private void Anchor(string text)
    {
        _out.Append(text);
        _item = -1;
    }

    private void EmitLiteral(char c)
    {
        if (char.IsHighSurrogate(c) && _at < _pattern.Length && char.IsLowSurrogate(_pattern[_at]))
        {
            // A quantifier must repeat the code point, not its second half.
            Emit($"(?:{c}{_pattern[_at++]})");
            return;
        }

        Emit(char.IsAsciiLetterOrDigit(c) || c > 127 ? c.ToString() : $@"\u{(int)c:X4}");
    }

    private void ReadEscape()
    {
        if (_at >= _pattern.Length)
        {
            Refuse("a trailing backslash");
            return;
        }

        var c = _pattern[_at++];
        switch (c)
        {
            case 'A': Anchor(@"\A"); break;
            case 'z': Anchor(@"\z"); break;
            case 'Q': ReadQuoted(); break;
            case 'd' or 'w' or 's': Emit($"[{PatternClass.Shorthand(c)}]"); break;
            case 'D' or 'W' or 'S': Emit($@"(?:{Astral}|[{PatternClass.Shorthand(c)}])"); break;
            case 'p' or 'P': ReadCategory(c == 'P'); break;
            default:
                if (PatternClass.TryEscape(_pattern, c, ref _at, out var literal))
                {
                    Emit(literal < 0x10000 ? $@"\u{literal:X4}" : $"(?:{char.ConvertFromUtf32(literal)})");
                }
                else
                {
                    Refuse($@"'\{c}' is not supported");
                }

                break;
        }
    }

    private void ReadQuoted()
    {
        var end = _pattern.IndexOf(@"\E", _at, StringComparison.Ordinal);
        var stop = end < 0 ? _pattern.Length : end;
        while (_at < stop)
        {
            EmitLiteral(_pattern[_at++]);
        }

        _at = end < 0 ? stop : end + 2;
    }

    private void ReadCategory(bool negated)
    {
        if (!PatternClass.TryCategory(_pattern, ref _at, out var category))
        {
            Refuse("only general categories such as \\p{L} or \\p{Nd} are supported");
            return;
        }

        Emit(negated ? $@"(?:{Astral}|[^\p{{{category}}}\uD800-\uDFFF])" : $@"\p{{{category}}}");
    }

    private void ReadClass()
    {
        if (!PatternClass.TryRead(_pattern, ref _at, out var items, out var negated, out var takesAstral, out var why))
        {
            Refuse(why);
            return;
        }

        Emit((negated, takesAstral) switch
        {
            (true, true) => $@"[^{items}\uD800-\uDFFF]",
            (true, false) => $@"(?:{Astral}|[^{items}\uD800-\uDFFF])",
            (false, true) => $"(?:{Astral}|[{items}])",
            _ => $"[{items}]",
        });
    }
}
