using System.Buffers;
using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace Lanyard.ClusterProxy.Upstream;

/// <summary>
/// One HTTP/1.1 connection to an API server, used by one exchange at a time (never HTTP pipelining). It keeps its receive buffer from exchange to
/// exchange, but an idle watch holds none: it waits with a read of zero bytes.
/// </summary>
internal sealed class UpstreamConnection(Socket socket, Stream stream, int generation) : IDisposable
{
    private const int ReceiveSize = 16 * 1024;
    private const int MaxInformational = 16;

    private byte[] _buffer = [];
    private int _start;
    private int _end;

    public ResponseHead Head { get; } = new();

    public ChunkedDecoder Chunks { get; } = new();

    /// <summary>The pool's generation of addresses and trust that this connection was made under.</summary>
    public int Generation { get; } = generation;

    /// <summary>Place of its address among the options'.</summary>
    public int Address { get; init; }

    /// <summary>True once it has carried an exchange: then a cut before the first byte may only mean that the server had closed it.</summary>
    public bool IsReused { get; set; }

    /// <summary>Timestamp of the pool's clock.</summary>
    public long IdleSince { get; set; }

    /// <summary>Something of this exchange's answer has come: then the request is never sent again.</summary>
    public bool SawBytes { get; private set; }

    public ReadOnlyMemory<byte> Buffered => _buffer.AsMemory(_start, _end - _start);

    public void Consume(int count) => _start += count;

    /// <summary>Bytes or an end that nobody asked for: an idle connection in this state may be dead.</summary>
    public bool HasPendingInput
    {
        get
        {
            try
            {
                return socket.Poll(0, SelectMode.SelectRead);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return true;
            }
        }
    }

    /// <exception cref="UpstreamException">Cut.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            await stream.WriteAsync(bytes);
        }
        catch (Exception e) when (IsCut(e))
        {
            throw new UpstreamException(UpstreamFault.Cut, "writing to the API server failed", e);
        }
    }

    /// <summary>Waits for bytes. With <paramref name="mayIdle"/> the buffer is given back until some arrive.</summary>
    /// <returns>False at the end of the stream.</returns>
    /// <exception cref="UpstreamException">Cut.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<bool> FillAsync(bool mayIdle)
    {
        try
        {
            if (mayIdle && _start == _end)
            {
                ReleaseBuffer();
                _ = await stream.ReadAsync(Memory<byte>.Empty).ConfigureAwait(false);
            }

            MakeRoom();
            var count = await stream.ReadAsync(_buffer.AsMemory(_end));
            _end += count;
            SawBytes |= count > 0;
            return count > 0;
        }
        catch (Exception e) when (IsCut(e))
        {
            throw new UpstreamException(UpstreamFault.Cut, "reading from the API server failed", e);
        }
    }

    /// <summary>Reads the next final response head; informational ones other than 101 are read over.</summary>
    /// <exception cref="UpstreamException">Cut or malformed.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<ResponseHead> ReadHeadAsync(bool answersHead)
    {
        for (var informational = 0; informational <= MaxInformational;)
        {
            var bodyStart = _start == _end ? -1 : ResponseHeadParser.Parse(_buffer, _start, _end, Head);
            if (bodyStart < 0)
            {
                if (!await FillAsync(mayIdle: false))
                {
                    throw new UpstreamException(UpstreamFault.Cut, "the API server closed before it answered");
                }

                continue;
            }

            _start = bodyStart;
            if (Head.Status is >= 200 or 101)
            {
                Head.Frame(answersHead);
                return Head;
            }

            informational++;
        }

        throw UpstreamException.Malformed("too many informational responses");
    }

    /// <summary>Says that nothing more will be sent, and goes on receiving.</summary>
    public async ValueTask ShutdownSendAsync()
    {
        try
        {
            if (stream is SslStream tls)
            {
                await tls.ShutdownAsync();
            }

            socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (IsCut(e))
        {
            // The other side has gone already: its end is seen by the reader.
        }
    }

    /// <summary>Ends every pending read and write at once; from any thread.</summary>
    public void Abort() => socket.Dispose();

    /// <summary>Between two exchanges: a buffer that a large head made grow is not kept, and what came is the last exchange's.</summary>
    public void Rest()
    {
        SawBytes = false;
        if (_buffer.Length > ReceiveSize)
        {
            ReleaseBuffer();
        }
    }

    private void ReleaseBuffer()
    {
        if (_buffer.Length > 0 && _start == _end)
        {
            var buffer = _buffer;
            _buffer = [];
            _start = _end = 0;
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Only by the exchange or pool that holds it, when no read is pending.</summary>
    public void Dispose()
    {
        _start = _end;
        ReleaseBuffer();
        socket.Dispose();
        stream.Dispose();
    }

    private static bool IsCut(Exception e) => e is IOException or SocketException or ObjectDisposedException or InvalidOperationException;

    private void MakeRoom()
    {
        if (_buffer.Length == 0)
        {
            _buffer = ArrayPool<byte>.Shared.Rent(ReceiveSize);
        }
        else if (_start == _end)
        {
            _start = _end = 0;
        }
        else if (_end == _buffer.Length)
        {
            var larger = _start > 0 ? _buffer : ArrayPool<byte>.Shared.Rent(_buffer.Length * 2);
            Buffer.BlockCopy(_buffer, _start, larger, 0, _end - _start);
            if (larger != _buffer)
            {
                ArrayPool<byte>.Shared.Return(_buffer);
                _buffer = larger;
            }

            (_start, _end) = (0, _end - _start);
        }
    }
}
