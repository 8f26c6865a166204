using System.Collections.Concurrent;
using Lanyard.ClusterProxy.Limits;
using Lanyard.ClusterProxy.Telemetry;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Telemetry;

[Line("3.9")]
public sealed class OpenTelemetryExportTests
{
    [Fact]
    public async Task Counts_and_spans_reach_a_collector_by_OTLP()
    {
        var posts = new ConcurrentQueue<(string Path, string Body)>();
        await using var collector = new RawUpstream(async connection =>
        {
            while (await connection.ReadHeadAsync() is { } head)
            {
                posts.Enqueue((head.StartLine.Split(' ')[1], await connection.ReadBodyAsync(head)));
                await connection.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            }
        });
        Environment.SetEnvironmentVariable("OTEL_EXPORTER_OTLP_ENDPOINT", collector.Address.ToString());
        Environment.SetEnvironmentVariable("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
        using var metrics = new ProxyMetrics(new Admission(LimitOptions.Default, TimeProvider.System), []);
        using (OpenTelemetryExport.Start(Environment.GetEnvironmentVariable))
        {
            metrics.Answered("GET", 200, TimeSpan.FromMilliseconds(1), isLong: false);
            metrics.Activities.StartActivity("cluster-proxy request")?.Dispose();
        }

        Environment.SetEnvironmentVariable("OTEL_EXPORTER_OTLP_ENDPOINT", null);
        Assert.Contains(posts, p => p.Path == "/v1/metrics" && p.Body.Contains("lanyard.cluster_proxy.requests", StringComparison.Ordinal) && p.Body.Contains("lanyard-cluster-proxy", StringComparison.Ordinal));
        Assert.Contains(posts, p => p.Path == "/v1/traces" && p.Body.Contains("cluster-proxy request", StringComparison.Ordinal));
    }

    [Fact]
    public void Without_a_collector_nothing_is_started() => Assert.Null(OpenTelemetryExport.Start(_ => null));
}
