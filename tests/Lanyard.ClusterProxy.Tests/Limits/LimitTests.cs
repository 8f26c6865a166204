using System.Globalization;
using Lanyard.ClusterProxy.Limits;
using Lanyard.ClusterProxy.Requests;
using Lanyard.ClusterProxy.Telemetry;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Limits;

[Line("3.9")]
public sealed class LimitTests : IAsyncLifetime
{
    private readonly SemaphoreSlim _arrived = new(0);
    private readonly TaskCompletionSource _go = new();
    private RawUpstream _upstream = null!;
    private ProxyMetrics _metrics = null!;

    public ValueTask InitializeAsync()
    {
        _upstream = new RawUpstream(async connection =>
        {
            while (await connection.ReadHeadAsync() is { } head)
            {
                await connection.ReadBodyAsync(head);
                _arrived.Release();
                await _go.Task;
                await connection.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            }
        });
        return ValueTask.CompletedTask;
    }

    public ValueTask DisposeAsync()
    {
        _go.TrySetResult();
        return _upstream.DisposeAsync();
    }

    [Theory]
    [InlineData("all")]
    [InlineData("user")]
    public async Task One_request_too_many_at_once_is_429_as_Status_with_Retry_After(string of)
    {
        await using var proxy = await StartAsync(of == "all" ? new LimitOptions { InFlight = 1 } : new LimitOptions { UserInFlight = 1 });
        var first = proxy.SendAsync(Get("/api/v1/pods"));
        await _arrived.WaitAsync(TimeSpan.FromSeconds(120));

        var (head, body) = await proxy.SendAsync(Get("/api/v1/pods"));

        Assert.Equal(("HTTP/1.1 429 Too Many Requests", "1"), (head.StartLine, head.Value("Retry-After")));
        Assert.Contains("\"reason\":\"TooManyRequests\"", body, StringComparison.Ordinal);
        _go.SetResult();
        Assert.Equal("HTTP/1.1 200 OK", (await first).Head.StartLine);

        // The place is given back once the answer is out, which its client may have read by then.
        await Eventually.HoldsAsync(async () => (await proxy.SendAsync(Get("/api/v1/pods"))).Head.StartLine == "HTTP/1.1 200 OK", "the place is free again");
    }

    [Fact]
    public async Task Streams_take_no_place_from_requests_and_have_a_limit_of_their_own()
    {
        await using var proxy = await StartAsync(new LimitOptions { InFlight = 1, LongRunning = 1, UserInFlight = 1, UserLongRunning = 1 });
        var stream = proxy.SendAsync(Get("/api/v1/pods?watch=1"));
        await _arrived.WaitAsync(TimeSpan.FromSeconds(120));

        var second = proxy.SendAsync(Get("/api/v1/pods"));
        await _arrived.WaitAsync(TimeSpan.FromSeconds(120));

        Assert.Equal("HTTP/1.1 429 Too Many Requests", (await proxy.SendAsync(Get("/api/v1/pods?watch=1"))).Head.StartLine);
        _go.SetResult();
        Assert.Equal(["HTTP/1.1 200 OK", "HTTP/1.1 200 OK"], (await Task.WhenAll(stream, second)).Select(a => a.Head.StartLine));
    }

    [Fact]
    public void A_user_may_burst_and_then_go_on_at_its_rate_and_nobody_else_pays_for_it()
    {
        var time = new ManualTime();
        var admission = new Admission(new LimitOptions { UserRate = 10, UserBurst = 5 }, time);
        int Admitted(string user, int tries) => Enumerable.Range(0, tries).Count(_ => admission.EnterAs(new Passage { StartedAt = 0 }, user) is null);

        Assert.Equal(5, Admitted("a", 20));
        Assert.Equal(5, Admitted("b", 20));
        time.Advance(TimeSpan.FromMilliseconds(200));
        Assert.Equal(2, Admitted("a", 20));
        time.Advance(TimeSpan.FromHours(1));
        Assert.Equal(5, Admitted("a", 20));
    }

