using System.Text;

namespace Lanyard.Identity.Cel.Libraries;

/// <summary>The strings extension. Indexes count code points.</summary>
internal static class StringsLibrary
{
    /// <summary>What Kubernetes has of it (version 2).</summary>
    public static CelLibrary Library { get; } = new(
        "strings",
        CelOverload.Member("charAt", CharAt, CelType.String, CelType.String, CelType.Int),
        CelOverload.Member("indexOf", (ref f, in a, in b) => IndexOf(ref f, a, b, CelValue.Of(0L)), CelType.Int, CelType.String, CelType.String),
        CelOverload.Member("indexOf", IndexOf, CelType.Int, CelType.String, CelType.String, CelType.Int),
        CelOverload.Member("lastIndexOf", LastIndexOfAll, CelType.Int, CelType.String, CelType.String),
        CelOverload.Member("lastIndexOf", LastIndexOf, CelType.Int, CelType.String, CelType.String, CelType.Int),
        CelOverload.Member("substring", SubstringFrom, CelType.String, CelType.String, CelType.Int),
        CelOverload.Member("substring", Substring, CelType.String, CelType.String, CelType.Int, CelType.Int),
        CelOverload.Member("lowerAscii", (ref f, in a) => Map(ref f, a, s => MapAscii(s, char.IsAsciiLetterUpper)), CelType.String, CelType.String),
        CelOverload.Member("upperAscii", (ref f, in a) => Map(ref f, a, s => MapAscii(s, char.IsAsciiLetterLower)), CelType.String, CelType.String),
        CelOverload.Member("trim", (ref f, in a) => Map(ref f, a, s => s.Trim()), CelType.String, CelType.String),
        CelOverload.Function("strings.quote", (ref f, in a) => Map(ref f, a, Quote), CelType.String, CelType.String),
        CelOverload.Member("format", StringFormat.Format, CelType.String, CelType.String, CelType.List(CelType.Dyn)),
        CelOverload.Member("join", (ref f, in a) => StringLists.Join(ref f, a, CelValue.Of("")), CelType.String, CelType.List(CelType.String)),
        CelOverload.Member("join", StringLists.Join, CelType.String, CelType.List(CelType.String), CelType.String),
        CelOverload.Member("split", (ref f, in a, in b) => StringLists.Split(ref f, a, b, CelValue.Of(-1L)), CelType.List(CelType.String), CelType.String, CelType.String),
        CelOverload.Member("split", StringLists.Split, CelType.List(CelType.String), CelType.String, CelType.String, CelType.Int),
        CelOverload.Member("replace", (ref f, in a, in b, in c) => StringLists.Replace(ref f, a, b, c, -1), CelType.String, CelType.String, CelType.String, CelType.String),
        CelOverload.Member4("replace", StringLists.ReplaceSome, CelType.String, CelType.String, CelType.String, CelType.String, CelType.Int));

    /// <summary>What came in version 3.</summary>
    public static CelLibrary Reverse { get; } = new(
        "strings.reverse",
        CelOverload.Member("reverse", (ref f, in a) => Map(ref f, a, ReverseText), CelType.String, CelType.String));

    public static CelValue OutOfRange(long index) => CelValue.Error($"index out of range: {index}");

    private static CelValue Map(ref CelFrame frame, in CelValue a, Func<string, string> map) =>
        frame.ChargeText(a.AsString.Length) ? CelValue.Of(map(a.AsString)) : Faults.Budget;

    private static string MapAscii(string text, Func<char, bool> flips) =>
        string.Create(text.Length, (text, flips), static (span, state) =>
        {
            for (var i = 0; i < span.Length; i++)
            {
                span[i] = state.flips(state.text[i]) ? (char)(state.text[i] ^ 0x20) : state.text[i];
            }
        });

    private static CelValue CharAt(ref CelFrame frame, in CelValue a, in CelValue b)
    {
        var text = a.AsString;
        if (!frame.ChargeText(text.Length))
        {
            return Faults.Budget;
        }

        var offset = CodePoints.ToOffset(text, b.AsInt);
        return offset < 0 ? OutOfRange(b.AsInt)
            : CelValue.Of(offset == text.Length ? "" : text.Substring(offset, CodePoints.LengthAt(text, offset)));
    }

    private static CelValue IndexOf(ref CelFrame frame, in CelValue a, in CelValue b, in CelValue c)
    {
        var (text, part) = (a.AsString, b.AsString);
        if (!frame.Charge((1 + (text.Length / 10)) * (1L + (part.Length / 10))))
        {
            return Faults.Budget;
        }

        var from = CodePoints.ToOffset(text, c.AsInt);
        return from < 0 ? OutOfRange(c.AsInt) : CelValue.Of(CodePoints.ToIndex(text, text.IndexOf(part, from, StringComparison.Ordinal)));
    }

    private static CelValue LastIndexOfAll(ref CelFrame frame, in CelValue a, in CelValue b) => FindLast(ref frame, a.AsString, b.AsString, a.AsString.Length);

    private static CelValue LastIndexOf(ref CelFrame frame, in CelValue a, in CelValue b, in CelValue c)
    {
        var from = CodePoints.ToOffset(a.AsString, c.AsInt);
        return from < 0 ? OutOfRange(c.AsInt) : FindLast(ref frame, a.AsString, b.AsString, from);
    }

