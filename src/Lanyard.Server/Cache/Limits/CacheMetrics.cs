using System.Diagnostics.Metrics;
using Lanyard.Protocol.Telemetry;
using Lanyard.Server.Http;

namespace Lanyard.Server.Cache.Limits;

/// <summary>What this replica counts of the cache, for <c>/metrics</c> and a Meter.</summary>
internal sealed class CacheMetrics : IDisposable
{
    private readonly Meter _meter = new(OpenTelemetryExport.MeterName);
    private long _notDeleted;

    public CacheMetrics() => _meter.CreateObservableCounter("lanyard.cache.delete.failures", () => Interlocked.Read(ref _notDeleted));

    /// <summary>Bytes of so many entries that the store did not let go.</summary>
    public void NotDeleted(int count) => Interlocked.Add(ref _notDeleted, count);

    public void Write(PrometheusText text)
    {
        text.Begin("lanyard_cache_delete_failures_total", "counter", "Times that the store did not delete the bytes of a cache entry.");
        text.Add("lanyard_cache_delete_failures_total", Interlocked.Read(ref _notDeleted));
    }

    public void Dispose() => _meter.Dispose();
}
