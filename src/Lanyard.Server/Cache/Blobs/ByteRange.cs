using System.Globalization;

namespace Lanyard.Server.Cache.Blobs;

/// <summary>A part of a blob, both ends included.</summary>
internal readonly record struct ByteRange(long First, long Last)
{
    public long Length => Last - First + 1;

    /// <summary>
    /// One range of RFC 9110 §14.1.2 (<c>bytes=a-b</c>, <c>bytes=a-</c>, <c>bytes=-n</c>), cut to the size.
    /// </summary>
    /// <param name="header">Null or several ranges or another unit: the whole, which the RFC allows.</param>
    /// <param name="satisfiable">False: 416.</param>
    /// <returns>Null for the whole.</returns>
    public static ByteRange? Read(string? header, long size, out bool satisfiable)
    {
        satisfiable = true;
        if (header is null || !header.StartsWith("bytes=", StringComparison.OrdinalIgnoreCase) || header.Contains(',', StringComparison.Ordinal)) return null;
        var text = header.AsSpan("bytes=".Length).Trim();
        var dash = text.IndexOf('-');
        if (dash < 0) return null;
        var (hasFirst, hasLast) = (TryNumber(text[..dash], out var first), TryNumber(text[(dash + 1)..], out var last));
        if ((!hasFirst && dash > 0) || (!hasLast && dash + 1 < text.Length) || (!hasFirst && !hasLast) || (hasFirst && hasLast && last < first)) return null;
        if (!hasFirst) (first, last) = (Math.Max(0, size - last), last == 0 ? -1 : size - 1);
        else if (!hasLast) last = size - 1;
        satisfiable = first < size && last >= first;
        return satisfiable ? new ByteRange(first, Math.Min(last, size - 1)) : null;
    }

    /// <summary>The <c>Content-Range</c> of an uploaded v1 chunk: <c>bytes a-b/*</c> or with the size.</summary>
    public static ByteRange? ReadContentRange(string header)
    {
        if (!header.StartsWith("bytes ", StringComparison.OrdinalIgnoreCase)) return null;
        var text = header.AsSpan("bytes ".Length);
        var (dash, slash) = (text.IndexOf('-'), text.IndexOf('/'));
        if (dash < 1 || slash < dash || !TryNumber(text[..dash], out var first) || !TryNumber(text[(dash + 1)..slash], out var last)) return null;
        return last >= first && last - first < long.MaxValue && (text[(slash + 1)..] is "*" || TryNumber(text[(slash + 1)..], out _)) ? new ByteRange(first, last) : null;
    }

    private static bool TryNumber(ReadOnlySpan<char> text, out long number) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}
