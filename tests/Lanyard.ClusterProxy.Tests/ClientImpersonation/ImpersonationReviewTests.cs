using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json.Nodes;
using Lanyard.ClusterProxy.ClientImpersonation;
using Lanyard.ClusterProxy.Impersonation;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.ClientImpersonation;

[Line("3.4")]
public sealed class ImpersonationReviewTests : IAsyncLifetime
{
    private readonly ConcurrentQueue<JsonNode> _reviews = new();
    private readonly ConcurrentQueue<RawHead> _forwarded = new();
    private RawUpstream _upstream = null!;
    private ProxyDriver _proxy = null!;
    private Func<JsonNode, string> _decide = _ => "{\"allowed\":true}";
    private string _minor = "31";

    public async ValueTask InitializeAsync()
    {
        _upstream = new RawUpstream(ServeAsync);
        _proxy = await ProxyDriver.StartAsync(_upstream.Address, new KubernetesUser("ci:1") { Groups = ["g1"], Uid = "u", Extras = [new("Example.org/A", "v")] });
    }

    public async ValueTask DisposeAsync()
    {
        await _proxy.DisposeAsync();
        await _upstream.DisposeAsync();
    }

    [Fact]
    public async Task Every_value_is_reviewed_as_the_API_server_would_in_its_order()
    {
        var (head, _) = await AskAsync(
            "Impersonate-Extra-Foo%2FBar: x\r\nimpersonate-group: a, b\r\nImpersonate-User: system:serviceaccount:ns:sa\r\nIMPERSONATE-GROUP: c\r\n"
            + "Impersonate-Extra-Foo%2FBar: y\r\nImpersonate-Uid: 7\r\n");

        Assert.Equal("HTTP/1.1 200 OK", head.StartLine);
        Assert.Equal(
            ["|serviceaccounts||ns|sa", "|groups|||a, b", "|groups|||c", "authentication.k8s.io|userextras|foo/bar||x", "authentication.k8s.io|userextras|foo/bar||y",
                "authentication.k8s.io|uids|||7"],
            _reviews.Select(Describe));
    }

    [Fact]
    public async Task The_reviewed_subject_is_the_tokens_user_whole()
    {
        await AskAsync("Impersonate-User: x\r\n");

        var spec = _reviews.Single()["spec"]!;
        Assert.Equal(
            "{\"user\":\"ci:1\",\"uid\":\"u\",\"groups\":[\"g1\",\"system:authenticated\"],\"extra\":{\"example.org/a\":[\"v\"]},\"resourceAttributes\":{\"verb\":\"impersonate\","
            + "\"group\":\"\",\"version\":\"v1\",\"resource\":\"users\",\"subresource\":\"\",\"namespace\":\"\",\"name\":\"x\"}}",
            spec.ToJsonString());
    }

