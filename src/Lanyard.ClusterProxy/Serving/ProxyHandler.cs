using Lanyard.ClusterProxy.Answers;
using Lanyard.ClusterProxy.Authentication;
using Lanyard.ClusterProxy.ClientImpersonation;
using Lanyard.ClusterProxy.Forwarding;
using Lanyard.ClusterProxy.Hygiene;
using Lanyard.ClusterProxy.Impersonation;
using Lanyard.Identity;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Lanyard.ClusterProxy.Serving;

/// <summary>
/// The way of every request: 1 shape, 2 token, 3 user, 4 the client's own impersonation, 5 forward. There is no way round a step and no
/// anonymous request.
/// </summary>
internal sealed class ProxyHandler(CallerIdentification callers, ImpersonationReview review, RequestForwarder forwarder, ILogger<ProxyHandler> log)
{
    public async Task HandleAsync(HttpContext context)
    {
        // 1
        if (!RequestShape.Read(context).TryGet(out var shape, out var refusal))
        {
            await RefuseAsync(context, refusal);
            return;
        }

        // 2
        var bearer = BearerToken.Read(context.Request, "websocket".Equals(shape.Upgrade, StringComparison.OrdinalIgnoreCase));
        if (bearer.Token is null)
        {
            await RefuseAsync(context, new Refusal(RefusalReason.TokenMissing, "no bearer token"));
            return;
        }

        // 3
        if (!(await callers.IdentifyAsync(bearer.Token, context.RequestAborted)).TryGet(out var caller, out refusal))
        {
            await RefuseAsync(context, refusal);
            return;
        }

        // 4: a caller whose own token goes on is judged by the API server, its wishes too.
        var identity = caller.Identity;
        if (shape.Impersonates && caller.Impersonated is { } subject)
        {
            var outcome = await review.JudgeAsync(context.Request.Headers, subject, context.RequestAborted);
            if (outcome.Target is null)
            {
                await DenyAsync(context, subject, outcome);
                return;
            }

            identity = UpstreamIdentity.Of(outcome.Target);
        }

        // 5
        await forwarder.ForwardAsync(context, shape, identity, bearer.Protocols);
    }

    private async Task DenyAsync(HttpContext context, ImpersonationHeaders identity, ImpersonationOutcome outcome)
    {
        if (outcome.Denied is null)
        {
            await RefuseAsync(context, outcome.Refusal!);
            return;
        }

        log.ImpersonationDenied(identity.User.Name, outcome.Denied.Message);
        await outcome.Denied.WriteAsync(context);
    }

    private async Task RefuseAsync(HttpContext context, Refusal refusal)
    {
        log.Refused(refusal.Stage, refusal.Reason, refusal.Detail, context.Connection.RemoteIpAddress);
        var status = RefusalAnswers.For(refusal);
        if (context.Request.Protocol == HttpProtocol.Http11 && context.Features.Get<Microsoft.AspNetCore.Http.Features.IHttpRequestBodyDetectionFeature>()?.CanHaveBody == true)
        {
            // Not one byte of a body that nobody vouches for is read.
            context.Response.Headers.Connection = "close";
        }

        await status.WriteAsync(context);
    }
}
