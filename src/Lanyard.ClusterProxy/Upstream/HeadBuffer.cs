using System.Buffers;
using System.Text;

namespace Lanyard.ClusterProxy.Upstream;

/// <summary>A growing byte buffer for one request head. What goes in has been checked; <see cref="Header(string, string)"/> checks once more that no line can be added.</summary>
internal sealed class HeadBuffer : IDisposable
{
    /// <summary>The API server itself stops at 1 MiB of head.</summary>
    public const int MaxLength = 1024 * 1024;

    /// <summary>What a bearer token and a dozen headers need; heads that outgrow it come from the shared pool.</summary>
    private const int Usual = 4096;

    /// <summary>The shared pool keeps few arrays a core, and many requests wait for their answers at once.</summary>
    private static readonly ArrayPool<byte> Pool = ArrayPool<byte>.Create(Usual, 1024);

    private byte[] _bytes = Pool.Rent(Usual);
    private int _length;

    public ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, _length);

    public void Raw(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(Room(bytes.Length));
        _length += bytes.Length;
    }

    /// <summary>Text of which each char is one byte (how Kestrel is told to read heads, so that bytes pass unchanged).</summary>
    public void Latin1(string text) => _length += Encoding.Latin1.GetBytes(text, Room(text.Length));

    /// <exception cref="InvalidOperationException">A line break or NUL in name or value: nobody may write a second line through here.</exception>
    public void Header(string name, string value)
    {
        if (value.AsSpan().ContainsAny('\r', '\n', '\0') || name.AsSpan().ContainsAny('\r', '\n', ':'))
        {
            throw new InvalidOperationException($"header {name} would break its line");
        }

        Latin1(name);
        Raw(": "u8);
        Latin1(value);
        Raw("\r\n"u8);
    }

    public void Dispose()
    {
        var bytes = _bytes;
        _bytes = [];
        _length = 0;
        if (bytes.Length > 0)
        {
            GiveBack(bytes);
        }
    }

    private static void GiveBack(byte[] bytes) => (bytes.Length == Usual ? Pool : ArrayPool<byte>.Shared).Return(bytes);

    private Span<byte> Room(int count)
    {
        if (_length + count > MaxLength)
        {
            throw new InvalidOperationException("request head over 1 MiB");
        }

        if (_bytes.Length - _length < count)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(_bytes.Length * 2, _length + count));
            _bytes.AsSpan(0, _length).CopyTo(larger);
            GiveBack(_bytes);
            _bytes = larger;
        }

        return _bytes.AsSpan(_length);
    }
}
