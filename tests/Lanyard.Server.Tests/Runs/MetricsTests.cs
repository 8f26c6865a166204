using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Http;
using Lanyard.Server.Runs;
using Lanyard.Server.Tests.Federation;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("5.9")]
public sealed class SqliteMetricsTests() : MetricsTests(DatabaseKind.Sqlite);

[Line("5.9")]
[Needs("postgres")]
public sealed class PostgresMetricsTests() : MetricsTests(DatabaseKind.Postgres);

/// <summary>What an autoscaler and an on-call person read: depths by collection and label, latencies, leases, masks, log bytes.</summary>
public abstract partial class MetricsTests(DatabaseKind kind) : IAsyncLifetime
{
    private readonly ManualTime _time = new();
    private RunsServer _runs = null!;

    public async ValueTask InitializeAsync() => _runs = await RunsServer.StartAsync(kind, time: _time);

    public async ValueTask DisposeAsync()
    {
        if (_runs is not null)
            await _runs.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task Depths_are_told_by_collection_labels_and_state_and_the_oldest_by_its_age()
    {
        await _runs.CreateAsync("""{"definition":"build","labels":["x64","gpu"]}""");
        _time.Advance(TimeSpan.FromSeconds(30));
        await _runs.CreateAsync("""{"definition":"build","labels":["gpu","x64"]}""");
        await _runs.CreateAsync("""{"definition":"build"}""", "/v1/workspaces/demo/collections/two/runs");
        var samples = await ScrapeAsync();
        Assert.Equal(2, samples["lanyard_runs{workspace=\"demo\",collection=\"one\",labels=\"gpu,x64\",runner=\"\",state=\"runnable\"}"]);
        Assert.Equal(1, samples["lanyard_runs{workspace=\"demo\",collection=\"two\",labels=\"\",runner=\"\",state=\"runnable\"}"]);
        Assert.Equal(30, samples["lanyard_runs_oldest_seconds{workspace=\"demo\",collection=\"one\",labels=\"gpu,x64\",runner=\"\"}"]);
        Assert.Equal(3, samples["lanyard_runs_created_total"]);
    }

    [Fact]
    public async Task A_run_is_counted_on_its_way_with_its_times_log_and_masks()
    {
        var runner = await _runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        var run = await _runs.CreateAsync();
        _time.Advance(TimeSpan.FromSeconds(2));
        await runner.PollAsync();
        _time.Advance(TimeSpan.FromSeconds(1));
        await runner.AcceptAsync(run);
        await runner.StartAsync(run);
        Assert.Equal(1, (await ScrapeAsync())["lanyard_runs{workspace=\"demo\",collection=\"one\",labels=\"\",runner=\"\",state=\"running\"}"]);
        await runner.LogAsync(run, 0, "hello\n"u8.ToArray());
        _time.Advance(TimeSpan.FromSeconds(10));
        await runner.EndAsync(run, log: "hello\n"u8.ToArray(), masked: 7);
        await runner.EndAsync(run, log: "hello\n"u8.ToArray(), masked: 7);

        var samples = await ScrapeAsync();
        Assert.Equal((3, 1), (samples["lanyard_run_queued_seconds_sum"], samples["lanyard_run_queued_seconds_count"]));
        Assert.Equal((1, 1), (samples["lanyard_offer_seconds_sum"], samples["lanyard_offer_seconds_count"]));
        Assert.Equal((10, 1), (samples["lanyard_attempt_seconds_sum"], samples["lanyard_attempt_seconds_count"]));
        Assert.Equal((6, 7), (samples["lanyard_log_bytes_total"], samples["lanyard_log_masks_total"]));
        Assert.Equal((1, 1), (samples["lanyard_attempts_ended_total"], samples["lanyard_runs_finished_total{state=\"succeeded\"}"]));
        Assert.DoesNotContain(samples.Keys, k => k.StartsWith("lanyard_runs{", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_lease_that_ended_and_an_offer_that_lapsed_are_counted_apart()
    {
        var runner = await _runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        var run = await _runs.CreateAsync();
        await runner.PollAsync();
        _time.Advance(TimeSpan.FromSeconds(21));
        await _runs.Get<RunSweeper>().SweepAsync(TestContext.Current.CancellationToken);
        await runner.PollAsync();
        await runner.AcceptAsync(run, 2);
        _time.Advance(TimeSpan.FromSeconds(61));
        await _runs.Get<RunSweeper>().SweepAsync(TestContext.Current.CancellationToken);
        var samples = await ScrapeAsync();
        Assert.Equal(1, samples["lanyard_attempts_lost_total{reason=\"offer_lapsed\"}"]);
        Assert.Equal(1, samples["lanyard_attempts_lost_total{reason=\"lease_expired\"}"]);
    }

    [Fact]
    public async Task Many_scrapers_count_once_in_ten_seconds()
    {
        await _runs.CreateAsync();
        var key = "lanyard_runs{workspace=\"demo\",collection=\"one\",labels=\"\",runner=\"\",state=\"runnable\"}";
        Assert.Equal(1, (await ScrapeAsync())[key]);
        await _runs.CreateAsync();
        Assert.Equal(1, (await ScrapeAsync())[key]);
        _time.Advance(QueueDepths.Fresh);
        Assert.Equal(2, (await ScrapeAsync())[key]);
    }

    [Fact]
    public async Task An_OpenTelemetry_SDK_hears_of_depths_and_of_the_oldest_though_nobody_scrapes()
    {
        await _runs.CreateAsync();
        _time.Advance(TimeSpan.FromSeconds(30));
        using var metrics = new RunMetrics();
        _runs.Get<QueueDepths>().ObserveBy(metrics);
        var heard = new List<string>();
        using var sdk = new MeterListener { InstrumentPublished = (instrument, listener) => { if (instrument.Meter == metrics.Meter) listener.EnableMeasurementEvents(instrument); } };
        sdk.SetMeasurementEventCallback<long>((instrument, value, tags, _) => heard.Add($"{instrument.Name} {string.Join(',', tags.ToArray().Select(t => t.Value))} {value}"));
        sdk.Start();
        sdk.RecordObservableInstruments();

        Assert.Contains("lanyard.runs demo,one,,,runnable 1", heard);
        Assert.Contains("lanyard.runs.oldest demo,one,, 30", heard);
        Assert.Contains("lanyard.polls.waiting  0", heard);
        Assert.Contains("lanyard.log.followers  0", heard);
    }

    /// <summary>A run that waits for a human needs no runner: an autoscaler must not see it among the runnable.</summary>
    [Fact]
    public async Task What_waits_for_a_human_what_is_offered_and_what_runs_are_counted_apart()
    {
        var run = await _runs.CreateAsync();
        await _runs.CreateAsync();
        await _runs.Server.Database.ExecuteAsync($"update runs set waiting = {false}, held = {true} where id = {run}");
        var runner = await _runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        await runner.PollAsync();

        var states = (await ScrapeAsync()).Where(static s => s.Key.StartsWith("lanyard_runs{", StringComparison.Ordinal)).ToDictionary(static s => s.Key[(s.Key.IndexOf("state=", StringComparison.Ordinal) + 7)..^2], static s => s.Value);

        Assert.Equal(new Dictionary<string, double> { ["offered"] = 1, ["waiting_for_human"] = 1 }, states);
    }

    [Fact]
    public async Task The_names_of_collections_are_not_everybodys_to_read()
    {
        Assert.Equal(HttpStatusCode.Unauthorized, (await _runs.Server.GetAsync("/metrics", null)).Status);
        _runs.Server.Be("guest");
        Assert.Equal(HttpStatusCode.NotFound, (await _runs.Server.GetAsync("/metrics", "guest")).Status);
    }

    /// <summary>Reads it as strictly as Prometheus does: HELP and TYPE once and first, samples of one metric together, buckets that grow.</summary>
    private async Task<Dictionary<string, double>> ScrapeAsync()
    {
        var answer = await _runs.Server.GetAsync("/metrics");
        Assert.Equal((HttpStatusCode.OK, "text/plain"), (answer.Status, answer.MediaType));
        Assert.EndsWith("\n", answer.Body, StringComparison.Ordinal);
        var samples = new Dictionary<string, double>(StringComparer.Ordinal);
        var (metric, seen) = ("", new HashSet<string>());
        foreach (var line in answer.Body.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.StartsWith("# HELP ", StringComparison.Ordinal))
            {
                metric = line.Split(' ')[2];
                Assert.True(seen.Add(metric), $"{metric} begins twice");
                continue;
            }
            if (line.StartsWith("# TYPE ", StringComparison.Ordinal))
            {
                Assert.Matches($"^# TYPE {metric} (counter|gauge|histogram)$", line);
                continue;
            }
            var sample = Sample().Match(line);
            Assert.True(sample.Success, line);
            Assert.StartsWith(metric, sample.Groups["name"].Value, StringComparison.Ordinal);
            Assert.True(samples.TryAdd(line[..line.LastIndexOf(' ')], double.Parse(sample.Groups["value"].Value, CultureInfo.InvariantCulture)), line);
        }
        foreach (var histogram in samples.Where(s => s.Key.Contains("_bucket{", StringComparison.Ordinal)).GroupBy(s => s.Key.Split('{')[0]))
        {
            Assert.Equal(histogram.Select(h => h.Value).Order(), histogram.Select(h => h.Value));
            Assert.Equal(histogram.Last().Value, samples[histogram.Key.Replace("_bucket", "_count", StringComparison.Ordinal)]);
        }
        return samples;
    }

    [GeneratedRegex("""^(?<name>[a-z_]+)(\{[a-z_]+="([^"\\]|\\.)*"(,[a-z_]+="([^"\\]|\\.)*")*\})? (?<value>[-+0-9.eE]+)$""")]
    private static partial Regex Sample();
}

/// <summary>The same figures by OTLP, and what is written of them.</summary>
[Line("5.9")]
public sealed partial class ServerTelemetryTests
{
    /// <summary>Dashboards and alarms are made from that page.</summary>
    [Fact]
    public async Task Every_metric_is_on_the_operations_page_and_no_other_is()
    {
        await using var server = await DoorServer.StartAsync();
        var page = await File.ReadAllTextAsync(Repo.At("docs", "operations.md"), TestContext.Current.CancellationToken);
        var promised = page.Split('\n').Where(static line => line.StartsWith("| `lanyard_", StringComparison.Ordinal)).SelectMany(static line => MetricName().Matches(line).Select(static m => m.Value));
        var given = (await server.GetAsync("/metrics")).Json.GetValue<string>().Split('\n').Where(static line => line.StartsWith("# TYPE ", StringComparison.Ordinal)).Select(static line => line.Split(' ')[2]);
        Assert.Equal(given.Order(StringComparer.Ordinal), promised.Distinct().Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Counts_times_and_depths_reach_a_collector_by_OTLP()
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
        using var metrics = new RunMetrics();
        using (OpenTelemetryExport.Start(Environment.GetEnvironmentVariable))
        {
            metrics.Observe("lanyard.runs", null, () => [new(3, new KeyValuePair<string, object?>("collection", "prod"))]);
            metrics.Created();
            var run = Samples.Queued(TimeProvider.System) with { AttemptState = AttemptStates.Offered };
            metrics.Changed(run, run with { AttemptState = AttemptStates.Accepted, Accepts = 1 });
        }
        Environment.SetEnvironmentVariable("OTEL_EXPORTER_OTLP_ENDPOINT", null);
        Assert.All(
            (string[])["lanyard.runs.created", "lanyard.run.queued", "lanyard.runs", "lanyard-server", "prod"],
            name => Assert.Contains(posts, p => p.Path == "/v1/metrics" && p.Body.Contains(name, StringComparison.Ordinal)));
    }

    /// <summary>Who scrapes and who collects see the same figures: only the names are written as each has them.</summary>
    [Fact]
    public async Task Every_metric_is_an_instrument_too_and_every_instrument_a_metric()
    {
        var instruments = new HashSet<string>(StringComparer.Ordinal);
        using var sdk = new MeterListener { InstrumentPublished = (instrument, _) => { if (instrument.Meter.Name == OpenTelemetryExport.MeterName) instruments.Add(NameOf(instrument)); } };
        sdk.Start();
        await using var server = await DoorServer.StartAsync();
        var given = (await server.GetAsync("/metrics")).Json.GetValue<string>().Split('\n').Where(static line => line.StartsWith("# TYPE ", StringComparison.Ordinal)).Select(static line => line.Split(' ')[2]);

        Assert.Equal(given.Order(StringComparer.Ordinal), instruments.Order(StringComparer.Ordinal));

        // As OpenTelemetry's specification writes them for Prometheus.
        static string NameOf(Instrument instrument) =>
            instrument.Name.Replace('.', '_') + (instrument.Unit == "s" ? "_seconds" : "") + (instrument is ObservableCounter<long> ? "_total" : "");
    }

    [Fact]
    public void Without_a_collector_nothing_is_started() => Assert.Null(OpenTelemetryExport.Start(_ => null));

    [GeneratedRegex("lanyard_[a-z_]+")]
    private static partial Regex MetricName();
}
