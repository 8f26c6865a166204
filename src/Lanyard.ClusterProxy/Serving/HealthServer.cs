using System.Net;
using System.Text;
using Lanyard.Identity;
using Lanyard.Protocol.Telemetry;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging;

namespace Lanyard.ClusterProxy.Serving;

/// <summary>For each issuer null when its keys are known, else why not.</summary>
internal delegate Task<IReadOnlyList<(string Issuer, Refusal? Missing)>> IssuerStates(CancellationToken cancellation);

/// <summary>
/// <c>/healthz</c>, <c>/livez</c>, <c>/readyz</c> and <c>/metrics</c> on a port of their own, plain and without a token: on the proxy's port these paths are
/// the API server's. Nothing else is answered, and why keys are missing is never told here.
/// </summary>
internal static class HealthServer
{
    /// <param name="serving">Whether the proxy takes requests: false before it listens and from the moment that a stop begins.</param>
    public static Door Build(IPEndPoint listen, Func<bool> serving, IssuerStates issuers, Func<string> metrics, ILoggerFactory loggers) => new(
        kestrel =>
        {
            kestrel.Limits.MaxConcurrentConnections = 100;
            kestrel.Limits.MaxRequestBodySize = 0;
            kestrel.Listen(listen);
        },
        new SocketTransportOptions(),
        context => AnswerAsync(context, serving, issuers, metrics),
        loggers);

    private static async Task AnswerAsync(HttpContext context, Func<bool> serving, IssuerStates issuers, Func<string> metrics)
    {
        var (code, text) = !HttpMethods.IsGet(context.Request.Method) && !HttpMethods.IsHead(context.Request.Method)
            ? (StatusCodes.Status405MethodNotAllowed, "only GET and HEAD\n")
            : context.Request.Path.Value switch
            {
                "/healthz" or "/livez" => (StatusCodes.Status200OK, "ok\n"),
                "/readyz" or "/ready" when !serving() => (StatusCodes.Status503ServiceUnavailable, "not serving\n"),
                "/metrics" => (StatusCodes.Status200OK, metrics()),
                "/readyz" or "/ready" => Readiness(await issuers(context.RequestAborted)),
                _ => (StatusCodes.Status404NotFound, "not found\n"),
            };
        context.Response.StatusCode = code;
        context.Response.ContentType = PrometheusText.ContentType;
        await context.Response.WriteAsync(text, context.RequestAborted);
    }

    /// <summary>Ready with the keys of any issuer: one issuer's outage must not shut out the pipelines of the others.</summary>
    private static (int, string) Readiness(IReadOnlyList<(string Issuer, Refusal? Missing)> states)
    {
        var text = new StringBuilder();
        foreach (var (issuer, missing) in states)
        {
            text.Append(missing is null ? "[+] " : "[-] ").Append(issuer).Append(missing is null ? " ok\n" : " keys not known\n");
        }

        return (states.Any(s => s.Missing is null) ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable, text.ToString());
    }
}
