using System.Globalization;
using System.IO.Pipelines;
using Lanyard.ClusterProxy.Upstream;

namespace Lanyard.ClusterProxy.Forwarding;

/// <summary>Calls that the proxy makes as itself: access reviews, the version. Never with a client's headers, never impersonating.</summary>
internal sealed class OwnCalls(UpstreamClient client, UpstreamTarget target)
{
    private const int MaxAnswer = 1024 * 1024;

    /// <param name="json">Null for GET.</param>
    /// <exception cref="UpstreamException">The API server gave no usable answer.</exception>
    public async ValueTask<(int Status, ReadOnlyMemory<byte> Body)> SendAsync(string method, string path, byte[]? json, CancellationToken cancellation)
    {
        using var head = new HeadBuffer();
        head.Latin1($"{method} {target.PathPrefix}{path} HTTP/1.1\r\n");
        head.Raw(target.HostLine);
        head.Raw(target.Credential.AuthorizationLine);
        head.Raw("Accept: application/json\r\nUser-Agent: lanyard-cluster-proxy\r\n"u8);
        RequestBody? body = null;
        if (json is not null)
        {
            head.Raw("Content-Type: application/json\r\n"u8);
            head.Header("Content-Length", json.Length.ToString(CultureInfo.InvariantCulture));
            body = new RequestBody(PipeReader.Create(new MemoryStream(json)), json.Length);
        }

        head.Raw("\r\n"u8);

        // A review may be asked twice without harm, and a version too.
        var request = new UpstreamRequest(head.Written, body, IsHead: false, MayRepeat: body is null, WantsUpgrade: false);
        await using var exchange = await client.SendAsync(request, cancellation);
        if (exchange.Head.ContentLength > MaxAnswer)
        {
            throw UpstreamException.Malformed("an answer too long");
        }

        var answer = new BoundedStream(MaxAnswer);
        var writer = PipeWriter.Create(answer);
        await exchange.CopyBodyAsync(writer);
        await writer.FlushAsync(cancellation);
        return (exchange.Head.Status, answer.GetBuffer().AsMemory(0, (int)answer.Length));
    }

    private sealed class BoundedStream(int limit) : MemoryStream
    {
        public override void Write(ReadOnlySpan<byte> buffer)
        {
            if (Length + buffer.Length > limit)
            {
                throw UpstreamException.Malformed("an answer too long");
            }

            base.Write(buffer);
        }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Write(buffer.Span);
            return ValueTask.CompletedTask;
        }
    }
}
