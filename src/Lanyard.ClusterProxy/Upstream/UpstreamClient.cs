using System.Runtime.CompilerServices;

namespace Lanyard.ClusterProxy.Upstream;

/// <summary>One request as it goes out.</summary>
/// <param name="Head">Request line and headers with the empty line.</param>
/// <param name="Body">Null where none follows.</param>
/// <param name="IsHead">The answer has no body whatever it declares.</param>
/// <param name="MayRepeat">Safe to send again when a pooled connection turns out to be closed: a bodyless GET, HEAD or OPTIONS.</param>
/// <param name="WantsUpgrade">101 is an answer to this request, and only to such a one.</param>
/// <param name="MayIdle">The answer may pause for hours, as a watch's does: no buffer is held meanwhile.</param>
internal readonly record struct UpstreamRequest(ReadOnlyMemory<byte> Head, RequestBody? Body, bool IsHead, bool MayRepeat, bool WantsUpgrade, bool MayIdle = false);

/// <summary>
/// Our own HTTP/1.1 client, because <see cref="HttpClient"/> joins repeated headers into one line and so turns many
/// <c>Impersonate-Group</c> lines into one bogus group. It sends the head it is given byte for byte, reads strictly, and follows nothing.
/// </summary>
internal sealed class UpstreamClient(UpstreamPool pool)
{
    /// <summary>Sends, and reads the head of the answer. The caller relays the body and disposes of the exchange.</summary>
    /// <exception cref="UpstreamException">Unreachable, cut or malformed.</exception>
    /// <exception cref="OperationCanceledException">The caller went away.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<UpstreamExchange> SendAsync(UpstreamRequest request, CancellationToken cancellation)
    {
        for (var fresh = false; ; fresh = true)
        {
            var connection = await pool.RentAsync(sure: !request.MayRepeat, fresh, cancellation);
            var mayBeStale = connection.IsReused && request.MayRepeat;
            var exchange = new UpstreamExchange(pool, connection, request, cancellation);
            try
            {
                await exchange.StartAsync();
                return exchange;
            }
            catch (UpstreamException e) when (mayBeStale && e.Fault == UpstreamFault.Cut && !connection.SawBytes && !cancellation.IsCancellationRequested)
            {
                await exchange.DisposeAsync();
            }
            catch
            {
                await exchange.DisposeAsync();
                throw;
            }
        }
    }
}
