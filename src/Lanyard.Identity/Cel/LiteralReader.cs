using System.Globalization;
using System.Text;

namespace Lanyard.Identity.Cel;

/// <summary>Reads the inside of a string or bytes literal. Octal and <c>\x</c> escapes are code points in strings and bytes in bytes.</summary>
internal readonly ref struct LiteralReader(ReadOnlySpan<char> content, int offset, bool raw, bool bytes, IssueList issues)
{
    private readonly ReadOnlySpan<char> _content = content;

    public string ReadText()
    {
        if (raw || !_content.Contains('\\'))
        {
            return new string(_content);
        }

        var text = new StringBuilder(_content.Length);
        for (var i = 0; i < _content.Length;)
        {
            if (_content[i] != '\\')
            {
                text.Append(_content[i++]);
                continue;
            }

            var point = ReadEscape(ref i);
            if (Rune.TryCreate(point, out var rune))
            {
                text.Append(rune.ToString());
            }
        }

        return text.ToString();
    }

    public byte[] ReadBytes()
    {
        var stream = new List<byte>(_content.Length);
        Span<byte> buffer = stackalloc byte[4];
        for (var i = 0; i < _content.Length;)
        {
            if (!raw && _content[i] == '\\')
            {
                stream.Add((byte)ReadEscape(ref i));
                continue;
            }

            Rune.DecodeFromUtf16(_content[i..], out var rune, out var consumed);
            stream.AddRange(buffer[..rune.EncodeToUtf8(buffer)]);
            i += consumed;
        }

        return [.. stream];
    }

    private int ReadEscape(ref int i)
    {
        var start = i;
        var c = i + 1 < _content.Length ? _content[i + 1] : '\0';
        i += 2;
        switch (c)
        {
            case 'a': return '\a';
            case 'b': return '\b';
            case 'f': return '\f';
            case 'n': return '\n';
            case 'r': return '\r';
            case 't': return '\t';
            case 'v': return '\v';
            case '\\' or '?' or '"' or '\'' or '`': return c;
            case 'x' or 'X': return ReadDigits(ref i, start, 2, NumberStyles.AllowHexSpecifier);
            case 'u' when !bytes: return ReadDigits(ref i, start, 4, NumberStyles.AllowHexSpecifier);
            case 'U' when !bytes: return ReadDigits(ref i, start, 8, NumberStyles.AllowHexSpecifier);
            case >= '0' and <= '3':
                i--;
                return ReadOctal(ref i, start);
            default:
                issues.Add(offset + start, "unknown escape in the literal");
                return 0;
        }
    }

    private int ReadDigits(ref int i, int start, int count, NumberStyles style)
    {
        if (i + count <= _content.Length
            && uint.TryParse(_content.Slice(i, count), style, CultureInfo.InvariantCulture, out var point)
            && point <= 0x10FFFF && point is < 0xD800 or > 0xDFFF)
        {
            i += count;
            return (int)point;
        }

        issues.Add(offset + start, $"the escape needs {count} hexadecimal digits of a Unicode scalar value");
        return 0;
    }

    private int ReadOctal(ref int i, int start)
    {
        var value = 0;
        for (var n = 0; n < 3; n++, i++)
        {
            if (i >= _content.Length || _content[i] is < '0' or > '7')
            {
                issues.Add(offset + start, "an octal escape needs three digits, 000 to 377");
                return 0;
            }

            value = (value * 8) + (_content[i] - '0');
        }

        return value;
    }
}
