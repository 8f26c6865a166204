using System.Text;
using Lanyard.ClusterProxy.Answers;
using Lanyard.ClusterProxy.Hygiene;
using Lanyard.ClusterProxy.Upstream;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace Lanyard.ClusterProxy.Forwarding;

/// <summary>Sends one judged request to the API server as its user, and relays the answer as it comes.</summary>
internal sealed class RequestForwarder(UpstreamClient client, UpstreamTarget target, TrustedProxies trusted, ILogger<RequestForwarder> log)
{
    /// <param name="protocols">Replaces <c>Sec-WebSocket-Protocol</c>, see <see cref="OutgoingHead"/>.</param>
    public async Task ForwardAsync(HttpContext context, RequestShape shape, UpstreamIdentity identity, string? protocols)
    {
        using var head = new HeadBuffer();
        OutgoingHead.Write(head, context, shape, target, identity, trusted, protocols);
        UpstreamExchange exchange;
        try
        {
            exchange = await client.SendAsync(Request(context, shape, head.Written), context.RequestAborted);
        }
        catch (UpstreamException e)
        {
            log.UpstreamFailed(e.Fault, e.Message);
            await RefusalAnswers.For(e.Fault).WriteAsync(context);
            return;
        }
        catch (OperationCanceledException)
        {
            return;
        }

        await using (exchange)
        {
            await RelayAsync(context, shape, exchange, identity.IsPassedOn);
        }
    }

    private static UpstreamRequest Request(HttpContext context, in RequestShape shape, ReadOnlyMemory<byte> head)
    {
        var method = context.Request.Method;
        var hasBody = shape.HasBody && shape.Upgrade is null;
        var body = hasBody ? new RequestBody(context.Request.BodyReader, context.Request.ContentLength, () => Trailers(context)) : null;
        return new UpstreamRequest(head, body, method == "HEAD", !hasBody && method is ("GET" or "HEAD" or "OPTIONS"), shape.Upgrade is not null);
    }

    private async Task RelayAsync(HttpContext context, RequestShape shape, UpstreamExchange exchange, bool isPassedOn)
    {
        try
        {
            if (exchange.Head.Status == 101)
            {
                await UpgradeAsync(context, shape, exchange);
            }
            else if (exchange.Head.Status == 401 && !isPassedOn)
            {
                log.OwnCredentialRefused();
                await RefusalAnswers.OwnCredentialRefused.WriteAsync(context);
            }
            else
            {
                await AnswerAsync(context, shape, exchange);
            }
        }
        catch (UpstreamException e)
        {
            log.UpstreamFailed(e.Fault, e.Message);
            context.Abort();
        }
        catch (OperationCanceledException)
        {
            context.Abort();
        }
    }

    private static async Task AnswerAsync(HttpContext context, RequestShape shape, UpstreamExchange exchange)
    {
        AnswerRelay.CopyHead(exchange.Head, context.Response);
        if (shape.Upgrade is not null)
        {
            // Nobody may go on speaking on a connection whose upgrade was refused (CVE-2018-1002105).
            context.Response.Headers.Connection = "close";
        }

        await AnswerRelay.CopyBodyAsync(exchange, context.Response);
    }

    private async Task UpgradeAsync(HttpContext context, RequestShape shape, UpstreamExchange exchange)
    {
        if (!SwitchesTo(exchange.Head, shape.Upgrade!))
        {
            log.UpstreamFailed(UpstreamFault.Malformed, "101 to another protocol");
            await RefusalAnswers.For(UpstreamFault.Malformed).WriteAsync(context);
            return;
        }

        AnswerRelay.CopyHead(exchange.Head, context.Response);
        context.Response.Headers.Upgrade = shape.Upgrade;
        if (context.Features.Get<HalfClose>() is { } half)
        {
            half.IsAllowed = true;
        }

        var stream = await context.Features.GetRequiredFeature<IHttpUpgradeFeature>().UpgradeAsync();
        await UpgradeRelay.RunAsync(stream, exchange.Connection, context.RequestAborted);
    }

    private static bool SwitchesTo(ResponseHead head, string protocol)
    {
        var found = 0;
        for (var i = 0; i < head.Count; i++)
        {
            if (HttpText.Equal(head.Name(i), "upgrade"u8))
            {
                found += Ascii.EqualsIgnoreCase(head.Value(i), protocol) ? 1 : 2;
            }
        }

        return found == 1;
    }

    private static ReadOnlyMemory<byte> Trailers(HttpContext context)
    {
        if (context.Features.Get<IHttpRequestTrailersFeature>() is not { Available: true, Trailers.Count: > 0 } trailers)
        {
            return default;
        }

        using var lines = new HeadBuffer();
        foreach (var (name, values) in trailers.Trailers)
        {
            for (var i = 0; HeaderRules.Judge(name) == HeaderFate.Forward && i < values.Count; i++)
            {
                lines.Header(name, values[i] ?? "");
            }
        }

        return lines.Written.ToArray();
    }
}
