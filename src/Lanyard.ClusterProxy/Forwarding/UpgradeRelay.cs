using System.Buffers;
using Lanyard.ClusterProxy.Upstream;

namespace Lanyard.ClusterProxy.Forwarding;

/// <summary>
/// After 101: bytes both ways, for hours, with no time limit. The client's half-close goes on to the API server; when the API server
/// ends, everything it sent has been written, and the client's side is closed.
/// </summary>
internal static class UpgradeRelay
{
    private const int BufferSize = 16 * 1024;

    public static async Task RunAsync(Stream client, UpstreamConnection upstream, CancellationToken cancellation)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var sending = SendAsync(client, upstream, stop.Token);
        try
        {
            await ReceiveAsync(client, upstream, stop.Token);
        }
        catch (Exception e) when (e is UpstreamException or IOException or OperationCanceledException)
        {
            // Either side went away: the other is closed below, which is all that it can be told.
        }

        await stop.CancelAsync();
        upstream.Abort();
        await sending;
    }

    private static async Task ReceiveAsync(Stream client, UpstreamConnection upstream, CancellationToken cancellation)
    {
        do
        {
            var piece = upstream.Buffered;
            if (piece.Length > 0)
            {
                await client.WriteAsync(piece, cancellation);
                upstream.Consume(piece.Length);
                await client.FlushAsync(cancellation);
            }
        }
        while (await upstream.FillAsync(mayIdle: true));
    }

    private static async Task SendAsync(Stream client, UpstreamConnection upstream, CancellationToken cancellation)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            for (int count; (count = await client.ReadAsync(buffer, cancellation)) > 0;)
            {
                await upstream.WriteAsync(buffer.AsMemory(0, count));
            }

            await upstream.ShutdownSendAsync();
        }
        catch (Exception e) when (e is UpstreamException or IOException or OperationCanceledException)
        {
            // A reset client, or the end from the other side: nothing is left to say to the API server.
            upstream.Abort();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
