using System.Diagnostics.Metrics;
using Lanyard.Protocol.Telemetry;

namespace Lanyard.Server.Runs;

/// <summary>Times in buckets, for Prometheus; and as they are for an OpenTelemetry SDK, which costs nothing while none listens.</summary>
internal sealed class Histogram(string name, string help, Meter meter, string otherName, IReadOnlyList<double> bounds)
{
    /// <summary>Upper ends in seconds, from a dispatch to a patient wait.</summary>
    public static readonly IReadOnlyList<double> Waits = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120, 600, 3600];

    /// <summary>Upper ends in seconds, from a short step to a day.</summary>
    public static readonly IReadOnlyList<double> Durations = [1, 5, 15, 60, 300, 900, 3600, 14_400, 86_400];

    private readonly Histogram<double> _measured = meter.CreateHistogram<double>(otherName, "s", help);
    private readonly long[] _buckets = new long[bounds.Count + 1];
    private long _milliseconds;

    public void Observe(long milliseconds)
    {
        milliseconds = Math.Max(0, milliseconds);
        var bucket = 0;
        while (bucket < bounds.Count && milliseconds > bounds[bucket] * 1000)
            bucket++;
        Interlocked.Increment(ref _buckets[bucket]);
        Interlocked.Add(ref _milliseconds, milliseconds);
        _measured.Record(milliseconds / 1000.0);
    }

    public void Write(PrometheusText text)
    {
        text.Begin(name, "histogram", help);
        var total = 0L;
        for (var i = 0; i < _buckets.Length; i++)
        {
            total += Interlocked.Read(ref _buckets[i]);
            text.Add(name + "_bucket", total, ("le", i < bounds.Count ? bounds[i].ToString(System.Globalization.CultureInfo.InvariantCulture) : "+Inf"));
        }
        text.Add(name + "_sum", Interlocked.Read(ref _milliseconds) / 1000.0);
        text.Add(name + "_count", total);
    }
}