    // The last place at or before the offset where the part begins.
    private static CelValue FindLast(ref CelFrame frame, string text, string part, int offset)
    {
        if (!frame.Charge((1 + (text.Length / 10)) * (1L + (part.Length / 10))))
        {
            return Faults.Budget;
        }

        var end = Math.Min(text.Length, offset + part.Length);
        return CelValue.Of(CodePoints.ToIndex(text, text.AsSpan(0, end).LastIndexOf(part, StringComparison.Ordinal)));
    }

    private static CelValue SubstringFrom(ref CelFrame frame, in CelValue a, in CelValue b)
    {
        if (!frame.ChargeText(a.AsString.Length))
        {
            return Faults.Budget;
        }

        var from = CodePoints.ToOffset(a.AsString, b.AsInt);
        return from < 0 ? OutOfRange(b.AsInt) : CelValue.Of(a.AsString[from..]);
    }

    private static CelValue Substring(ref CelFrame frame, in CelValue a, in CelValue b, in CelValue c)
    {
        if (!frame.ChargeText(a.AsString.Length))
        {
            return Faults.Budget;
        }

        if (b.AsInt > c.AsInt)
        {
            return CelValue.Error($"invalid substring range. start: {b.AsInt}, end: {c.AsInt}");
        }

        var (from, to) = (CodePoints.ToOffset(a.AsString, b.AsInt), CodePoints.ToOffset(a.AsString, c.AsInt));
        return from < 0 ? OutOfRange(b.AsInt) : to < 0 ? OutOfRange(c.AsInt) : CelValue.Of(a.AsString[from..to]);
    }

    private static string Quote(string text)
    {
        var quoted = new StringBuilder(text.Length + 2).Append('"');
        foreach (var c in text)
        {
            quoted.Append(c switch
            {
                '\a' => "\\a",
                '\b' => "\\b",
                '\f' => "\\f",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                '\v' => "\\v",
                '\\' => "\\\\",
                '"' => "\\\"",
                _ => c.ToString(),
            });
        }

        return quoted.Append('"').ToString();
    }

    private static string ReverseText(string text)
    {
        var reversed = new StringBuilder(text.Length);
        for (var end = text.Length; end > 0;)
        {
            var size = end > 1 && char.IsSurrogatePair(text[end - 2], text[end - 1]) ? 2 : 1;
            reversed.Append(text, end - size, size);
            end -= size;
        }

        return reversed.ToString();
    }
}

/// <summary>Texts from lists and lists from texts.</summary>
internal static class StringLists
{
    public static CelValue Join(ref CelFrame frame, in CelValue a, in CelValue b)
    {
        var (list, separator) = (a.AsList, b.AsString);
        var text = new StringBuilder();
        for (var i = 0; i < list.Count; i++)
        {
            if (list[i].Kind != CelKind.String)
            {
                return Faults.NoOverload;
            }

            text.Append(i == 0 ? "" : separator).Append(list[i].AsString);
            if (text.Length > CelFrame.MaxSize || !frame.ChargeText(list[i].AsString.Length + separator.Length))
            {
                return text.Length > CelFrame.MaxSize ? Faults.TooLarge : Faults.Budget;
            }
        }

        return CelValue.Of(text.ToString());
    }

    public static CelValue Split(ref CelFrame frame, in CelValue a, in CelValue b, in CelValue c)
    {
        var (text, separator, limit) = (a.AsString, b.AsString, c.AsInt);
        if (!frame.ChargeText(text.Length))
        {
            return Faults.Budget;
        }

        if (limit is 0 or 1)
        {
            return limit == 0 ? CelValue.Of(CelArray.Empty) : CelValue.OfStrings([text]);
        }

        var most = limit < 0 ? int.MaxValue : (int)Math.Min(limit, int.MaxValue);
        var parts = separator.Length == 0 ? Letters(text, most) : text.Split(separator, most, StringSplitOptions.None);
        return frame.Charge(parts.Length) ? CelValue.OfStrings(parts) : Faults.Budget;
    }

    public static CelValue ReplaceSome(ref CelFrame frame, in CelValue a, in CelValue b, in CelValue c, in CelValue d) =>
        Replace(ref frame, a, b, c, d.AsInt);

    public static CelValue Replace(ref CelFrame frame, in CelValue a, in CelValue b, in CelValue c, long limit)
    {
        var (text, old, fresh) = (a.AsString, b.AsString, c.AsString);
        var result = new StringBuilder();
        var at = 0;
        for (; limit != 0 && at <= text.Length; limit--)
        {
            var found = text.IndexOf(old, at, StringComparison.Ordinal);
            if (found < 0)
            {
                break;
            }

            // An empty text to replace stands before every code point and at the end.
            var step = old.Length > 0 || found == text.Length ? old.Length : CodePoints.LengthAt(text, found);
            result.Append(text, at, found - at).Append(fresh).Append(old.Length > 0 ? "" : text.AsSpan(found, step));
            at = found + step + (old.Length == 0 && step == 0 ? 1 : 0);
            if (result.Length > CelFrame.MaxSize || !frame.ChargeText(old.Length + fresh.Length))
            {
                return result.Length > CelFrame.MaxSize ? Faults.TooLarge : Faults.Budget;
            }
        }

        result.Append(text.AsSpan(Math.Min(at, text.Length)));
        return frame.ChargeText(text.Length) ? CelValue.Of(result.ToString()) : Faults.Budget;
    }

    private static string[] Letters(string text, int most)
    {
        var parts = new List<string>();
        var at = 0;
        while (at < text.Length && parts.Count < most - 1)
        {
            var size = CodePoints.LengthAt(text, at);
            parts.Add(text.Substring(at, size));
            at += size;
        }

        if (at < text.Length)
        {
            parts.Add(text[at..]);
        }

        return [.. parts];
    }
}
