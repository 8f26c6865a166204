using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Lanyard.ClusterProxy.Audit;
using Lanyard.ClusterProxy.Telemetry;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Audit;

/// <summary>A request that nobody answered is on record as such, everywhere: never as the 200 that nobody sent.</summary>
[Line("3.8")]
public sealed class UnansweredTests : IAsyncLifetime
{
    private readonly ConcurrentQueue<JsonNode> _events = new();
    private readonly ConcurrentQueue<JsonNode> _lines = new();
    private readonly SemaphoreSlim _arrived = new(0);
    private RawUpstream _upstream = null!;
    private LineQueue _audit = null!;
    private LineQueue _access = null!;
    private ProxyMetrics _metrics = null!;

    public ValueTask InitializeAsync()
    {
        // An API server that hangs: it reads, and never answers.
        _upstream = new RawUpstream(async connection =>
        {
            await connection.ReadHeadAsync();
            _arrived.Release();
            await connection.ReadToEndAsync();
        });
        (_audit, _access) = (AuditLines.Into(_events), AuditLines.Into(_lines));
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _audit.DisposeAsync();
        await _access.DisposeAsync();
        await _upstream.DisposeAsync();
    }

    [Theory]
    [InlineData("FIN", "")]
    [InlineData("RST", "")]
    [InlineData("FIN", "Content-Length: 5\r\n")]
    [InlineData("RST", "Content-Length: 5\r\n")]
    [InlineData("RST", "Impersonate-User: jane\r\n")]
    public async Task A_DELETE_whose_client_gave_up_on_a_hanging_API_server_is_no_success(string end, string line)
    {
        await using var proxy = await StartAsync();
        using var connection = await proxy.ConnectAsync();
        await connection.WriteAsync($"DELETE /api/v1/namespaces/n HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}{line}\r\n{(line.Contains("Length", StringComparison.Ordinal) ? "whole" : "")}");
        Assert.True(await _arrived.WaitAsync(TimeSpan.FromSeconds(120)));

        if (end == "RST")
        {
            connection.Reset();
        }
        else
        {
            await connection.ShutdownSendAsync();
            Assert.Equal("", await connection.ReadToEndAsync());
        }

        await RecordedAsync("DELETE", 499, 2);
    }

    [Fact]
    public async Task A_request_that_the_proxy_itself_fails_at_is_on_record_as_500()
    {
        await using var proxy = await StartAsync();

        var (head, _) = await proxy.SendAsync("DELETE /api/v1/namespaces/n HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer defect\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 500", head.StartLine, StringComparison.Ordinal);
        await RecordedAsync("DELETE", 500, 1);
    }

    private Task<ProxyDriver> StartAsync() =>
        ProxyDriver.StartAsync(_upstream.Address, audit: AuditLines.Trail(_audit), metrics: m => _metrics = m, accessLog: () => _access);

    private async Task RecordedAsync(string method, int code, int events)
    {
        await Eventually.HoldsAsync(() => Task.FromResult(_events.Count == events && _lines.Count == 1), "the request's last event and its line");
        var (last, line) = (_events.Last(), _lines.Single());
        Assert.Equal(("ResponseComplete", code, "Failure"), (last["stage"]!.GetValue<string>(), last["responseStatus"]!["code"]!.GetValue<int>(), last["responseStatus"]!["status"]?.GetValue<string>()));
        Assert.Equal(code, line["code"]!.GetValue<int>());
        Assert.Equal([(method, code, 1L)], _metrics.Answers());
    }
}
