using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using Lanyard.Protocol.Runs;
using Lanyard.Protocol.Telemetry;
using Lanyard.Server.Http;

namespace Lanyard.Server.Runs;

/// <summary>
/// What this replica counts of runs: plain numbers, because each change passes here, shown as Prometheus text (<see cref="MetricsEndpoint"/>) and, under the same names, by a Meter.
/// No label comes from a caller.
/// </summary>
internal sealed class RunMetrics : IDisposable
{
    private readonly ConcurrentDictionary<string, StrongBox<long>> _finished = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, StrongBox<long>> _lost = new(StringComparer.Ordinal);
    private long _created;
    private long _accepted;
    private long _ended;
    private long _logBytes;
    private long _masked;

    public RunMetrics()
    {
        Queued = new("lanyard_run_queued_seconds", "From a run's creation to the acceptance of its first attempt.", Meter, "lanyard.run.queued", Histogram.Waits);
        Offers = new("lanyard_offer_seconds", "From an offer to its acceptance.", Meter, "lanyard.offer", Histogram.Waits);
        Durations = new("lanyard_attempt_seconds", "From an attempt's acceptance to its end.", Meter, "lanyard.attempt", Histogram.Durations);
        Meter.CreateObservableCounter("lanyard.runs.created", () => Read(ref _created));
        Meter.CreateObservableCounter("lanyard.attempts.accepted", () => Read(ref _accepted));
        Meter.CreateObservableCounter("lanyard.attempts.ended", () => Read(ref _ended));
        Meter.CreateObservableCounter("lanyard.runs.finished", () => Measured(_finished, "state"));
        Meter.CreateObservableCounter("lanyard.attempts.lost", () => Measured(_lost, "reason"));
        Meter.CreateObservableCounter("lanyard.log.bytes", () => Read(ref _logBytes), "By");
        Meter.CreateObservableCounter("lanyard.log.masks", () => Read(ref _masked));
    }

    public Meter Meter { get; } = new(OpenTelemetryExport.MeterName);

    public Histogram Queued { get; }

    public Histogram Offers { get; }

    public Histogram Durations { get; }

    /// <summary>Further figures of this process, told to an OpenTelemetry SDK when it asks.</summary>
    public void Observe(string name, string? unit, Func<IEnumerable<Measurement<long>>> values) => Meter.CreateObservableGauge(name, values, unit);

    public void Created() => Interlocked.Increment(ref _created);

    public void Logged(int bytes) => Interlocked.Add(ref _logBytes, bytes);

    public void Masked(long places) => Interlocked.Add(ref _masked, places);

    /// <summary>A change that was written.</summary>
    public void Changed(RunRecord before, RunRecord after)
    {
        if (before.AttemptState == AttemptStates.Offered && after.AttemptState == AttemptStates.Accepted)
        {
            Interlocked.Increment(ref _accepted);
            Offers.Observe(after.AcceptedAt - after.OfferedAt);
            if (after.Accepts == 1)
                Queued.Observe(after.AcceptedAt - after.CreatedAt);
        }
        if (before.IsLive && !after.IsLive)
            Over(after);
        if (after.IsFinal && !before.IsFinal)
            Count(_finished, after.State);
    }

    public void Write(PrometheusText text)
    {
        Single(text, "lanyard_runs_created_total", "Runs that this replica took in.", ref _created);
        Single(text, "lanyard_attempts_accepted_total", "Offers that runners accepted.", ref _accepted);
        Single(text, "lanyard_attempts_ended_total", "Attempts whose end their runners told.", ref _ended);
        text.Begin("lanyard_attempts_lost_total", "counter", "Attempts whose offer or lease ended otherwise, by reason.");
        foreach (var (reason, count) in _lost)
            text.Add("lanyard_attempts_lost_total", count.Value, ("reason", reason));
        text.Begin("lanyard_runs_finished_total", "counter", "Runs that came to an end, by state.");
        foreach (var (state, count) in _finished)
            text.Add("lanyard_runs_finished_total", count.Value, ("state", state));
        Single(text, "lanyard_log_bytes_total", "Bytes of logs that came in.", ref _logBytes);
        Single(text, "lanyard_log_masks_total", "Places of logs that runners masked.", ref _masked);
        Queued.Write(text);
        Offers.Write(text);
        Durations.Write(text);
    }

    public void Dispose() => Meter.Dispose();

    private void Over(RunRecord after)
    {
        if (after.AttemptState == AttemptStates.Lost)
        {
            Count(_lost, after.Reason ?? "unknown");
            return;
        }
        Interlocked.Increment(ref _ended);
        if (after.AcceptedAt != 0)
            Durations.Observe(after.EndedAt - after.AcceptedAt);
    }

    private static void Single(PrometheusText text, string name, string help, ref long value)
    {
        text.Begin(name, "counter", help);
        text.Add(name, Interlocked.Read(ref value));
    }

    private static long Read(ref long value) => Interlocked.Read(ref value);

    private static void Count(ConcurrentDictionary<string, StrongBox<long>> counts, string name) =>
        Interlocked.Increment(ref counts.GetOrAdd(name, static _ => new StrongBox<long>()).Value);

    private static IEnumerable<Measurement<long>> Measured(ConcurrentDictionary<string, StrongBox<long>> counts, string label) =>
        counts.Select(c => new Measurement<long>(c.Value.Value, new KeyValuePair<string, object?>(label, c.Key)));
}
