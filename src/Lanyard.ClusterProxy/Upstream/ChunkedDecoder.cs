namespace Lanyard.ClusterProxy.Upstream;

/// <summary>
/// Takes the chunked coding off (RFC 9112 §7.1), strictly: CR LF only, at most 15 hex digits, bounded extensions and trailers.
/// A state machine without input of its own, so that bytes may arrive in any pieces.
/// </summary>
internal sealed class ChunkedDecoder
{
    private const int MaxExtension = 4096;
    private const int MaxTrailers = 16 * 1024;

    private enum State
    {
        Size,
        Extension,
        SizeLf,
        Data,
        DataCr,
        DataLf,
        Trailers,
        Done,
    }

    private readonly List<byte> _trailers = [];
    private State _state;
    private long _remaining;
    private int _digits;
    private int _extension;

    public bool IsDone => _state == State.Done;

    /// <summary>The trailer section with its line breaks, without the empty line; empty where there is none.</summary>
    public ReadOnlySpan<byte> Trailers => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_trailers)[..Math.Max(0, _trailers.Count - 2)];

    public void Reset()
    {
        _state = State.Size;
        _remaining = _digits = _extension = 0;
        _trailers.Clear();
    }

    /// <summary>Reads on until data, the end, or the end of the input.</summary>
    /// <returns>The next piece of data, a slice of <paramref name="input"/>; empty when more input is needed or the body is done.</returns>
    public ReadOnlySpan<byte> Next(ReadOnlySpan<byte> input, out int consumed)
    {
        consumed = 0;
        while (consumed < input.Length && _state != State.Done)
        {
            if (_state == State.Data)
            {
                var data = input[consumed..(int)Math.Min(input.Length, consumed + _remaining)];
                consumed += data.Length;
                _remaining -= data.Length;
                _state = _remaining == 0 ? State.DataCr : State.Data;
                return data;
            }

            Step(input[consumed++]);
        }

        return default;
    }

    private void Step(byte value)
    {
        switch (_state)
        {
            case State.Size:
                ReadSize(value);
                break;
            case State.Extension:
                ReadExtension(value);
                break;
            case State.SizeLf:
                Expect(value, '\n');
                _state = _remaining > 0 ? State.Data : State.Trailers;
                break;
            case State.DataCr:
                Expect(value, '\r');
                _state = State.DataLf;
                break;
            case State.DataLf:
                Expect(value, '\n');
                (_state, _remaining, _digits) = (State.Size, 0, 0);
                break;
            case State.Trailers:
                ReadTrailer(value);
                break;
            default:
                throw new InvalidOperationException(_state.ToString());
        }
    }

    private void ReadSize(byte value)
    {
        if (value is (byte)'\r' or (byte)';' && _digits > 0)
        {
            _state = value == '\r' ? State.SizeLf : State.Extension;
            return;
        }

        var digit = HexDigit(value);
        if (digit < 0 || ++_digits > 15)
        {
            throw UpstreamException.Malformed("chunk size");
        }

        _remaining = (_remaining << 4) | (long)digit;
    }

    private void ReadExtension(byte value)
    {
        if (value == '\r')
        {
            _state = State.SizeLf;
        }
        else if (++_extension > MaxExtension || (value < 0x20 && value != '\t') || value == 0x7f)
        {
            throw UpstreamException.Malformed("chunk extension");
        }
    }

    private void ReadTrailer(byte value)
    {
        if (_trailers.Count == MaxTrailers)
        {
            throw UpstreamException.Malformed("trailers too long");
        }

        var afterCr = _trailers.Count > 0 && _trailers[^1] == '\r';
        if (afterCr != (value == '\n'))
        {
            throw UpstreamException.Malformed("line break in trailers");
        }

        _trailers.Add(value);
        if (value == '\n' && (_trailers.Count == 2 || (_trailers[^3] == '\n' && _trailers[^2] == '\r')))
        {
            _state = State.Done;
        }
    }

    private static int HexDigit(byte value) => value switch
    {
        >= (byte)'0' and <= (byte)'9' => value - '0',
        >= (byte)'a' and <= (byte)'f' => value - 'a' + 10,
        >= (byte)'A' and <= (byte)'F' => value - 'A' + 10,
        _ => -1,
    };

    private static void Expect(byte value, char wanted)
    {
        if (value != wanted)
        {
            throw UpstreamException.Malformed("chunk line break");
        }
    }
}
