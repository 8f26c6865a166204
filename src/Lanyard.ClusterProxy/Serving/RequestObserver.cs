using System.Diagnostics;
using Lanyard.ClusterProxy.Audit;
using Lanyard.ClusterProxy.Requests;
using Lanyard.ClusterProxy.Telemetry;
using Microsoft.AspNetCore.Http;

namespace Lanyard.ClusterProxy.Serving;

/// <summary>Tells of every request, whatever became of it: metrics and span always, audit and access log where the operator wants them.</summary>
internal sealed class RequestObserver(ProxyMetrics metrics, AuditTrail? audit, AccessLog? log, TimeProvider time)
{
    public Passage Begin(HttpContext context)
    {
        var passage = new Passage { StartedAt = time.GetTimestamp() };
        if (audit is not null)
        {
            passage.AuditId = AuditTrail.IdOf(context.Request);
        }

        return passage;
    }

    /// <summary>Continues the client's trace where there is one; null while nobody listens.</summary>
    public Activity? StartSpan(HttpContext context)
    {
        if (!metrics.Activities.HasListeners())
        {
            return null;
        }

        _ = ActivityContext.TryParse(context.Request.Headers.TraceParent, context.Request.Headers.TraceState, isRemote: true, out var parent);
        var span = metrics.Activities.StartActivity("cluster-proxy request", ActivityKind.Server, parent);
        span?.SetTag("http.request.method", context.Request.Method);
        return span;
    }

    /// <summary>The caller is known; before its request goes anywhere, it is on record.</summary>
    public ValueTask KnownAsync(HttpContext context, Passage passage) => audit?.ReceivedAsync(context, passage) ?? ValueTask.CompletedTask;

    public async ValueTask EndAsync(HttpContext context, Passage passage, Activity? span)
    {
        metrics.Answered(context.Request.Method, context.Response.StatusCode, time.GetElapsedTime(passage.StartedAt), passage.IsLongRunning);
        span?.SetTag("http.response.status_code", context.Response.StatusCode);
        if (passage.Refusal is { } refusal)
        {
            metrics.Refused(refusal.Reason);
            span?.SetTag("lanyard.refusal", $"{refusal.Stage}/{refusal.Reason}");
        }

        if (audit is not null)
        {
            await audit.CompletedAsync(context, passage);
        }

        if (log is not null)
        {
            await log.WriteAsync(context, passage);
        }
    }
}
