using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace Lanyard.Bench.Proxy;

/// <summary>The least that .NET's own parts need to forward a request: a peer, in a process of its own.</summary>
internal static class Forwarder
{
    public const string Name = "forwarder";

    /// <param name="args">Port, upstream, and a PEM file or <c>-</c>.</param>
    public static async Task RunAsync(IReadOnlyList<string> args)
    {
        using var certificate = args[2] == "-" ? null : X509Certificate2.CreateFromPemFile(args[2]);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders(); // Two lines for each request were half of its work.
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, int.Parse(args[0], CultureInfo.InvariantCulture), listen =>
        {
            listen.Protocols = HttpProtocols.Http1;
            if (certificate is not null)
                listen.UseHttps(certificate);
        }));
        var app = builder.Build();
#pragma warning disable CA5359 // The upstream is the benchmark's own and the peer is spared the check.
        using var client = new HttpMessageInvoker(new SocketsHttpHandler
        {
            UseProxy = false, AllowAutoRedirect = false, UseCookies = false, MaxConnectionsPerServer = 1024,
            SslOptions = new SslClientAuthenticationOptions { RemoteCertificateValidationCallback = static (_, _, _, _) => true },
        });
#pragma warning restore CA5359
        app.Run(context => ForwardAsync(context, client, args[1]));
        await app.RunAsync();
    }

    private static async Task ForwardAsync(HttpContext context, HttpMessageInvoker client, string upstream)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, upstream + context.Features.Get<IHttpRequestFeature>()!.RawTarget);
        foreach (var (name, values) in context.Request.Headers)
        {
            if (name is not ("Host" or "Connection" or "Authorization"))
                request.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values);
        }
        request.Headers.TryAddWithoutValidation("Impersonate-User", "repo:acme/shop:ref:refs/heads/main");
        using var answer = await client.SendAsync(request, context.RequestAborted);
        context.Response.StatusCode = (int)answer.StatusCode;
        context.Response.ContentType = answer.Content.Headers.ContentType?.ToString();
        context.Response.ContentLength = answer.Content.Headers.ContentLength;
        await answer.Content.CopyToAsync(context.Response.Body, context.RequestAborted);
    }
}
