using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Lanyard.ClusterProxy.Telemetry;

/// <summary>
/// Sends the proxy's counts and spans to a collector by OTLP, when the standard variable <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> names one; protocol, headers and
/// intervals are that specification's variables too. Without it nothing of this is loaded.
/// </summary>
internal sealed class OpenTelemetryExport : IDisposable
{
    private const string Endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>How long a stop waits for a collector that is away: the same for the spans and for the counts.</summary>
    public static readonly TimeSpan StopTime = Patience * 2;

    private readonly MeterProvider _metrics;
    private readonly TracerProvider _traces;

    private OpenTelemetryExport(MeterProvider metrics, TracerProvider traces) => (_metrics, _traces) = (metrics, traces);

    /// <returns>Null where no collector is named.</returns>
    public static OpenTelemetryExport? Start(Func<string, string?> environment) => string.IsNullOrEmpty(environment(Endpoint)) ? null : Start();

    /// <summary>What was counted last and the spans that wait go out. No flush before: where the collector is away the end would wait for it once more.</summary>
    public void Dispose()
    {
        _traces.Shutdown((int)Patience.TotalMilliseconds);
        _metrics.Shutdown((int)Patience.TotalMilliseconds);
        _traces.Dispose();
        _metrics.Dispose();
    }

    private static OpenTelemetryExport Start()
    {
        var resource = ResourceBuilder.CreateDefault().AddService("lanyard-cluster-proxy").AddEnvironmentVariableDetector();
        return new(
            Sdk.CreateMeterProviderBuilder().SetResourceBuilder(resource).AddMeter(ProxyMetrics.Name).AddOtlpExporter().Build(),
            Sdk.CreateTracerProviderBuilder().SetResourceBuilder(resource).AddSource(ProxyMetrics.Name).AddOtlpExporter().Build());
    }
}
