using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json.Nodes;
using Lanyard.ClusterProxy.Tests.Audit;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Authentication;

[Line("3.1")]
public sealed class TokenPassthroughTests : IAsyncLifetime
{
    private readonly ConcurrentQueue<JsonNode> _reviews = new();
    private readonly ConcurrentQueue<RawHead> _forwarded = new();
    private RawUpstream _upstream = null!;
    private string _status = "{\"authenticated\":true,\"user\":{\"username\":\"system:serviceaccount:a:b\"},\"audiences\":[\"k8s\"]}";
    private string _code = "201 Created";

    public ValueTask InitializeAsync()
    {
        _upstream = new RawUpstream(ServeAsync);
        return ValueTask.CompletedTask;
    }

    public ValueTask DisposeAsync() => _upstream.DisposeAsync();

    [Fact]
    public async Task A_token_that_the_API_server_knows_goes_on_as_it_is_and_impersonates_nobody()
    {
        await using var proxy = await StartAsync();

        var answer = await AskAsync(proxy, "theirs", "X-Remote-User: root\r\n");

        Assert.Equal("HTTP/1.1 200 OK", answer);
        Assert.True(_forwarded.TryDequeue(out var head));
        Assert.Equal("Bearer theirs", head.Value("Authorization"));
        Assert.DoesNotContain(head.HeaderLines, l => l.StartsWith("Impersonate", StringComparison.OrdinalIgnoreCase) || l.StartsWith("X-Remote", StringComparison.OrdinalIgnoreCase));
        Assert.Equal("{\"token\":\"theirs\",\"audiences\":[\"k8s\"]}", _reviews.Single()["spec"]!.ToJsonString());
    }

    [Fact]
    [Line("3.4")]
    public async Task Its_own_wish_to_impersonate_goes_on_with_it_for_the_API_server_to_judge()
    {
        await using var proxy = await StartAsync();

        await AskAsync(proxy, "theirs", "Impersonate-User: x\r\nImpersonate-Group: a\r\nImpersonate-Group: b\r\n");

        Assert.True(_forwarded.TryDequeue(out var head));
        Assert.Equal(("Bearer theirs", "x"), (head.Value("Authorization"), head.Value("Impersonate-User")));
    }

    [Fact]
    [Line("3.4")]
    public async Task Its_wish_for_a_uid_is_refused_where_the_cluster_would_pass_over_it()
    {
        await using var proxy = await StartAsync();

        Assert.Equal("HTTP/1.1 400 Bad Request", await AskAsync(proxy, "theirs", "Impersonate-User: x\r\nImpersonate-Uid: y\r\n"));
        Assert.Equal("GET /version HTTP/1.1", Assert.Single(_forwarded).StartLine);
    }

    [Fact]
    [Line("3.8")]
    public async Task Whom_it_becomes_stands_in_the_audit_beside_who_it_is()
    {
        var events = new ConcurrentQueue<JsonNode>();
        var queue = AuditLines.Into(events);
        await using (var proxy = await ProxyDriver.StartAsync(_upstream.Address, passthrough: ["k8s"], audit: AuditLines.Trail(queue)))
        {
            await AskAsync(proxy, "theirs", "Impersonate-User: x\r\nImpersonate-Group: a\r\n");
        }

        await queue.DisposeAsync();
        var last = events.Last();
        Assert.Equal("system:serviceaccount:a:b", last["user"]!["username"]!.GetValue<string>());
        Assert.Equal("""{"username":"x","groups":["a","system:authenticated"]}""", last["impersonatedUser"]!.ToJsonString());
    }

    [Fact]
    public async Task Answers_yes_and_no_are_kept_for_a_short_time_by_token()
    {
        await using var proxy = await StartAsync();
        for (var i = 0; i < 3; i++)
        {
            await AskAsync(proxy, "theirs");
        }

        _status = "{}";
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal("HTTP/1.1 401 Unauthorized", await AskAsync(proxy, "other"));
        }

        Assert.Equal(["theirs", "other"], _reviews.Select(r => r["spec"]!["token"]!.GetValue<string>()));
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("{\"authenticated\":false,\"user\":{\"username\":\"x\"},\"audiences\":[\"k8s\"]}")]
    [InlineData("{\"authenticated\":true,\"user\":{\"username\":\"x\"}}")]
    [InlineData("{\"authenticated\":true,\"user\":{\"username\":\"x\"},\"audiences\":[\"other\"]}")]
    public async Task A_token_that_the_API_server_does_not_know_for_this_audience_is_401(string status)
    {
        _status = status;
        await using var proxy = await StartAsync();

        Assert.Equal("HTTP/1.1 401 Unauthorized", await AskAsync(proxy, "theirs"));
        Assert.Empty(_forwarded);
    }

    [Theory]
    [InlineData("403 Forbidden", "{}")]
    [InlineData("201 Created", "{\"authenticated\":true,\"user\":{},\"audiences\":[\"k8s\"]}")]
    [InlineData("201 Created", "{\"authenticated\":\"yes\"}")]
    public async Task No_answer_is_503_and_never_a_yes(string code, string status)
    {
        (_code, _status) = (code, status);
        await using var proxy = await StartAsync();

        Assert.Equal("HTTP/1.1 503 Service Unavailable", await AskAsync(proxy, "theirs"));
        Assert.Empty(_forwarded);
        (_code, _status) = ("201 Created", "{\"authenticated\":true,\"user\":{\"username\":\"x\"},\"audiences\":[\"k8s\"]}");
        Assert.Equal("HTTP/1.1 200 OK", await AskAsync(proxy, "theirs"));
    }

    [Fact]
    public async Task A_token_that_a_configured_issuer_refused_for_its_age_is_not_asked_about()
    {
        await using var proxy = await StartAsync();

        Assert.Equal("HTTP/1.1 401 Unauthorized", await AskAsync(proxy, "expired"));
        Assert.Empty(_reviews);
    }

    [Fact]
    public async Task Without_the_option_nobody_is_asked()
    {
        await using var proxy = await ProxyDriver.StartAsync(_upstream.Address);

        Assert.Equal("HTTP/1.1 401 Unauthorized", await AskAsync(proxy, "theirs"));
        Assert.Empty(_reviews);
    }

    private Task<ProxyDriver> StartAsync() => ProxyDriver.StartAsync(_upstream.Address, passthrough: ["k8s"]);

    private static async Task<string> AskAsync(ProxyDriver proxy, string token, string lines = "") =>
        (await proxy.SendAsync($"GET /api HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{lines}\r\n")).Head.StartLine;

    private async Task ServeAsync(RawConnection connection)
    {
        while (await connection.ReadHeadAsync() is { } head)
        {
            var body = await connection.ReadBodyAsync(head);
            if (!head.StartLine.StartsWith("POST /apis/authentication.k8s.io/v1/tokenreviews ", StringComparison.Ordinal))
            {
                _forwarded.Enqueue(head);
                var version = head.StartLine.StartsWith("GET /version ", StringComparison.Ordinal) ? """{"major":"1","minor":"20"}""" : "";
                await connection.WriteAsync($"HTTP/1.1 200 OK\r\nContent-Length: {version.Length}\r\n\r\n{version}");
                continue;
            }

            Assert.Equal("Bearer own-token", head.Value("Authorization"));
            _reviews.Enqueue(JsonNode.Parse(body)!);
            var answer = $"{{\"status\":{_status}}}";
            await connection.WriteAsync(string.Create(CultureInfo.InvariantCulture, $"HTTP/1.1 {_code}\r\nContent-Length: {answer.Length}\r\n\r\n{answer}"));
        }
    }
}
