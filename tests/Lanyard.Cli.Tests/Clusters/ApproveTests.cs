using System.Text.Json.Nodes;
using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests.Clusters;

[Line("2.7")]
public sealed class ApproveTests : IAsyncLifetime
{
    private const string Request =
        """{"spec":{"issuer":"https://k8s","keys":{"jwks":{"keys":[]}},"runner":{"namespace":"a","serviceAccount":"b"}},"report":{"verified":true,"lines":[{"name":"issuer","ok":true,"seen":"https://k8s"}]},"createdAt":"2026-01-01T00:00:00Z","expiresAt":"2026-01-01T01:00:00Z"}""";

    private readonly CliRun _cli = new();
    private FakeApi _api = null!;

    public async ValueTask InitializeAsync()
    {
        _api = await FakeApi.StartAsync();
        _cli.Environment["LANYARD_SERVER"] = _api.Url;
        _cli.Environment["LANYARD_DATA_DIR"] = _cli.Folder;
        _cli.Environment["LANYARD_WORKSPACE"] = "acme";
        _cli.Write("admin-key.pem", _api.AdminKey.ExportPem());
    }

    public async ValueTask DisposeAsync()
    {
        await _api.DisposeAsync();
        _cli.Dispose();
    }

    [Fact]
    public async Task The_report_is_shown_before_the_code_is_approved()
    {
        string? approved = null;
        _api.OnRequest = async http =>
        {
            if (http.Request.Method == "POST")
            {
                Assert.Equal("/v1/workspaces/acme/cluster-requests/K7QF-2M9D/approve", http.Request.Path);
                approved = await new StreamReader(http.Request.Body).ReadToEndAsync();
                http.Response.StatusCode = 201;
                await http.Response.WriteAsync("""{"id":"clu_1","slug":"prod","spec":{"runner":{"namespace":"a","serviceAccount":"b"}}}""");
                return true;
            }

            await http.Response.WriteAsync(Request);
            return true;
        };

        Assert.Equal(0, await _cli.RunAsync("cluster", "approve", "k7qf2m9d", "--slug", "prod", "--yes"));
        Assert.Equal("""{"slug":"prod"}""", approved);
        Assert.Contains("ok     issuer", _cli.Error.ToString(), StringComparison.Ordinal);
        Assert.Equal("prod clu_1\n", _cli.Out.ToString());
    }

    [Fact]
    public async Task Where_nobody_can_be_asked_nothing_is_approved_without_yes()
    {
        _api.OnRequest = async http =>
        {
            Assert.Equal("GET", http.Request.Method);
            await http.Response.WriteAsync(Request);
            return true;
        };

        Assert.Equal(2, await _cli.RunAsync("cluster", "approve", "K7QF-2M9D", "--slug", "prod"));
    }

    [Theory]
    [InlineData("K7QF")]
    [InlineData("../../../x")]
    [InlineData("K7QF-2M9/")]
    public async Task What_is_no_code_is_not_sent(string code)
    {
        Assert.Equal(2, await _cli.RunAsync("cluster", "approve", code, "--slug", "prod", "--yes"));
        Assert.DoesNotContain(_api.Requests, request => request.Contains("/v1", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("insecure-skip-tls-verify", "cluster")]
    [InlineData("proxy-url", "cluster")]
    [InlineData("auth-provider", "user")]
    [InlineData("as", "user")]
    public async Task A_kubeconfig_with_what_is_not_known_here_is_refused_and_not_half_obeyed(string member, string place)
    {
        JsonNode value = member == "insecure-skip-tls-verify" ? JsonValue.Create(true) : JsonValue.Create("x");
        var parts = new JsonObject { ["cluster"] = new JsonObject { ["server"] = "https://127.0.0.1:1" }, ["user"] = new JsonObject { ["token"] = "t" } };
        parts[place]![member] = value;
        var config = new JsonObject
        {
            ["current-context"] = "c",
            ["contexts"] = new JsonArray(new JsonObject { ["name"] = "c", ["context"] = new JsonObject { ["cluster"] = "c", ["user"] = "u" } }),
            ["clusters"] = new JsonArray(new JsonObject { ["name"] = "c", ["cluster"] = parts["cluster"]!.DeepClone() }),
            ["users"] = new JsonArray(new JsonObject { ["name"] = "u", ["user"] = parts["user"]!.DeepClone() }),
        };

        Assert.Equal(2, await _cli.RunAsync("cluster", "register", "--kubeconfig", _cli.Write("config", config.ToJsonString()), "--slug", "x"));
        Assert.Contains(member == "insecure-skip-tls-verify" ? "skips TLS" : "only kubectl knows", _cli.Error.ToString(), StringComparison.Ordinal);
    }
}
