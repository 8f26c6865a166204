using System.Collections.Concurrent;
using System.Text;
using System.Text.Json.Nodes;
using Lanyard.ClusterProxy.Audit;
using Lanyard.ClusterProxy.Hygiene;
using Lanyard.ClusterProxy.Impersonation;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Audit;

/// <summary>What the proxy's own audit tells of requests: compared in form with the API server's (research §2.8).</summary>
[Line("3.8")]
public sealed class AuditTrailTests : IAsyncLifetime
{
    private readonly ConcurrentQueue<JsonNode> _events = new();
    private readonly TaskCompletionSource _finish = new();
    private RawUpstream _upstream = null!;
    private LineQueue _queue = null!;
    private LineQueue _access = null!;
    private readonly ConcurrentQueue<JsonNode> _lines = new();
    private bool _allow = true;

    public ValueTask InitializeAsync()
    {
        _upstream = new RawUpstream(ServeAsync);
        _queue = AuditLines.Into(_events);
        _access = AuditLines.Into(_lines);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _queue.DisposeAsync();
        await _access.DisposeAsync();
        await _upstream.DisposeAsync();
    }

    [Fact]
    public async Task A_request_is_told_when_it_comes_and_when_it_ends_with_the_pipeline_as_its_user()
    {
        var events = await EventsOfAsync("GET /apis/apps/v1/namespaces/prod/deployments/web?x=%2F HTTP/1.1\r\nHost: x\r\nUser-Agent: kubectl/v1\r\nX-Forwarded-For: 9.9.9.9\r\n" + ProxyDriver.Bearer + "\r\n");

        Assert.Equal(["RequestReceived", "ResponseComplete"], events.Select(Stage));
        Assert.Equal(
            """{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"ID","stage":"ResponseComplete","requestURI":"/apis/apps/v1/namespaces/prod/deployments/web?x=%2F","verb":"get","user":{"username":"ci:1","uid":"u","groups":["a","system:authenticated"],"extra":{"example.org/k":["v"]}},"sourceIPs":["127.0.0.1"],"userAgent":"kubectl/v1","objectRef":{"resource":"deployments","namespace":"prod","name":"web","apiGroup":"apps","apiVersion":"v1"},"responseStatus":{"metadata":{},"code":200}}""",
            Plain(events[1]));
        Assert.Equal(events[0]["auditID"]!.GetValue<string>(), events[1]["auditID"]!.GetValue<string>());
    }

    [Fact]
    public async Task The_API_server_hears_the_same_audit_id_and_a_clients_own_is_kept()
    {
        var events = await EventsOfAsync("GET /version HTTP/1.1\r\nHost: x\r\nAudit-ID: 7f5c-mine\r\n" + ProxyDriver.Bearer + "\r\n");

        Assert.All(events, e => Assert.Equal("7f5c-mine", e["auditID"]!.GetValue<string>()));
        Assert.True(_upstream.Heads.TryDequeue(out var head));
        Assert.Equal("7f5c-mine", head.Value("Audit-Id"));
    }

    [Fact]
    public async Task Whom_the_caller_becomes_stands_beside_who_it_is()
    {
        var events = await EventsOfAsync("GET /api/v1/pods HTTP/1.1\r\nHost: x\r\nImpersonate-User: jane\r\nImpersonate-Group: devs\r\n" + ProxyDriver.Bearer + "\r\n");

        Assert.Null(events[0]["impersonatedUser"]);
        Assert.Equal("ci:1", events[1]["user"]!["username"]!.GetValue<string>());
        Assert.Equal("jane", events[1]["impersonatedUser"]!["username"]!.GetValue<string>());
        Assert.Equal("devs", events[1]["impersonatedUser"]!["groups"]![0]!.GetValue<string>());
    }

