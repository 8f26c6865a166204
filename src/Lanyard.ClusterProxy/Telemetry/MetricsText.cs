using System.Globalization;
using Lanyard.Protocol.Telemetry;

namespace Lanyard.ClusterProxy.Telemetry;

/// <summary>What the proxy counts, for <c>/metrics</c>.</summary>
internal static class MetricsText
{
    private const string Prefix = "lanyard_cluster_proxy_";

    public static string Write(ProxyMetrics metrics)
    {
        var text = new PrometheusText();
        text.Begin(Prefix + "requests_total", "counter", "Answers, by method and status code.");
        foreach (var (method, code, count) in metrics.Answers())
        {
            text.Add(Prefix + "requests_total", count, ("method", method), ("code", code.ToString(CultureInfo.InvariantCulture)));
        }

        text.Begin(Prefix + "refusals_total", "counter", "Refusals, by stage and reason.");
        foreach (var (stage, reason, count) in metrics.Refusals())
        {
            text.Add(Prefix + "refusals_total", count, ("stage", $"{stage}"), ("reason", $"{reason}"));
        }

        text.Begin(Prefix + "requests_in_flight", "gauge", "Requests at present: short ones and streams.");
        foreach (var (kind, count) in metrics.InFlight())
        {
            text.Add(Prefix + "requests_in_flight", count, ("kind", kind));
        }

        Durations(text, metrics);
        text.Begin(Prefix + "audit_lines_total", "counter", "Lines written, by audit backend or access log.");
        foreach (var queue in metrics.Queues)
        {
            text.Add(Prefix + "audit_lines_total", queue.Written, ("backend", queue.Name));
        }

        text.Begin(Prefix + "audit_lines_lost_total", "counter", "Lines that could not be written.");
        foreach (var queue in metrics.Queues)
        {
            text.Add(Prefix + "audit_lines_lost_total", queue.Lost, ("backend", queue.Name));
        }

        return text.ToString();
    }

    private static void Durations(PrometheusText text, ProxyMetrics metrics)
    {
        const string name = Prefix + "request_duration_seconds";
        var (buckets, sum) = metrics.Durations();
        text.Begin(name, "histogram", "Time of short requests.");
        var total = 0L;
        for (var i = 0; i < buckets.Count; i++)
        {
            total += buckets[i];
            var bound = i < ProxyMetrics.Bounds.Count ? ProxyMetrics.Bounds[i].ToString(CultureInfo.InvariantCulture) : "+Inf";
            text.Add(name + "_bucket", total, ("le", bound));
        }

        text.Add(name + "_sum", sum);
        text.Add(name + "_count", total);
    }
}
