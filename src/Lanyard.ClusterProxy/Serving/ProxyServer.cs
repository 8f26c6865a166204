using System.Net;
using System.Net.Sockets;
using System.Text;
using Lanyard.ClusterProxy.Authentication;
using Lanyard.ClusterProxy.Forwarding;
using Lanyard.ClusterProxy.Hygiene;
using Lanyard.ClusterProxy.Tls;
using Lanyard.ClusterProxy.Upstream;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Lanyard.ClusterProxy.Serving;

/// <summary>
/// Kestrel as an API server's front: heads as large as Kubernetes sends them, bytes of header values unchanged, and no time limit that
/// would end a watch or an exec.
/// </summary>
internal static class ProxyServer
{
    private const int MaxHeaderLines = 4096;

    /// <summary>Must run before the first socket of the process: completions then run where they are seen, without a thread hand-over.</summary>
    public static void PreferInlineCompletions() => Environment.SetEnvironmentVariable("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1");

    public static WebApplication Build(ServingOptions options, RequestDelegate handle, ILoggerFactory loggers)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton(loggers);
        builder.Services.AddLogging();
        builder.Services.Configure<HostOptions>(h => h.ShutdownTimeout = options.DrainTimeout);
        builder.Services.Configure<SocketTransportOptions>(s =>
        {
            s.UnsafePreferInlineScheduling = true;
            s.NoDelay = true;
            s.CreateBoundListenSocket = BindKept;

            // A read is tried at once with a buffer of 4 KiB: one system call less for each request than to wait first. Beside what TLS costs a call is
            // nothing, and its connections are large enough without the buffer.
            s.WaitForDataBeforeAllocatingBuffer = options.Certificate is not null;
        });
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            Limit(kestrel.Limits, options.MaxBody);
            kestrel.AddServerHeader = false;
            kestrel.RequestHeaderEncodingSelector = _ => Encoding.Latin1;
            kestrel.ResponseHeaderEncodingSelector = _ => Encoding.Latin1;
            kestrel.Listen(options.Listen, listen => Listen(listen, options));
        });
        var app = builder.Build();
        app.Run(handle);
        return app;
    }

    /// <summary>The address that it listens on, with the real port; once it is started.</summary>
    public static Uri AddressOf(WebApplication app) =>
        new(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());

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
    }

    private static void Limit(KestrelServerLimits limits, long? maxBody)
    {
        // Kestrel answers its own 431 without a body, and ends an HTTP/2 connection over one long field: its limits are above ours, which says why
        // (RequestShape). Lines have a limit all the same, because Kestrel copies those that came for each further one of the same name.
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
