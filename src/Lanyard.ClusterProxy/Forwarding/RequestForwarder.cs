using System.Runtime.CompilerServices;
using System.Text;
using Lanyard.ClusterProxy.Answers;
using Lanyard.ClusterProxy.Hygiene;
using Lanyard.ClusterProxy.Requests;
using Lanyard.ClusterProxy.Upstream;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace Lanyard.ClusterProxy.Forwarding;

/// <summary>Sends one judged request to the API server as its user, and relays the answer as it comes.</summary>
internal sealed class RequestForwarder(UpstreamClient client, UpstreamTarget target, TrustedProxies trusted, ILogger<RequestForwarder> log, bool tellClientAddress = false)
{
    /// <exception cref="OperationCanceledException">The caller went away before the API server answered.</exception>
    /// <param name="protocols">Replaces <c>Sec-WebSocket-Protocol</c>, see <see cref="OutgoingHead"/>.</param>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask ForwardAsync(HttpContext context, RequestShape shape, UpstreamIdentity identity, string? protocols, Passage passage)
    {
        UpstreamExchange exchange;
        try
        {
            using var head = new HeadBuffer();
            OutgoingHead.Write(head, context, shape, target, identity, trusted, new HeadChanges(protocols, passage.AuditId, tellClientAddress ? ClientAddress.Of(context, trusted) : null));
            exchange = await client.SendAsync(Request(context, shape, head.Written, passage.IsLongRunning), context.RequestAborted);
        }
        catch (UpstreamException e)
        {
            log.UpstreamFailed(e.Fault, e.Message);
            await AnswerAsync(context, passage, RefusalAnswers.For(e.Fault));
            return;
        }
        catch (BadHttpRequestException e)
        {
            // The client's body was too long, too slow or broken while it was read.
            await AnswerAsync(context, passage, RefusalAnswers.ForBody(e.StatusCode));
            return;
        }

        await using (exchange)
        {
            await RelayAsync(context, shape, exchange, passage, identity.IsPassedOn);
        }
    }

    private static UpstreamRequest Request(HttpContext context, in RequestShape shape, ReadOnlyMemory<byte> head, bool mayIdle)
    {
        var method = context.Request.Method;
        var hasBody = shape.HasBody && shape.Upgrade is null;
        var body = hasBody ? new RequestBody(context.Request.BodyReader, context.Request.ContentLength, () => Trailers(context)) : null;
        return new UpstreamRequest(head, body, method == "HEAD", !hasBody && method is ("GET" or "HEAD" or "OPTIONS"), shape.Upgrade is not null, mayIdle);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask RelayAsync(HttpContext context, RequestShape shape, UpstreamExchange exchange, Passage passage, bool isPassedOn)
    {
        try
        {
            if (exchange.Head.Status == 101)
            {
                await UpgradeAsync(context, shape, exchange, passage);
            }
            else if (exchange.Head.Status == 401 && !isPassedOn)
            {
                log.OwnCredentialRefused();
                await AnswerAsync(context, passage, RefusalAnswers.OwnCredentialRefused);
            }
            else
            {
                await RelayAnswerAsync(context, shape, exchange, passage);
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

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private static async ValueTask RelayAnswerAsync(HttpContext context, RequestShape shape, UpstreamExchange exchange, Passage passage)
    {
        AnswerRelay.CopyHead(exchange.Head, context.Response);
        if (shape.Upgrade is not null)
        {
            // Nobody may go on speaking on a connection whose upgrade was refused (CVE-2018-1002105).
            context.Response.Headers.Connection = "close";
        }

        await StartedAsync(passage, exchange);
        await AnswerRelay.CopyBodyAsync(exchange, context.Response);
    }

    private static ValueTask StartedAsync(Passage passage, UpstreamExchange exchange) =>
        passage is { IsLongRunning: true, Started: { } tell } ? tell(passage, exchange.Head.Status) : ValueTask.CompletedTask;

    /// <summary>An answer of our own, also told to whoever notes the passage down.</summary>
    private static Task AnswerAsync(HttpContext context, Passage passage, KubernetesStatus status)
    {
        passage.Answer = status;
        if (context.Response.HasStarted)
        {
            context.Abort();
            return Task.CompletedTask;
        }

        if (passage.AuditId is { } id)
        {
            context.Response.Headers["Audit-Id"] = id;
        }

        return status.WriteAsync(context);
    }

    private async Task UpgradeAsync(HttpContext context, RequestShape shape, UpstreamExchange exchange, Passage passage)
    {
        if (!SwitchesTo(exchange.Head, shape.Upgrade!))
        {
            log.UpstreamFailed(UpstreamFault.Malformed, "101 to another protocol");
            await AnswerAsync(context, passage, RefusalAnswers.For(UpstreamFault.Malformed));
            return;
        }

        AnswerRelay.CopyHead(exchange.Head, context.Response);
        context.Response.Headers.Upgrade = shape.Upgrade;
        if (context.Features.Get<HalfClose>() is { } half)
        {
            half.IsAllowed = true;
        }

        await StartedAsync(passage, exchange);
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