    [Fact]
    public async Task The_target_inherits_nothing_and_the_original_user_goes_along()
    {
        await AskAsync("Impersonate-User: target\r\nImpersonate-Group: tg\r\n");

        Assert.True(_forwarded.TryDequeue(out var seen));
        Assert.Equal(
            ["Impersonate-Extra-Originaluser.jetstack.io-Extra: {\"Example.org/A\":[\"v\"]}", "Impersonate-Extra-Originaluser.jetstack.io-Groups: g1",
                "Impersonate-Extra-Originaluser.jetstack.io-Uid: u", "Impersonate-Extra-Originaluser.jetstack.io-User: ci:1", "Impersonate-Group: tg", "Impersonate-User: target"],
            seen.HeaderLines.Where(l => l.StartsWith("Impersonate", StringComparison.OrdinalIgnoreCase)).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("Impersonate-User: x<y", "users \\\"x\u003cy\\\" is forbidden: User \\\"ci:1\\\" cannot impersonate resource \\\"users\\\" in API group \\\"\\\" at the cluster scope: why", "{\"name\":\"x\\u003cy\",\"kind\":\"users\"}")]
    [InlineData("Impersonate-User: system:serviceaccount:ns:sa", "serviceaccounts \\\"sa\\\" is forbidden: User \\\"ci:1\\\" cannot impersonate resource \\\"serviceaccounts\\\" in API group \\\"\\\" in the namespace \\\"ns\\\": why", "{\"name\":\"sa\",\"kind\":\"serviceaccounts\"}")]
    public async Task A_denial_reads_as_the_API_servers_own(string line, string message, string details)
    {
        _decide = _ => "{\"allowed\":false,\"reason\":\"why\"}";

        var (head, body) = await AskAsync(line + "\r\n");

        Assert.Equal("HTTP/1.1 403 Forbidden", head.StartLine);
        Assert.Equal("nosniff", head.Value("X-Content-Type-Options"));
        Assert.Equal(
            "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"" + message.Replace("<", "\\u003c", StringComparison.Ordinal)
            + "\",\"reason\":\"Forbidden\",\"details\":" + details + ",\"code\":403}\n",
            body);
        Assert.Empty(_forwarded);
    }

    [Fact]
    public async Task An_extra_is_denied_under_its_decoded_key()
    {
        _decide = review => (string?)review["spec"]!["resourceAttributes"]!["resource"] == "userextras" ? "{\"allowed\":false}" : "{\"allowed\":true}";

        var (_, body) = await AskAsync("Impersonate-User: x\r\nImpersonate-Extra-Foo%2fBar: v\r\n");

        var status = JsonNode.Parse(body)!;
        Assert.Equal(
            "userextras.authentication.k8s.io \"v\" is forbidden: User \"ci:1\" cannot impersonate resource \"userextras/foo/bar\" in API group \"authentication.k8s.io\" at the cluster scope",
            (string?)status["message"]);
        Assert.Equal("{\"name\":\"v\",\"group\":\"authentication.k8s.io\",\"kind\":\"userextras\"}", status["details"]!.ToJsonString());
    }

    [Theory]
    [InlineData("Impersonate-Group: a\r\n")]
    [InlineData("Impersonate-Uid: a\r\n")]
    [InlineData("Impersonate-Extra-A: a\r\n")]
    [InlineData("Impersonate-User: \r\n")]
    [InlineData("Impersonate-User: a\r\nImpersonate-User: b\r\n")]
    [InlineData("Impersonate-User: a\r\nImpersonate-Group: \r\n")]
    [InlineData("Impersonate-User: a\u00ff\r\n")]
    public async Task An_impersonation_without_one_clear_user_is_refused(string lines)
    {
        var (head, _) = await AskAsync(lines);

        Assert.Equal("HTTP/1.1 400 Bad Request", head.StartLine);
        Assert.Empty(_forwarded);
    }

    [Theory]
    [InlineData("{\"allowed\":true,\"denied\":true}", 403)]
    [InlineData("{}", 503)]
    [InlineData("{\"allowed\":\"true\"}", 503)]
    [Line("3.7")]
    public async Task Anything_but_a_clear_yes_is_a_no(string status, int code)
    {
        _decide = _ => status;

        var (head, _) = await AskAsync("Impersonate-User: x\r\n");

        Assert.StartsWith($"HTTP/1.1 {code}", head.StartLine, StringComparison.Ordinal);
        Assert.Empty(_forwarded);
    }

    [Fact]
    public async Task Over_256_values_are_431_and_nothing_is_reviewed()
    {
        var (head, _) = await AskAsync("Impersonate-User: x\r\n" + string.Concat(Enumerable.Range(0, ImpersonationWish.MaxValues).Select(i => $"Impersonate-Group: g{i}\r\n")));

        Assert.StartsWith("HTTP/1.1 431", head.StartLine, StringComparison.Ordinal);
        Assert.Empty(_reviews);
    }

    [Fact]
    public async Task A_uid_is_refused_where_the_cluster_would_pass_over_it()
    {
        _minor = "20+";

        var (head, _) = await AskAsync("Impersonate-User: x\r\nImpersonate-Uid: 7\r\n");

        Assert.Equal("HTTP/1.1 400 Bad Request", head.StartLine);
        Assert.Empty(_forwarded);
    }

    [Fact]
    public async Task The_client_may_not_say_who_the_original_user_is()
    {
        var (head, _) = await AskAsync("Impersonate-User: x\r\nImpersonate-Extra-Originaluser.jetstack.io-User: admin\r\n");

        Assert.Equal("HTTP/1.1 403 Forbidden", head.StartLine);
        Assert.Empty(_forwarded);
    }

    /// <summary>The API server lowers a key before it undoes the escapes: a capital that came as one would be reviewed under one name and sent under another.</summary>
    [Theory]
    [InlineData("%4Friginaluser.jetstack.io-User")]
    [InlineData("%41bc")]
    [InlineData("%C3%84")]
    public async Task A_capital_that_is_hidden_in_an_escape_of_an_extras_key_is_refused(string key)
    {
        var (head, _) = await AskAsync($"Impersonate-User: x\r\nImpersonate-Extra-{key}: admin\r\n");

        Assert.Equal("HTTP/1.1 400 Bad Request", head.StartLine);
        Assert.Empty(_reviews);
        Assert.Empty(_forwarded);
    }

    [Fact]
    public async Task A_review_is_kept_for_a_while_for_the_same_user_only()
    {
        for (var i = 0; i < 3; i++)
        {
            await AskAsync("Impersonate-User: x\r\n");
        }

        await AskAsync("Impersonate-User: y\r\n");

        Assert.Equal(2, _reviews.Count);
    }

    private static string Describe(JsonNode review)
    {
        var a = review["spec"]!["resourceAttributes"]!;
        return $"{a["group"]}|{a["resource"]}|{a["subresource"]}|{a["namespace"]}|{a["name"]}";
    }

    private Task<(RawHead Head, string Body)> AskAsync(string lines) => _proxy.SendAsync($"GET /api HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}{lines}\r\n");

    private async Task ServeAsync(RawConnection connection)
    {
        while (await connection.ReadHeadAsync() is { } head)
        {
            var body = await connection.ReadBodyAsync(head);
            await connection.WriteAsync(Answer(head, body));
        }
    }

    private string Answer(RawHead head, string body)
    {
        if (head.StartLine.StartsWith("GET /version ", StringComparison.Ordinal))
        {
            return Json("200 OK", "{\"major\":\"1\",\"minor\":\"" + _minor + "\"}");
        }

        if (!head.StartLine.StartsWith("POST /apis/authorization.k8s.io/v1/subjectaccessreviews ", StringComparison.Ordinal))
        {
            _forwarded.Enqueue(head);
            return Json("200 OK", "{}");
        }

        Assert.Equal("Bearer own-token", head.Value("Authorization"));
        Assert.DoesNotContain(head.HeaderLines, l => l.StartsWith("Impersonate", StringComparison.OrdinalIgnoreCase));
        var review = JsonNode.Parse(body)!;
        _reviews.Enqueue(review);
        return Json("201 Created", "{\"status\":" + _decide(review) + "}");
    }

    private static string Json(string status, string body) =>
        string.Create(CultureInfo.InvariantCulture, $"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}");
}
