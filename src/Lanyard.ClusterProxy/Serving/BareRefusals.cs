using System.Globalization;
using System.IO.Pipelines;
using System.Net.Security;
using Lanyard.ClusterProxy.Answers;
using Lanyard.Identity;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace Lanyard.ClusterProxy.Serving;

/// <summary>
/// A head that Kestrel refuses by itself, for its number of lines or because it can't be read, is answered by Kestrel with nothing but a status line, and nobody is asked. On its way out such an answer gets
/// the <c>Status</c> that every other refusal has. All else passes as it is, told by its first bytes.
/// </summary>
internal sealed class BareRefusals(PipeWriter inner) : PipeWriter
{
    private Memory<byte> _room;
    private DefaultHttpContext? _context;

    private static ReadOnlySpan<byte> NoBody => "Content-Length: 0\r\n"u8;

    public override bool CanGetUnflushedBytes => inner.CanGetUnflushedBytes;

    public override long UnflushedBytes => inner.UnflushedBytes;

    public static void Use(IConnectionBuilder listen) => listen.Use(static next => connection =>
    {
        // Frames of HTTP/2 are no text.
        if (connection.Features.Get<ISslStreamFeature>()?.SslStream.NegotiatedApplicationProtocol != SslApplicationProtocol.Http2)
        {
            var refusals = new BareRefusals(connection.Transport.Output);
            connection.Features.Set(refusals);
            connection.Transport = new Duplex(connection.Transport.Input, refusals);
        }

        return next(connection);
    });

    /// <param name="context">The one that all requests of this connection have, in turn: while it has one, what is written is that one's answer, which may hold any bytes.</param>
    public void Learn(DefaultHttpContext context) => _context = context;

    public override Memory<byte> GetMemory(int sizeHint = 0) => _room = inner.GetMemory(sizeHint);

    public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    public override void Advance(int bytes)
    {
        var written = _room.Span[..bytes];
        if (written.StartsWith("HTTP/1.1 4"u8) && !IsAsking())
        {
            bytes = WithStatus(written.ToArray());
        }

        inner.Advance(bytes);
        _room = _room[bytes..];
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) => inner.FlushAsync(cancellationToken);

    public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default) => inner.WriteAsync(source, cancellationToken);

    public override void CancelPendingFlush() => inner.CancelPendingFlush();

    public override void Complete(Exception? exception = null) => inner.Complete(exception);

    public override ValueTask CompleteAsync(Exception? exception = null) => inner.CompleteAsync(exception);

    /// <returns>Length of what is to be sent.</returns>
    private int WithStatus(ReadOnlySpan<byte> head)
    {
        var at = head.IndexOf(NoBody);
        RefusalReason? reason = head[9..12].SequenceEqual("431"u8) ? RefusalReason.RequestTooLarge : head[9..12].SequenceEqual("400"u8) ? RefusalReason.RequestMalformed : null;
        if (at < 0 || reason is null || !head.EndsWith("\r\n\r\n"u8))
        {
            return head.Length;
        }

        var body = RefusalAnswers.For(new Refusal(reason.Value, "")).ToJson();
        byte[] whole =
        [
            .. head[..at], .. "Content-Type: application/json\r\nContent-Length: "u8, .. System.Text.Encoding.ASCII.GetBytes(body.Length.ToString(CultureInfo.InvariantCulture)), .. "\r\n"u8,
            .. head[(at + NoBody.Length)..], .. body,
        ];
        return whole.AsSpan().TryCopyTo(_room.Span) ? whole.Length : head.Length;
    }

    private bool IsAsking()
    {
        try
        {
            return _context?.Features is not null;
        }
        catch (ObjectDisposedException)
        {
            return false;
        }
    }

    private sealed record Duplex(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}
