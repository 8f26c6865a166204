using System.Buffers.Text;

namespace Lanyard.ClusterProxy.Upstream;

/// <summary>How a response's body ends (RFC 9112 §6.3).</summary>
internal enum BodyFraming
{
    None,
    Length,
    Chunked,
    UntilClose,
}

/// <summary>
/// One parsed response head. Names and values are slices of the connection's receive buffer: they are good until the next read.
/// One object a connection, filled anew for each response.
/// </summary>
internal sealed class ResponseHead
{
    private readonly record struct Field(int Name, int NameLength, int Value, int ValueLength);

    private byte[] _source = [];
    private Field[] _fields = new Field[24];

    public int Status { get; private set; }

    public bool IsHttp10 { get; private set; }

    public int Count { get; private set; }

    public BodyFraming Framing { get; private set; }

    /// <summary>Declared length in bytes, also where no body follows (HEAD).</summary>
    public long? ContentLength { get; private set; }

    /// <summary>May another request follow on this connection?</summary>
    public bool KeepAlive { get; private set; }

    public ReadOnlySpan<byte> Name(int index) => _source.AsSpan(_fields[index].Name, _fields[index].NameLength);

    public ReadOnlySpan<byte> Value(int index) => _source.AsSpan(_fields[index].Value, _fields[index].ValueLength);

    internal void Begin(byte[] source, int status, bool http10)
    {
        _source = source;
        Status = status;
        IsHttp10 = http10;
        Count = 0;
        Framing = BodyFraming.None;
        ContentLength = null;
        KeepAlive = !http10;
    }

    internal void Add(int name, int nameLength, int value, int valueLength)
    {
        if (Count == _fields.Length)
        {
            Array.Resize(ref _fields, _fields.Length * 2);
        }

        _fields[Count++] = new Field(name, nameLength, value, valueLength);
    }

    /// <summary>Reads what frames the body. Two lengths, a length beside chunks, or a coding that is not "chunked" is refused, never guessed.</summary>
    internal void Frame(bool answersHead)
    {
        var chunked = false;
        for (var i = 0; i < Count; i++)
        {
            var name = Name(i);
            if (HttpText.Equal(name, "content-length"u8))
            {
                ReadLength(Value(i));
            }
            else if (HttpText.Equal(name, "transfer-encoding"u8))
            {
                ReadCoding(Value(i), chunked);
                chunked = true;
            }
            else if (HttpText.Equal(name, "connection"u8) && HttpText.HasListItem(Value(i), "close"u8))
            {
                KeepAlive = false;
            }
        }

        if (chunked && ContentLength is not null)
        {
            throw UpstreamException.Malformed("both Content-Length and Transfer-Encoding");
        }

        Framing = answersHead || Status is < 200 or 204 or 304 ? BodyFraming.None
            : chunked ? BodyFraming.Chunked
            : ContentLength is not null ? BodyFraming.Length
            : BodyFraming.UntilClose;
        KeepAlive &= Framing != BodyFraming.UntilClose;
    }

    private void ReadLength(ReadOnlySpan<byte> value)
    {
        if (ContentLength is not null)
        {
            throw UpstreamException.Malformed("two Content-Length lines");
        }

        if (value.Length is 0 or > 18 || value.ContainsAnyExceptInRange((byte)'0', (byte)'9') || !Utf8Parser.TryParse(value, out long length, out _))
        {
            throw UpstreamException.Malformed("Content-Length is not a number");
        }

        ContentLength = length;
    }

    private void ReadCoding(ReadOnlySpan<byte> value, bool second)
    {
        if (second || IsHttp10 || !HttpText.Equal(value, "chunked"u8))
        {
            throw UpstreamException.Malformed("a Transfer-Encoding other than chunked");
        }
    }
}
