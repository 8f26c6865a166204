using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Cache.Blobs;

/// <summary>
/// A body that must not be slower than so many bytes a second, on the average and after a while. For protocols with several bodies on one connection: there the server watches only what
/// comes on all of them together, and behind one that flows any number could stand still for ever. Only the time in which it is waited for counts.
/// </summary>
internal sealed class PacedBody(Stream body, double bytesPerSecond, TimeSpan patience, TimeProvider time) : Stream
{
    private TimeSpan _waited;
    private long _received;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <exception cref="BadHttpRequestException">408: it is too slow.</exception>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var left = patience + TimeSpan.FromSeconds(_received / bytesPerSecond) - _waited;
        var since = time.GetTimestamp();
        using var limit = new CancellationTokenSource(left > TimeSpan.Zero ? left : TimeSpan.Zero, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            var read = await body.ReadAsync(buffer, either.Token);
            _received += read;
            return read;
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new BadHttpRequestException("the body comes too slowly", StatusCodes.Status408RequestTimeout);
        }
        finally
        {
            _waited += time.GetElapsedTime(since);
        }
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush()
    {
    }
}
