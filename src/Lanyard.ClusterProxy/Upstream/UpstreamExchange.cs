using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;

namespace Lanyard.ClusterProxy.Upstream;

/// <summary>One request and its answer on one connection. Disposing gives the connection back if both ended cleanly, else closes it.</summary>
internal sealed class UpstreamExchange : IAsyncDisposable
{
    private readonly UpstreamPool _pool;
    private readonly UpstreamRequest _request;
    private readonly CancellationToken _cancellation;
    private readonly CancellationTokenRegistration _abort;
    private Task? _sending;
    private Exception? _bodyFault;
    private bool _complete;

    public UpstreamExchange(UpstreamPool pool, UpstreamConnection connection, UpstreamRequest request, CancellationToken cancellation)
    {
        _pool = pool;
        Connection = connection;
        _request = request;
        _cancellation = cancellation;
        _abort = cancellation.UnsafeRegister(static state => ((UpstreamConnection)state!).Abort(), connection);
    }

    public UpstreamConnection Connection { get; }

    public ResponseHead Head => Connection.Head;

    /// <summary>Trailer lines of a chunked answer, after <see cref="CopyBodyAsync"/>.</summary>
    public ReadOnlySpan<byte> Trailers => Head.Framing == BodyFraming.Chunked ? Connection.Chunks.Trailers : default;

    /// <summary>Client-side exceptions of the body (too large, gone) come through as they are.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask StartAsync()
    {
        try
        {
            await Connection.WriteAsync(_request.Head);
            if (_request.Body is not null)
            {
                _sending = SendBodyAsync(_request.Body);
            }

            await Connection.ReadHeadAsync(_request.IsHead);
        }
        catch (UpstreamException) when (_bodyFault is not (null or UpstreamException) || _cancellation.IsCancellationRequested)
        {
            ThrowClientFault();
            throw;
        }

        if (Head.Status == 101 && !_request.WantsUpgrade)
        {
            throw UpstreamException.Malformed("101 to a request that asked for no upgrade");
        }
    }

    /// <summary>Relays the body; flushes whenever nothing more is at hand, so that every event of a watch arrives at once.</summary>
    /// <exception cref="UpstreamException">Cut or malformed: the client must see a broken answer, not a short one.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask CopyBodyAsync(PipeWriter destination)
    {
        try
        {
            switch (Head.Framing)
            {
                case BodyFraming.Length:
                    await CopyLengthAsync(destination, Head.ContentLength!.Value);
                    break;
                case BodyFraming.Chunked:
                    await CopyChunksAsync(destination);
                    break;
                case BodyFraming.UntilClose:
                    await CopyUntilCloseAsync(destination);
                    break;
                default:
                    break;
            }
        }
        catch (UpstreamException) when (_cancellation.IsCancellationRequested)
        {
            ThrowClientFault();
            throw;
        }

        _complete = true;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask DisposeAsync()
    {
        await _abort.DisposeAsync();
        var sent = _bodyFault is null && (_sending is null || _sending.IsCompleted);
        if (sent && _complete && Head.KeepAlive && !_request.WantsUpgrade && !_cancellation.IsCancellationRequested)
        {
            _pool.Return(Connection);
            return;
        }

        if (_sending is { IsCompleted: false })
        {
            Connection.Abort();
            _request.Body!.Stop();
            await _sending;
        }

        Connection.Dispose();
    }

    private async Task SendBodyAsync(RequestBody body)
    {
        try
        {
            await body.SendAsync(Connection);
        }
        catch (UpstreamException e)
        {
            // The API server may answer and close before it has read everything (413, 401): the answer is still read.
            _bodyFault = e;
        }
        catch (Exception e)
        {
            _bodyFault = e;
            Connection.Abort();
        }
    }

    private void ThrowClientFault()
    {
        _cancellation.ThrowIfCancellationRequested();
        if (_bodyFault is not (null or UpstreamException))
        {
            ExceptionDispatchInfo.Throw(_bodyFault);
        }
    }

    private async ValueTask CopyLengthAsync(PipeWriter destination, long remaining)
    {
        while (true)
        {
            var piece = Connection.Buffered;
            piece = piece[..(int)Math.Min(piece.Length, remaining)];
            destination.Write(piece.Span);
            Connection.Consume(piece.Length);
            remaining -= piece.Length;

            // The last piece too: Kestrel does not send by itself what was written after an earlier flush.
            await FlushAsync(destination);
            if (remaining == 0)
            {
                return;
            }

            await MoreAsync();
        }
    }

    private async ValueTask CopyChunksAsync(PipeWriter destination)
    {
        var chunks = Connection.Chunks;
        chunks.Reset();
        while (true)
        {
            while (Connection.Buffered.Length > 0 && !chunks.IsDone)
            {
                destination.Write(chunks.Next(Connection.Buffered.Span, out var consumed));
                Connection.Consume(consumed);
            }

            if (chunks.IsDone)
            {
                return;
            }

            await FlushAsync(destination);
            await MoreAsync();
        }
    }

    private async ValueTask CopyUntilCloseAsync(PipeWriter destination)
    {
        do
        {
            destination.Write(Connection.Buffered.Span);
            Connection.Consume(Connection.Buffered.Length);
            await FlushAsync(destination);
        }
        while (await Connection.FillAsync(mayIdle: true));
    }

    private async ValueTask MoreAsync()
    {
        if (!await Connection.FillAsync(_request.MayIdle))
        {
            throw new UpstreamException(UpstreamFault.Cut, "the API server closed within an answer");
        }
    }

    private async ValueTask FlushAsync(PipeWriter destination)
    {
        var flushed = await destination.FlushAsync(_cancellation);
        if (flushed.IsCompleted || flushed.IsCanceled)
        {
            throw new OperationCanceledException("the client has gone");
        }
    }
}
