using Lanyard.Protocol.Telemetry;
using Lanyard.Server.Http;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Runs;

/// <summary><c>GET /metrics</c>: Prometheus text, for whoever may read the whole instance. It names collections, so it is no public page.</summary>
internal static class MetricsEndpoint
{
    public static async Task<IResult> GetAsync(HttpContext context, RunMetrics metrics, QueueDepths depths, IEnumerable<MetricsSource> others)
    {
        if (!Access.Require(Access.PrincipalOf(context), null, null, Right.Read).TryGet(out _, out var refusal))
            return new Refused(refusal);
        return Results.Text(await TextAsync(metrics, depths, others, context.RequestAborted), PrometheusText.ContentType);
    }

    public static async Task<string> TextAsync(RunMetrics metrics, QueueDepths depths, IEnumerable<MetricsSource> others, CancellationToken cancellationToken)
    {
        var text = new PrometheusText();
        await depths.WriteAsync(text, cancellationToken);
        metrics.Write(text);
        foreach (var other in others) other(text);
        return text.ToString();
    }
}
