using System.Buffers;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Http;

/// <summary>A request's body, whole and in one piece, in memory that goes back to the pool: chunks of logs come by the thousand, and each would be a large object for the collector.</summary>
/// <param name="most">Bytes that it may have.</param>
internal sealed class PooledBody(int most) : IDisposable
{
    private const int First = 4096;

    private byte[] _buffer = [];
    private int _length;

    public ReadOnlyMemory<byte> Bytes => _buffer.AsMemory(0, _length);

    /// <returns>False when the body is longer than it may be; it is not read to its end then.</returns>
    public async Task<bool> ReadAsync(HttpContext context)
    {
        if (context.Request.ContentLength > most) return false;
        Grow((int)(context.Request.ContentLength ?? First));
        var reader = context.Request.BodyReader;
        while (true)
        {
            var part = await reader.ReadAsync(context.RequestAborted);
            if (part.Buffer.Length > most - _length)
            {
                reader.AdvanceTo(part.Buffer.End);
                return false;
            }

            var more = (int)part.Buffer.Length;
            if (_length + more > _buffer.Length) Grow(Math.Max(_length + more, (int)Math.Min(most, 2L * _buffer.Length)));
            part.Buffer.CopyTo(_buffer.AsSpan(_length));
            _length += more;
            reader.AdvanceTo(part.Buffer.End);
            if (part.IsCompleted) return true;
        }
    }

    public void Dispose() => Put([]);

    private void Grow(int bytes)
    {
        var larger = ArrayPool<byte>.Shared.Rent(bytes);
        Bytes.CopyTo(larger);
        Put(larger);
    }

    private void Put(byte[] next)
    {
        if (_buffer.Length > 0) ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = next;
    }
}
