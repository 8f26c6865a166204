using System.IO.Pipelines;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Lanyard.ClusterProxy.Upstream;
using Lanyard.Testing.Sockets;

namespace Lanyard.ClusterProxy.Tests.Upstream;

/// <summary>Sends requests with the upstream client and collects what a caller would see.</summary>
internal sealed class UpstreamDriver : IDisposable
{
    private readonly UpstreamPool _pool;

    public UpstreamDriver(params Uri[] addresses)
        : this(new UpstreamOptions { Addresses = addresses })
    {
    }

    public UpstreamDriver(UpstreamOptions options, TimeProvider? time = null)
    {
        _pool = new UpstreamPool(options, time ?? TimeProvider.System);
        Client = new UpstreamClient(_pool);
    }

    public UpstreamClient Client { get; }

    public static SslClientAuthenticationOptions Trust(X509Certificate2 certificate) => new()
    {
        TargetHost = "localhost",
        CertificateChainPolicy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            CustomTrustStore = { certificate },
            RevocationMode = X509RevocationMode.NoCheck,
        },
    };

    public static UpstreamRequest Get(string target = "/") => new(Head($"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"), null, false, true, false);

    public static UpstreamRequest Post(string body, bool chunked = false, Func<ReadOnlyMemory<byte>>? trailers = null)
    {
        var pipe = new Pipe();
        pipe.Writer.WriteAsync(Encoding.UTF8.GetBytes(body)).AsTask().GetAwaiter().GetResult();
        pipe.Writer.Complete();
        var framing = chunked ? "Transfer-Encoding: chunked" : $"Content-Length: {body.Length}";
        var content = new RequestBody(pipe.Reader, chunked ? null : body.Length, trailers);
        return new(Head($"POST / HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n"), content, false, false, false);
    }

    public static byte[] Head(string text) => Encoding.Latin1.GetBytes(text);

    public async Task<(int Status, string Body, string Trailers)> SendAsync(UpstreamRequest request, CancellationToken cancellation = default)
    {
        await using var exchange = await Client.SendAsync(request, cancellation);
        var body = new MemoryStream();
        var writer = PipeWriter.Create(body, new StreamPipeWriterOptions(leaveOpen: true));
        var status = exchange.Head.Status;
        await exchange.CopyBodyAsync(writer);
        await writer.CompleteAsync();
        return (status, Encoding.Latin1.GetString(body.ToArray()), Encoding.Latin1.GetString(exchange.Trailers));
    }

    public void Dispose() => _pool.Dispose();
}
