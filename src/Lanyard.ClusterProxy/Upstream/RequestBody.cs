using System.Buffers;
using System.IO.Pipelines;

namespace Lanyard.ClusterProxy.Upstream;

/// <summary>A request's body on its way to the API server: by its length, or in chunks with trailers.</summary>
/// <param name="length">Bytes, or null for chunks.</param>
/// <param name="trailers">Asked after the last byte; lines with their line breaks.</param>
internal sealed class RequestBody(PipeReader reader, long? length, Func<ReadOnlyMemory<byte>>? trailers = null)
{
    /// <exception cref="UpstreamException">Cut: the API server stopped reading.</exception>
    /// <exception cref="IOException">The client's side ended early.</exception>
    public async Task SendAsync(UpstreamConnection connection)
    {
        var sent = 0L;
        while (true)
        {
            var read = await reader.ReadAsync();
            foreach (var piece in read.Buffer)
            {
                sent += piece.Length;
                await SendAsync(connection, piece);
            }

            reader.AdvanceTo(read.Buffer.End);
            if (read.IsCanceled)
            {
                return;
            }

            if (read.IsCompleted)
            {
                break;
            }
        }

        await EndAsync(connection, sent);
    }

    /// <summary>Makes a pending <see cref="SendAsync(UpstreamConnection)"/> stop: the answer is complete, the rest is not wanted.</summary>
    public void Stop() => reader.CancelPendingRead();

    private async ValueTask SendAsync(UpstreamConnection connection, ReadOnlyMemory<byte> piece)
    {
        if (piece.IsEmpty)
        {
            return;
        }

        if (length is not null)
        {
            await connection.WriteAsync(piece);
            return;
        }

        var framed = ArrayPool<byte>.Shared.Rent(piece.Length + 20);
        try
        {
            System.Buffers.Text.Utf8Formatter.TryFormat(piece.Length, framed, out var at, new StandardFormat('x'));
            "\r\n"u8.CopyTo(framed.AsSpan(at));
            piece.Span.CopyTo(framed.AsSpan(at + 2));
            "\r\n"u8.CopyTo(framed.AsSpan(at + 2 + piece.Length));
            await connection.WriteAsync(framed.AsMemory(0, at + piece.Length + 4));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(framed);
        }
    }

    private async ValueTask EndAsync(UpstreamConnection connection, long sent)
    {
        if (length is { } declared)
        {
            if (sent != declared)
            {
                throw new IOException("the body is shorter than its Content-Length");
            }

            return;
        }

        var lines = trailers?.Invoke() ?? default;
        await connection.WriteAsync((byte[])[.. "0\r\n"u8, .. lines.Span, .. "\r\n"u8]);
    }
}
