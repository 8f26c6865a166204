namespace Lanyard.ClusterProxy.Upstream;

/// <summary>
/// Strict reading of a response head (RFC 9112 §4, §5). Refused: bare CR or LF, folded lines, space before the colon, names that are
/// no tokens, control characters, any version but HTTP/1.0 and 1.1.
/// </summary>
internal static class ResponseHeadParser
{
    /// <summary>Bytes of a head before it is refused.</summary>
    public const int MaxLength = 256 * 1024;

    private const int MaxFields = 1000;

    /// <returns>Where the body begins in <paramref name="buffer"/>, or -1 when bytes are missing.</returns>
    public static int Parse(byte[] buffer, int start, int end, ResponseHead head)
    {
        var text = buffer.AsSpan(start, end - start);
        var length = text.IndexOf("\r\n\r\n"u8);
        if (length < 0)
        {
            RefuseEarly(text);
            return -1;
        }

        var lineEnd = text.IndexOf("\r\n"u8);
        ReadStatusLine(buffer, text[..lineEnd], head);
        var at = lineEnd + 2;
        while (at < length + 2)
        {
            var line = text[at..(length + 2)];
            line = line[..line.IndexOf("\r\n"u8)];
            ReadField(line, start + at, head);
            at += line.Length + 2;
        }

        return start + length + 4;
    }

    private static void RefuseEarly(ReadOnlySpan<byte> text)
    {
        if (text.Length > MaxLength)
        {
            throw UpstreamException.Malformed("head too long");
        }

        var known = Math.Min(text.Length, 7);
        if (!text[..known].SequenceEqual("HTTP/1."u8[..known]))
        {
            throw UpstreamException.Malformed("not HTTP/1");
        }

        // A server that ends lines with LF alone would be waited for without end.
        var lf = text.IndexOf((byte)'\n');
        if (lf >= 0 && text[lf - 1] != '\r')
        {
            throw UpstreamException.Malformed("bare LF");
        }
    }

    private static void ReadStatusLine(byte[] buffer, ReadOnlySpan<byte> line, ResponseHead head)
    {
        var http10 = line.StartsWith("HTTP/1.0 "u8);
        if ((!http10 && !line.StartsWith("HTTP/1.1 "u8)) || line.Length < 12 || (line.Length > 12 && line[12] != ' ') || !HttpText.IsFieldValue(line))
        {
            throw UpstreamException.Malformed("status line");
        }

        var status = 0;
        foreach (var digit in line[9..12])
        {
            status = (status * 10) + (digit is >= (byte)'0' and <= (byte)'9' ? digit - '0' : throw UpstreamException.Malformed("status code"));
        }

        if (status is < 100 or > 599)
        {
            throw UpstreamException.Malformed("status code");
        }

        head.Begin(buffer, status, http10);
    }

    private static void ReadField(ReadOnlySpan<byte> line, int offset, ResponseHead head)
    {
        var colon = line.IndexOf((byte)':');
        if (colon <= 0 || !HttpText.IsToken(line[..colon]))
        {
            throw UpstreamException.Malformed("header name");
        }

        var value = line[(colon + 1)..];
        var lead = value.Length - value.TrimStart(" \t"u8).Length;
        var trimmed = HttpText.Trim(value);
        if (!HttpText.IsFieldValue(trimmed))
        {
            throw UpstreamException.Malformed("control character in a header");
        }

        if (head.Count == MaxFields)
        {
            throw UpstreamException.Malformed("too many headers");
        }

        head.Add(offset, colon, offset + colon + 1 + lead, trimmed.Length);
    }
}
