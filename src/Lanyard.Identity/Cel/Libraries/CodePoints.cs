namespace Lanyard.Identity.Cel.Libraries;

/// <summary>Texts counted in code points, as the language does; a text without surrogates needs no walk.</summary>
internal static class CodePoints
{
    public static int Count(ReadOnlySpan<char> text)
    {
        var count = text.Length;
        for (var at = 0; Next(text, ref at);)
        {
            count--;
            at += 2;
        }

        return count;
    }

    /// <summary>The UTF-16 offset of a code point; -1 when the text is shorter. The end of the text has an offset too.</summary>
    public static int ToOffset(ReadOnlySpan<char> text, long index)
    {
        if (index < 0 || index > text.Length)
        {
            return -1;
        }

        var offset = (int)index;
        for (var at = 0; Next(text, ref at) && at < offset; at += 2)
        {
            offset++;
        }

        return offset <= text.Length ? offset : -1;
    }

    /// <summary>The code point that begins at a UTF-16 offset.</summary>
    public static long ToIndex(ReadOnlySpan<char> text, int offset) => offset < 0 ? -1 : Count(text[..offset]);

    /// <summary>UTF-16 length of the code point at an offset.</summary>
    public static int LengthAt(ReadOnlySpan<char> text, int offset) =>
        char.IsHighSurrogate(text[offset]) && offset + 1 < text.Length && char.IsLowSurrogate(text[offset + 1]) ? 2 : 1;

    // Moves to the next surrogate pair.
    private static bool Next(ReadOnlySpan<char> text, ref int at)
    {
        while (at < text.Length)
        {
            var found = text[at..].IndexOfAnyInRange('\uD800', '\uDBFF');
            if (found < 0)
            {
                return false;
            }

            at += found;
            if (LengthAt(text, at) == 2)
            {
                return true;
            }

            at++;
        }

        return false;
    }
}
