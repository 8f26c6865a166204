using System.Runtime.CompilerServices;
using Lanyard.ClusterProxy.Answers;
using Lanyard.ClusterProxy.Authentication;
using Lanyard.ClusterProxy.ClientImpersonation;
using Lanyard.ClusterProxy.Forwarding;
using Lanyard.ClusterProxy.Hygiene;
using Lanyard.ClusterProxy.Limits;
using Lanyard.ClusterProxy.Requests;
using Lanyard.Identity;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace Lanyard.ClusterProxy.Serving;

/// <summary>
/// The way of every request: 1 shape and room, 2 token, 3 user and its room, 4 the client's own impersonation, 5 forward. There is no way round a
/// step and no anonymous request.
/// </summary>
internal sealed class ProxyHandler(
    CallerIdentification callers, ImpersonationReview review, RequestForwarder forwarder, Admission admission, RequestObserver observer, ILogger<ProxyHandler> log)
{
    public async Task HandleAsync(HttpContext context)
    {
        var passage = observer.Begin(context);
        using var span = observer.StartSpan(context);
        try
        {
            await PassAsync(context, passage);
        }
        catch (Exception e) when (!context.Response.HasStarted)
        {
            // Else the 200 that every answer begins as would be on record: a success that nobody had.
            var hasGone = context.RequestAborted.IsCancellationRequested || e is ConnectionResetException or ConnectionAbortedException;
            passage.Answer = hasGone ? RefusalAnswers.ClientGone : RefusalAnswers.Failed;
            context.Response.StatusCode = passage.Answer.Code;
            if (!hasGone)
            {
                throw;
            }
        }
        finally
        {
            admission.Leave(passage);
            await observer.EndAsync(context, passage, span);
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask PassAsync(HttpContext context, Passage passage)
    {
        // 1
        if (!RequestShape.Read(context).TryGet(out var shape, out var refusal))
        {
            await RefuseAsync(context, passage, refusal);
            return;
        }

        SlowClients.Guard(context, passage, shape);
        if (admission.Enter(passage) is { } full)
        {
            await RefuseAsync(context, passage, full);
            return;
        }

        // 2
        var bearer = BearerToken.Read(context.Request, "websocket".Equals(shape.Upgrade, StringComparison.OrdinalIgnoreCase));
        if (!bearer.Exists)
        {
            await RefuseAsync(context, passage, new Refusal(RefusalReason.TokenMissing, "no bearer token"));
            return;
        }

        // 3
        if (!(await callers.IdentifyAsync(bearer, context.RequestAborted)).TryGet(out var caller, out refusal))
        {
            await RefuseAsync(context, passage, refusal);
            return;
        }

        passage.User = caller.User;
        await observer.KnownAsync(context, passage);
        if (admission.EnterAs(passage, caller.User.Name) is { } busy)
        {
            await RefuseAsync(context, passage, busy);
            return;
        }

        // 4: a caller whose own token goes on is judged by the API server, its wishes too.
        var identity = caller.Identity;
        if (shape.Impersonates)
        {
            var headers = context.Request.Headers;
            var outcome = caller.Impersonated is { } subject ? await review.JudgeAsync(headers, subject, context.RequestAborted) : await review.ReadAsync(headers, context.RequestAborted);
            if (outcome.Target is null)
            {
                await DenyAsync(context, passage, caller.User.Name, outcome);
                return;
            }

            passage.Target = outcome.Target.User;
            identity = identity.IsPassedOn ? identity : UpstreamIdentity.Of(outcome.Target);
        }

        // 5
        await forwarder.ForwardAsync(context, shape, identity, bearer.Protocols, passage);
    }

    private async Task DenyAsync(HttpContext context, Passage passage, string user, ImpersonationOutcome outcome)
    {
        if (outcome.Denied is null)
        {
            await RefuseAsync(context, passage, outcome.Refusal!);
            return;
        }

        log.ImpersonationDenied(user, outcome.Denied.Message);
        passage.Refusal = new Refusal(RefusalReason.Forbidden, outcome.Denied.Message);
        await AnswerAsync(context, passage, outcome.Denied);
    }

    private async Task RefuseAsync(HttpContext context, Passage passage, Refusal refusal)
    {
        log.Refused(refusal.Stage, refusal.Reason, refusal.Detail, context.Connection.RemoteIpAddress);
        passage.Refusal = refusal;
        if (context.Request.Protocol == HttpProtocol.Http11 && context.Features.Get<IHttpRequestBodyDetectionFeature>()?.CanHaveBody == true)
        {
            // Not one byte of a body that nobody vouches for is read.
            context.Response.Headers.Connection = "close";
        }

        var answer = RefusalAnswers.For(refusal);
        await AnswerAsync(context, passage, answer);
        if (answer == KubernetesStatus.Unauthorized && context.Request.Protocol == HttpProtocol.Http2)
        {
            // As the API server does: who is nobody may not keep a connection on which requests cost it nothing (CVE-2023-44487). GOAWAY lets what runs end.
            context.Features.Get<IConnectionLifetimeNotificationFeature>()?.RequestClose();
        }
    }

    private static Task AnswerAsync(HttpContext context, Passage passage, KubernetesStatus status)
    {
        passage.Answer = status;
        if (passage.AuditId is { } id)
        {
            context.Response.Headers["Audit-Id"] = id;
        }

        return status.WriteAsync(context);
    }
}
