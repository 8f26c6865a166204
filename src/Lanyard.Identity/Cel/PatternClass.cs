using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;

namespace Lanyard.Identity.Cel;

/// <summary>Character classes and escapes of RE2 as the platform writes them.</summary>
internal static class PatternClass
{
    private static readonly Dictionary<string, string> Posix = new(StringComparer.Ordinal)
    {
        ["alnum"] = "0-9A-Za-z",
        ["alpha"] = "A-Za-z",
        ["ascii"] = @"\u0000-\u007F",
        ["blank"] = @"\t ",
        ["cntrl"] = @"\u0000-\u001F\u007F",
        ["digit"] = "0-9",
        ["graph"] = "!-~",
        ["lower"] = "a-z",
        ["print"] = " -~",
        ["punct"] = @"!-/:-@\[-`{-~",
        ["space"] = @"\t-\r ",
        ["upper"] = "A-Z",
        ["word"] = "0-9A-Za-z_",
        ["xdigit"] = "0-9A-Fa-f",
    };

    private static readonly HashSet<string> Categories =
    [
        "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "P", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po",
        "S", "Sm", "Sc", "Sk", "So", "Z", "Zs", "Zl", "Zp",
    ];

    /// <summary>The inside of a class for <c>\d</c> and its kin; the negated ones leave out what is beyond the first plane.</summary>
    public static string Shorthand(char c) => c switch
    {
        'd' => "0-9",
        'w' => "0-9A-Za-z_",
        's' => @"\t\n\f\r ",
        'D' => @"\u0000-/:-\uD7FF\uE000-\uFFFF",
        'W' => @"\u0000-/:-@\u005B-\u005E`\u007B-\uD7FF\uE000-\uFFFF",
        _ => @"\u0000-\u0008\u000B\u000E-\u001F\u0021-\uD7FF\uE000-\uFFFF",
    };

    /// <summary>An escape that stands for one code point; <paramref name="at"/> is after the escaped letter.</summary>
    public static bool TryEscape(string pattern, char c, ref int at, out int literal)
    {
        literal = c switch
        {
            'a' => '\a',
            'f' => '\f',
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            'v' => '\v',
            _ when c < 128 && !char.IsAsciiLetterOrDigit(c) => c,
            _ => -1,
        };
        return literal >= 0 || (c == 'x' && TryHex(pattern, ref at, out literal));
    }

    public static bool TryCategory(string pattern, ref int at, [NotNullWhen(true)] out string? category)
    {
        category = null;
        var end = at < pattern.Length && pattern[at] == '{' ? pattern.IndexOf('}', at) : -1;
        var name = end > 0 ? pattern[(at + 1)..end] : at < pattern.Length ? pattern[at].ToString() : "";
        if (!Categories.Contains(name))
        {
            return false;
        }

        at = end > 0 ? end + 1 : at + 1;
        category = name;
        return true;
    }

    /// <summary>Reads a class after its bracket. <paramref name="takesAstral"/>: it holds a negated shorthand, which code points beyond the first plane match.</summary>
    public static bool TryRead(
        string pattern,
        ref int at,
        out string items,
        out bool negated,
        out bool takesAstral,
        [NotNullWhen(false)] out string? why)
    {
        var text = new StringBuilder();
        (items, takesAstral, why) = ("", false, null);
        negated = at < pattern.Length && pattern[at] == '^';
        at += negated ? 1 : 0;
        for (var first = true; at < pattern.Length && (first || pattern[at] != ']'); first = false)
        {
            if (!TryReadItem(pattern, ref at, text, ref takesAstral, out why))
            {
                return false;
            }
        }

        if (at >= pattern.Length)
        {
            why = "missing ']'";
            return false;
        }

        at++;
        items = text.ToString();
        return true;
    }

    private static bool TryReadItem(string pattern, ref int at, StringBuilder text, ref bool takesAstral, [NotNullWhen(false)] out string? why)
    {
        why = null;
        if (pattern.AsSpan(at).StartsWith("[:", StringComparison.Ordinal) && pattern.IndexOf(":]", at, StringComparison.Ordinal) is var end and > 0)
        {
            var name = pattern[(at + 2)..end];
            at = end + 2;
            why = Posix.TryGetValue(name, out var set) ? null : "an unknown named class";
            text.Append(set);
            return why is null;
        }

        if (pattern[at] == '\\' && at + 1 < pattern.Length && "dDwWsSp".Contains(pattern[at + 1], StringComparison.Ordinal))
        {
            var c = pattern[at + 1];
            at += 2;
            if (c == 'p')
            {
                why = TryCategory(pattern, ref at, out var category) ? null : "only general categories such as \\p{L} are supported";
                text.Append(CultureInfo.InvariantCulture, $@"\p{{{category}}}");
                return why is null;
            }

            takesAstral |= char.IsUpper(c);
            text.Append(Shorthand(c));
            return true;
        }

        return TryReadRange(pattern, ref at, text, out why);
    }

    private static bool TryReadRange(string pattern, ref int at, StringBuilder text, [NotNullWhen(false)] out string? why)
    {
        var from = ReadPoint(pattern, ref at);
        var to = from;
        if (at + 1 < pattern.Length && pattern[at] == '-' && pattern[at + 1] != ']')
        {
            at++;
            to = ReadPoint(pattern, ref at);
        }

        why = from < 0 || to < 0 ? "an unknown escape in a class"
            : to < from ? "a range that ends before it begins"
            : to > 0xFFFF || char.IsSurrogate((char)from) || char.IsSurrogate((char)to) ? "a class with code points beyond U+FFFF"
            : null;
        text.Append(CultureInfo.InvariantCulture, $@"\u{from:X4}-\u{to:X4}");
        return why is null;
    }

    private static int ReadPoint(string pattern, ref int at)
    {
        var c = pattern[at++];
        if (c != '\\')
        {
            return c;
        }

        if (at >= pattern.Length)
        {
            return -1;
        }

        var escaped = pattern[at++];
        return TryEscape(pattern, escaped, ref at, out var literal) ? literal : -1;
    }

    private static bool TryHex(string pattern, ref int at, out int literal)
    {
        literal = -1;
        var end = at < pattern.Length && pattern[at] == '{' ? pattern.IndexOf('}', at) : -1;
        var digits = end > 0 ? pattern[(at + 1)..end] : at + 2 <= pattern.Length ? pattern.Substring(at, 2) : "";
        if (!int.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out literal)
            || literal is < 0 or > 0x10FFFF or (>= 0xD800 and <= 0xDFFF))
        {
            literal = -1;
            return false;
        }

        at = end > 0 ? end + 1 : at + 2;
        return true;
    }
}
