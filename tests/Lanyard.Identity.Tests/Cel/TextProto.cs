using System.Text;

namespace Lanyard.Identity.Tests.Cel;

/// <summary>A field of a text-format protobuf message: a scalar's bytes, or a message.</summary>
internal sealed record ProtoField(string Name, byte[]? Scalar, ProtoMessage? Message)
{
    public string Text => Encoding.UTF8.GetString(Scalar!);
}

internal sealed class ProtoMessage
{
    public List<ProtoField> Fields { get; } = [];

    public ProtoField? Find(string name) => Fields.Find(f => f.Name == name);

    public IEnumerable<ProtoMessage> Messages(string name) => Fields.Where(f => f.Name == name).Select(f => f.Message!);

    public string Text(string name) => Find(name)?.Text ?? "";
}

/// <summary>Reads as much of protobuf's text format as the conformance files use.</summary>
internal sealed class TextProto(string source)
{
    private int _at;

    public static ProtoMessage Read(string source) => new TextProto(source).ReadMessage('\0');

    private ProtoMessage ReadMessage(char close)
    {
        var message = new ProtoMessage();
        while (true)
        {
            SkipBlank();
            if (_at >= source.Length || source[_at] == close)
            {
                _at++;
                return message;
            }

            message.Fields.Add(ReadField());
        }
    }

    private ProtoField ReadField()
    {
        var name = source[_at] == '[' ? ReadUntil(']') : ReadWord();
        SkipBlank();
        if (source[_at] == ':')
        {
            _at++;
            SkipBlank();
        }

        ProtoField field;
        if (source[_at] is '{' or '<')
        {
            var close = source[_at++] == '{' ? '}' : '>';
            field = new ProtoField(name, null, ReadMessage(close));
        }
        else
        {
            field = new ProtoField(name, source[_at] is '"' or '\'' ? ReadStrings() : Encoding.UTF8.GetBytes(ReadWord()), null);
        }

        SkipBlank();
        if (_at < source.Length && source[_at] is ',' or ';')
        {
            _at++;
        }

        return field;
    }

    private string ReadUntil(char end)
    {
        var start = _at;
        _at = source.IndexOf(end, _at) + 1;
        return source[start.._at];
    }

    private string ReadWord()
    {
        var start = _at;
        while (_at < source.Length && (char.IsLetterOrDigit(source[_at]) || source[_at] is '_' or '.' or '-' or '+'))
        {
            _at++;
        }

        return _at > start ? source[start.._at] : throw new FormatException($"unexpected '{source[_at]}' at {_at}");
    }

    private void SkipBlank()
    {
        while (_at < source.Length && (char.IsWhiteSpace(source[_at]) || source[_at] == '#'))
        {
            _at = source[_at] == '#' && source.IndexOf('\n', _at) is var end and >= 0 ? end : _at + 1;
        }
    }

    // Neighbouring literals are one.
    private byte[] ReadStrings()
    {
        var bytes = new List<byte>();
        while (_at < source.Length && source[_at] is '"' or '\'')
        {
            ReadString(bytes);
            SkipBlank();
        }

        return [.. bytes];
    }

    private void ReadString(List<byte> bytes)
    {
        var quote = source[_at++];
        while (source[_at] != quote)
        {
            if (source[_at] == '\\')
            {
                _at++;
                ReadEscape(bytes);
            }
            else
            {
                Rune.DecodeFromUtf16(source.AsSpan(_at), out var rune, out var used);
                bytes.AddRange(Encoding.UTF8.GetBytes(rune.ToString()));
                _at += used;
            }
        }

        _at++;
    }

    private void ReadEscape(List<byte> bytes)
    {
        var c = source[_at++];
        switch (c)
        {
            case 'x' or 'X':
                bytes.Add(Convert.ToByte(TakeDigits(2, Uri.IsHexDigit), 16));
                break;
            case 'u' or 'U':
                bytes.AddRange(Encoding.UTF8.GetBytes(char.ConvertFromUtf32(Convert.ToInt32(TakeDigits(c == 'u' ? 4 : 8, Uri.IsHexDigit), 16))));
                break;
            case >= '0' and <= '7':
                _at--;
                bytes.Add((byte)Convert.ToInt32(TakeDigits(3, d => d is >= '0' and <= '7'), 8));
                break;
            default:
                bytes.Add((byte)("abfnrtv".IndexOf(c, StringComparison.Ordinal) is var known and >= 0 ? "\a\b\f\n\r\t\v"[known] : c));
                break;
        }
    }

    private string TakeDigits(int most, Func<char, bool> isDigit)
    {
        var start = _at;
        while (_at - start < most && isDigit(source[_at]))
        {
            _at++;
        }

        return source[start.._at];
    }
}
