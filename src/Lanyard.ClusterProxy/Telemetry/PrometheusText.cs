using System.Globalization;
using System.Text;

namespace Lanyard.ClusterProxy.Telemetry;

/// <summary>The Prometheus text exposition format, version 0.0.4.</summary>
internal static class PrometheusText
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";
    private const string Prefix = "lanyard_cluster_proxy_";

    public static string Write(ProxyMetrics metrics)
    {
        var text = new StringBuilder();
        Head(text, "requests_total", "counter", "Answers, by method and status code.");
        foreach (var (method, code, count) in metrics.Answers())
        {
            Line(text, "requests_total", $"method=\"{method}\",code=\"{code.ToString(CultureInfo.InvariantCulture)}\"", count);
        }

        Head(text, "refusals_total", "counter", "Refusals, by stage and reason.");
        foreach (var (stage, reason, count) in metrics.Refusals())
        {
            Line(text, "refusals_total", $"stage=\"{stage}\",reason=\"{reason}\"", count);
        }

        Head(text, "requests_in_flight", "gauge", "Requests at present: short ones and streams.");
        foreach (var (kind, count) in metrics.InFlight())
        {
            Line(text, "requests_in_flight", $"kind=\"{kind}\"", count);
        }

        Durations(text, metrics);
        Head(text, "audit_lines_total", "counter", "Lines written, by audit backend or access log.");
        metrics.Queues.ToList().ForEach(q => Line(text, "audit_lines_total", $"backend=\"{q.Name}\"", q.Written));
        Head(text, "audit_lines_lost_total", "counter", "Lines that could not be written.");
        metrics.Queues.ToList().ForEach(q => Line(text, "audit_lines_lost_total", $"backend=\"{q.Name}\"", q.Lost));
        return text.ToString();
    }

    private static void Durations(StringBuilder text, ProxyMetrics metrics)
    {
        const string name = "request_duration_seconds";
        var (buckets, sum) = metrics.Durations();
        Head(text, name, "histogram", "Time of short requests.");
        var total = 0L;
        for (var i = 0; i < buckets.Count; i++)
        {
            total += buckets[i];
            var bound = i < ProxyMetrics.Bounds.Count ? ProxyMetrics.Bounds[i].ToString(CultureInfo.InvariantCulture) : "+Inf";
            Line(text, name + "_bucket", $"le=\"{bound}\"", total);
        }

        text.Append(CultureInfo.InvariantCulture, $"{Prefix}{name}_sum {sum}\n{Prefix}{name}_count {total}\n");
    }

    private static void Head(StringBuilder text, string name, string type, string help) =>
        text.Append(CultureInfo.InvariantCulture, $"# HELP {Prefix}{name} {help}\n# TYPE {Prefix}{name} {type}\n");

    private static void Line(StringBuilder text, string name, string labels, long value) =>
        text.Append(CultureInfo.InvariantCulture, $"{Prefix}{name}{{{labels}}} {value}\n");
}
