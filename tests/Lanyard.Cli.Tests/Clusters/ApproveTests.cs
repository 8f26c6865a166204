using System.Text.Json.Nodes;
using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Cli.Tests.Clusters;

[Line("2.7")]
public sealed class ApproveTests() : CliApiTests("acme")
{
    private const string Request =
        """{"spec":{"issuer":"https://k8s","keys":{"jwks":{"keys":[]}},"runner":{"namespace":"a","serviceAccount":"b"}},"report":{"verified":true,"lines":[{"name":"issuer","ok":true,"seen":"https://k8s"}]},"createdAt":"2026-01-01T00:00:00Z","expiresAt":"2026-01-01T01:00:00Z"}""";

    [Fact]
    public async Task The_report_is_shown_before_the_code_is_approved()
    {
        string? approved = null;
        Api.OnRequest = async http =>
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

        Assert.Equal(0, await Cli.RunAsync("cluster", "approve", "k7qf2m9d", "--slug", "prod", "--yes"));
        Assert.Equal("""{"slug":"prod"}""", approved);
        Assert.Contains("ok     issuer", Cli.Error.ToString(), StringComparison.Ordinal);
        Assert.Equal("prod clu_1\n", Cli.Out.ToString());
    }

    [Fact]
    public async Task Where_nobody_can_be_asked_nothing_is_approved_without_yes()
    {
        Api.OnRequest = async http =>
        {
            Assert.Equal("GET", http.Request.Method);
            await http.Response.WriteAsync(Request);
            return true;
        };

        Assert.Equal(2, await Cli.RunAsync("cluster", "approve", "K7QF-2M9D", "--slug", "prod"));
    }

    [Theory]
    [InlineData("K7QF")]
    [InlineData("../../../x")]
    [InlineData("K7QF-2M9/")]
    public async Task What_is_no_code_is_not_sent(string code)
    {
        Assert.Equal(2, await Cli.RunAsync("cluster", "approve", code, "--slug", "prod", "--yes"));
        Assert.DoesNotContain(Api.Requests, request => request.Contains("/v1", StringComparison.Ordinal));
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

        Assert.Equal(2, await Cli.RunAsync("cluster", "register", "--kubeconfig", Cli.Write("config", config.ToJsonString()), "--slug", "x"));
        Assert.Contains(member == "insecure-skip-tls-verify" ? "skips TLS" : "only kubectl knows", Cli.Error.ToString(), StringComparison.Ordinal);
    }
}
