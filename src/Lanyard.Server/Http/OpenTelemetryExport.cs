using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace Lanyard.Server.Http;

/// <summary>
/// Sends what the server counts to a collector by OTLP, when the standard variable <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> names one; protocol, headers and interval are
/// that specification's variables too. Without it nothing of this is loaded.
/// </summary>
internal sealed class OpenTelemetryExport : IDisposable
{
    /// <summary>Of the meter that features count with.</summary>
    public const string MeterName = "Lanyard.Server";

    private const string Endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";
    private readonly MeterProvider _metrics;

    private OpenTelemetryExport(MeterProvider metrics) => _metrics = metrics;

    /// <returns>Null where no collector is named.</returns>
    public static OpenTelemetryExport? Start(Func<string, string?> environment) => string.IsNullOrEmpty(environment(Endpoint)) ? null : Start();

    /// <summary>What was counted last goes out; a collector that is away costs 5 s at most.</summary>
    public void Dispose()
    {
        _metrics.ForceFlush(5000);
        _metrics.Dispose();
    }

    private static OpenTelemetryExport Start()
    {
        var resource = ResourceBuilder.CreateDefault().AddService("lanyard-server").AddEnvironmentVariableDetector();
        return new(Sdk.CreateMeterProviderBuilder().SetResourceBuilder(resource).AddMeter(MeterName).AddOtlpExporter().Build());
    }
}
