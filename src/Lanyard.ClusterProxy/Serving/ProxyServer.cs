using System.Net;
using System.Net.Sockets;
using System.Text;
using Lanyard.ClusterProxy.Authentication;
using Lanyard.ClusterProxy.Forwarding;
using Lanyard.ClusterProxy.Hygiene;
using Lanyard.ClusterProxy.Tls;
using Lanyard.ClusterProxy.Upstream;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging;

namespace Lanyard.ClusterProxy.Serving;

/// <summary>
/// Kestrel as an API server's front: heads as large as Kubernetes sends them, bytes of header values unchanged, and no time limit that
/// would end a watch or an exec.
/// </summary>
internal static class ProxyServer
{
    /// <summary>
    /// Twice our own limit, which answers with a <c>Status</c> over HTTP/2 too; what is over this one Kestrel refuses with nothing but a status. Kestrel copies the lines that came for each further one of the same
    /// name: no more than this, because the cost grows with the square (a core has 3 ms for 2,040 lines, 9 ms for 4,080), before a token is looked at.
    /// </summary>
    private const int MaxHeaderLines = RequestShape.MaxLines * 2;

    /// <summary>Must run before the first socket of the process: completions then run where they are seen, without a thread hand-over.</summary>
    public static void PreferInlineCompletions() => Environment.SetEnvironmentVariable("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1");

    public static Door Build(ServingOptions options, RequestDelegate handle, ILoggerFactory loggers)
    {
        var sockets = new SocketTransportOptions
        {
            UnsafePreferInlineScheduling = true,
            NoDelay = true,
            CreateBoundListenSocket = BindKept,

            // A read is tried at once with a buffer of 4 KiB: one system call less for each request than to wait first. Beside what TLS costs a call is
            // nothing, and its connections are large enough without the buffer.
            WaitForDataBeforeAllocatingBuffer = options.Certificate is not null,
        };
        return new Door(
            kestrel =>
            {
                Limit(kestrel.Limits, options.MaxBody);
                kestrel.RequestHeaderEncodingSelector = _ => Encoding.Latin1;
                kestrel.ResponseHeaderEncodingSelector = _ => Encoding.Latin1;
                kestrel.Listen(options.Listen, listen => Listen(listen, options));
            },
            sockets,
            handle,
            loggers);
    }

    /// <summary>What is accepted inherits the options: nothing is to be set for each connection.</summary>
    private static Socket BindKept(EndPoint endpoint)
    {
        var socket = SocketTransportOptions.CreateDefaultBoundListenSocket(endpoint);
        VanishedPeers.Notice(socket);
        return socket;
    }

    private static void Listen(ListenOptions listen, ServingOptions options)
    {
        HalfClose.Use(listen);
        BearerMemo.Use(listen);
        listen.Protocols = HttpProtocols.Http1;
        if (options.Certificate is { } certificate)
        {
            listen.Protocols = HttpProtocols.Http1AndHttp2;
            listen.UseHttps(new TlsHandshakeCallbackOptions { OnConnection = _ => new(certificate()) });
            listen.Use(static next => connection =>
            {
                TlsBuffers.ReleaseWhenIdle(connection.Features.Get<ISslStreamFeature>()!.SslStream);
                return next(connection);
            });
        }

        BareRefusals.Use(listen);
    }

    private static void Limit(KestrelServerLimits limits, long? maxBody)
    {
        // Kestrel ends an HTTP/2 connection over one long field: its limits are above ours (RequestShape), which answers for one request alone.
        limits.MaxRequestHeadersTotalSize = 1024 * 1024;
        limits.MaxRequestHeaderCount = MaxHeaderLines;
        limits.MaxRequestLineSize = 64 * 1024;
        limits.MaxRequestBodySize = maxBody;

        // Bodies of streams are spared (SlowClients); answers are timed there, where they are no streams.
        limits.MinRequestBodyDataRate = SlowClients.Slowest;
        limits.MinResponseDataRate = null;
        limits.Http2.MaxStreamsPerConnection = 1000;
        limits.Http2.MaxRequestHeaderFieldSize = RequestShape.MaxHeaders + (64 * 1024);
        limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(30);
        limits.Http2.KeepAlivePingTimeout = TimeSpan.FromSeconds(60);
    }
}