    [Fact]
    public void Names_of_users_are_not_kept_for_ever()
    {
        var admission = new Admission(LimitOptions.Default, new ManualTime());
        var held = new Passage { StartedAt = 0 };
        admission.Enter(held);
        admission.EnterAs(held, "held");
        for (var i = 0; i < 25_000; i++)
        {
            var passage = new Passage { StartedAt = 0 };
            admission.Enter(passage);
            admission.EnterAs(passage, $"user-{i}");
            admission.Leave(passage);
        }

        Assert.InRange(admission.Users, 1, 12_000);
        Assert.Equal(1, held.Load!.Short);
        Assert.Equal(1, admission.InFlight);
    }

    [Fact]
    public async Task A_body_over_the_limit_is_413_as_Status_whether_it_says_its_length_or_not()
    {
        _go.SetResult();
        await using var proxy = await StartAsync(new LimitOptions { MaxBody = 10 });
        foreach (var framing in (string[])["Content-Length: 11\r\n\r\n01234567890", "Transfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n"])
        {
            var (head, body) = await proxy.SendAsync($"POST /api/v1/pods HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}{framing}");

            Assert.StartsWith("HTTP/1.1 413", head.StartLine, StringComparison.Ordinal);
            Assert.Contains("\"reason\":\"RequestEntityTooLarge\"", body, StringComparison.Ordinal);
        }

        var fits = await proxy.SendAsync($"POST /api/v1/pods HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}Content-Length: 10\r\n\r\n0123456789");
        Assert.Equal("HTTP/1.1 200 OK", fits.Head.StartLine);
    }

    [Fact]
    public async Task Metrics_count_answers_refusals_and_time_and_no_label_comes_from_a_caller()
    {
        _go.SetResult();
        await using (var proxy = await StartAsync(LimitOptions.Default))
        {
            await proxy.SendAsync(Get("/api/v1/pods"));
            await proxy.SendAsync($"BREW /api/v1/pods HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}\r\n");
            await proxy.SendAsync("GET /api HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer bad\r\n\r\n");
        }

        var text = MetricsText.Write(_metrics);

        Assert.Contains("lanyard_cluster_proxy_requests_total{method=\"GET\",code=\"200\"} 1\n", text, StringComparison.Ordinal);
        Assert.Contains("lanyard_cluster_proxy_requests_total{method=\"other\",code=\"200\"} 1\n", text, StringComparison.Ordinal);
        Assert.Contains("lanyard_cluster_proxy_requests_total{method=\"GET\",code=\"401\"} 1\n", text, StringComparison.Ordinal);
        Assert.Contains("lanyard_cluster_proxy_refusals_total{stage=\"Signature\",reason=\"SignatureInvalid\"} 1\n", text, StringComparison.Ordinal);
        Assert.Contains("lanyard_cluster_proxy_request_duration_seconds_bucket{le=\"+Inf\"} 3\n", text, StringComparison.Ordinal);
        Assert.Contains("lanyard_cluster_proxy_requests_in_flight{kind=\"short\"} 0\n", text, StringComparison.Ordinal);
        Assert.DoesNotContain("BREW", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_same_counts_are_on_a_Meter_for_OpenTelemetry()
    {
        _go.SetResult();
        await using (var proxy = await StartAsync(LimitOptions.Default))
        {
            await proxy.SendAsync(Get("/api/v1/pods"));
        }

        var seen = new List<string>();
        using var listener = new System.Diagnostics.Metrics.MeterListener();
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument.Meter.Name == ProxyMetrics.Name)
            {
                l.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => seen.Add(
            string.Create(CultureInfo.InvariantCulture, $"{instrument.Name} {string.Join(',', tags.ToArray().Select(t => t.Value))} {value}")));
        listener.Start();
        listener.RecordObservableInstruments();

        Assert.Contains("lanyard.cluster_proxy.requests GET,200 1", seen);
        _metrics.Dispose();
    }

    private static string Get(string target) => $"GET {target} HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}\r\n";

    private Task<ProxyDriver> StartAsync(LimitOptions limits) => ProxyDriver.StartAsync(_upstream.Address, limits: limits, metrics: m => _metrics = m);
}