    [Fact]
    [Line("3.4")]
    public async Task A_refused_as_is_told_with_what_was_wanted()
    {
        _allow = false;
        var events = await EventsOfAsync("GET /api/v1/pods HTTP/1.1\r\nHost: x\r\nImpersonate-User: jane\r\n" + ProxyDriver.Bearer + "\r\n");

        Assert.Equal(["RequestReceived", "ResponseComplete"], events.Select(Stage));
        Assert.Equal((403, "Forbidden"), (events[1]["responseStatus"]!["code"]!.GetValue<int>(), events[1]["responseStatus"]!["reason"]!.GetValue<string>()));
        Assert.Contains("users \"jane\" is forbidden", events[1]["responseStatus"]!["message"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Equal("ci:1", events[1]["user"]!["username"]!.GetValue<string>());
        Assert.Null(events[1]["impersonatedUser"]);
    }

    [Theory]
    [InlineData("Authorization: Bearer not-a-token\r\n", "Authentication failed, attempted: bearer", "Signature/SignatureInvalid: not the good token")]
    [InlineData("", "Authentication failed, no credentials provided", "Shape/TokenMissing: no bearer token")]
    public async Task A_401_is_one_event_of_nobody_with_the_cause_for_the_operator(string line, string message, string cause)
    {
        var events = await EventsOfAsync($"GET /api/v1/pods HTTP/1.1\r\nHost: x\r\n{line}\r\n", 1);

        Assert.Equal("ResponseStarted", Stage(events[0]));
        Assert.Equal("{}", events[0]["user"]!.ToJsonString());
        Assert.Equal($$"""{"metadata":{},"message":"{{message}}","code":401}""", events[0]["responseStatus"]!.ToJsonString());
        Assert.Equal(cause, events[0]["annotations"]!["lanyard/refusal"]!.GetValue<string>());
    }

    [Fact]
    public async Task A_malformed_request_is_told_too()
    {
        var events = await EventsOfAsync("GET /api/v1/pods HTTP/1.1\r\nHost: x\r\nImpersonate-Not-Real: y\r\n" + ProxyDriver.Bearer + "\r\n", 1);

        Assert.Equal(400, events[0]["responseStatus"]!["code"]!.GetValue<int>());
    }

    [Fact]
    public async Task A_stream_is_told_when_its_answer_begins()
    {
        await using var proxy = await StartAsync();
        using var connection = await proxy.ConnectAsync();
        await connection.WriteAsync("GET /api/v1/pods?watch=1 HTTP/1.1\r\nHost: x\r\n" + ProxyDriver.Bearer + "\r\n");
        await connection.ReadHeadAsync();
        await Eventually.HoldsAsync(() => Task.FromResult(_events.Count == 2), "the stream's first two events");

        Assert.Equal(["RequestReceived", "ResponseStarted"], _events.Select(Stage));
        _finish.SetResult();
        await Eventually.HoldsAsync(() => Task.FromResult(_events.Count == 3), "the stream's end");
        Assert.Equal("ResponseComplete", Stage(_events.Last()));
    }

    [Fact]
    public async Task The_access_log_has_a_line_for_each_request_without_its_query()
    {
        await EventsOfAsync("GET /api/v1/namespaces/n/pods?secret=1 HTTP/1.1\r\nHost: x\r\n" + ProxyDriver.Bearer + "\r\n");
        await EventsOfAsync("GET /api/v1/pods HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer not-a-token\r\nUser-Agent: a\"b\r\n\r\n", 3);
        await Eventually.HoldsAsync(() => Task.FromResult(_lines.Count == 2), "two lines");

        var (good, bad) = (_lines.First(), _lines.Last());
        Assert.Equal(("/api/v1/namespaces/n/pods", "list", "ci:1", 200), (good["path"]!.GetValue<string>(), good["verb"]!.GetValue<string>(), good["user"]!.GetValue<string>(), good["code"]!.GetValue<int>()));
        Assert.Equal((401, "Signature", "a\"b"), (bad["code"]!.GetValue<int>(), bad["stage"]!.GetValue<string>(), bad["userAgent"]!.GetValue<string>()));
        Assert.DoesNotContain("not-a-token", bad.ToJsonString(), StringComparison.Ordinal);
    }

    private static string Stage(JsonNode e) => e["stage"]!.GetValue<string>();

    private static string Plain(JsonNode e)
    {
        var copy = e.DeepClone().AsObject();
        copy["auditID"] = "ID";
        copy.Remove("requestReceivedTimestamp");
        copy.Remove("stageTimestamp");
        return copy.ToJsonString(new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
    }

    private Task<ProxyDriver> StartAsync()
    {
        var user = new KubernetesUser("ci:1") { Uid = "u", Groups = ["a"], Extras = [new("example.org/k", "v")] };
        return ProxyDriver.StartAsync(_upstream.Address, user, audit: AuditLines.Trail(_queue), accessLog: () => _access);
    }

    private async Task<List<JsonNode>> EventsOfAsync(string request, int count = 2)
    {
        await using var proxy = await StartAsync();
        await proxy.SendAsync(request);
        await Eventually.HoldsAsync(() => Task.FromResult(_events.Count >= count), "the request's events");
        return [.. _events];
    }

    private async Task ServeAsync(RawConnection connection)
    {
        while (await connection.ReadHeadAsync() is { } head)
        {
            await connection.ReadBodyAsync(head);
            if (head.StartLine.StartsWith("POST /apis/authorization", StringComparison.Ordinal))
            {
                var answer = $"{{\"status\":{{\"allowed\":{(_allow ? "true" : "false")}}}}}";
                await connection.WriteAsync($"HTTP/1.1 201 Created\r\nContent-Length: {answer.Length}\r\n\r\n{answer}");
            }
            else if (head.StartLine.Contains("watch", StringComparison.Ordinal))
            {
                await connection.WriteAsync("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                await _finish.Task;
                await connection.WriteAsync("0\r\n\r\n");
            }
            else
            {
                _upstream.Heads.Enqueue(head);
                await connection.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            }
        }
    }
}
