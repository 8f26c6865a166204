using System.Diagnostics;
using System.Diagnostics.Metrics;
using Lanyard.ClusterProxy.Audit;
using Lanyard.ClusterProxy.Limits;
using Lanyard.Identity;

namespace Lanyard.ClusterProxy.Telemetry;

/// <summary>
/// What the proxy counts: plain arrays, because each request passes here, shown as Prometheus text and, under the same names, by a Meter that any
/// OpenTelemetry SDK can read. No label comes from a caller, so that nobody can make series.
/// </summary>
internal sealed class ProxyMetrics : IDisposable
{
    public const string Name = "Lanyard.ClusterProxy";

    /// <summary>Upper ends of the duration's buckets, seconds; streams are not in it.</summary>
    public static readonly IReadOnlyList<double> Bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

    public static readonly IReadOnlyList<string> Methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"];

    private const int Codes = 600;

    private readonly long[] _answers = new long[Methods.Count * Codes];
    private readonly long[] _refusals = new long[Enum.GetValues<RefusalReason>().Length];
    private readonly long[] _buckets = new long[Bounds.Count + 1];
    private readonly Admission _admission;
    private readonly IReadOnlyList<LineQueue> _queues;
    private readonly Meter _meter = new(Name);
    private long _microseconds;

    public ProxyMetrics(Admission admission, IReadOnlyList<LineQueue> queues)
    {
        (_admission, _queues) = (admission, queues);
        _meter.CreateObservableCounter("lanyard.cluster_proxy.requests", () => Answers().Select(a => new Measurement<long>(a.Count, Tag("method", a.Method), Tag("code", a.Code))));
        _meter.CreateObservableCounter("lanyard.cluster_proxy.refusals", () => Refusals().Select(r => new Measurement<long>(r.Count, Tag("stage", $"{r.Stage}"), Tag("reason", $"{r.Reason}"))));
        _meter.CreateObservableGauge("lanyard.cluster_proxy.requests_in_flight", () => InFlight().Select(f => new Measurement<long>(f.Count, Tag("kind", f.Kind))));
        _meter.CreateObservableCounter("lanyard.cluster_proxy.audit_lines", () => Queues.Select(q => new Measurement<long>(q.Written, Tag("backend", q.Name))));
        _meter.CreateObservableCounter("lanyard.cluster_proxy.audit_lines_lost", () => Queues.Select(q => new Measurement<long>(q.Lost, Tag("backend", q.Name))));
    }

    /// <summary>Spans of requests; they cost nothing while nobody listens.</summary>
    public ActivitySource Activities { get; } = new(Name);

    public IReadOnlyList<LineQueue> Queues => _queues;

    public void Answered(string method, int code, TimeSpan elapsed, bool isLong)
    {
        var index = 0;
        while (index < Methods.Count - 1 && Methods[index] != method)
        {
            index++;
        }

        Interlocked.Increment(ref _answers[(index * Codes) + Math.Clamp(code, 0, Codes - 1)]);
        if (isLong)
        {
            return;
        }

        var bucket = 0;
        while (bucket < Bounds.Count && elapsed.TotalSeconds > Bounds[bucket])
        {
            bucket++;
        }

        Interlocked.Increment(ref _buckets[bucket]);
        Interlocked.Add(ref _microseconds, (long)elapsed.TotalMicroseconds);
    }

    public void Refused(RefusalReason reason) => Interlocked.Increment(ref _refusals[(int)reason]);

    public IEnumerable<(string Method, int Code, long Count)> Answers() =>
        from i in Enumerable.Range(0, _answers.Length)
        let count = Interlocked.Read(ref _answers[i])
        where count > 0
        select (Methods[i / Codes], i % Codes, count);

    public IEnumerable<(Stage Stage, RefusalReason Reason, long Count)> Refusals() =>
        from i in Enumerable.Range(0, _refusals.Length)
        let count = Interlocked.Read(ref _refusals[i])
        where count > 0
        select (RefusalReasons.StageOf((RefusalReason)i), (RefusalReason)i, count);

    public IEnumerable<(string Kind, int Count)> InFlight() => [("short", _admission.InFlight), ("long", _admission.LongRunning)];

    /// <summary>Counts by bucket, the last one above every bound, and the sum in seconds.</summary>
    public (IReadOnlyList<long> Buckets, double Sum) Durations() =>
        ([.. Enumerable.Range(0, _buckets.Length).Select(i => Interlocked.Read(ref _buckets[i]))], Interlocked.Read(ref _microseconds) / 1e6);

    public void Dispose()
    {
        _meter.Dispose();
        Activities.Dispose();
    }

    private static KeyValuePair<string, object?> Tag(string name, object value) => new(name, value);
}
