using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Federation;

/// <summary>Conditions in CEL at the bearer door: in a trust policy (step 9) and in a trusted issuer (step 8).</summary>
[Line("6.2")]
public sealed class CelConditionTests : IAsyncLifetime
{
    private const string Collections = "/v1/workspaces/acme/collections";

    private DoorServer _server = null!;
    private TestIssuer _issuer = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await DoorServer.StartAsync();
        _issuer = await TestIssuer.StartAsync();
        await _server.PutAsync("/v1/workspaces/acme", "{}");
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _issuer.DisposeAsync();
    }

    [Theory]
    [InlineData("claims.ref == 'refs/heads/main'", HttpStatusCode.OK)]
    [InlineData("claims.ref.startsWith('refs/tags/')", HttpStatusCode.Unauthorized)]
    [InlineData("claims.missing == 'x'", HttpStatusCode.Unauthorized)]
    [InlineData("claims.missing != 'x'", HttpStatusCode.Unauthorized)]
    [InlineData("claims.ref", HttpStatusCode.Unauthorized)]
    [InlineData("claims.?missing.orValue('x') == 'x' && claims.groups.exists(g, g == 'ops')", HttpStatusCode.OK)]
    [InlineData("claims.groups.all(a, claims.groups.all(b, claims.groups.all(c, claims.groups.all(d, claims.groups.all(e, a + b + c + d + e != '')))))", HttpStatusCode.Unauthorized)]
    public async Task A_condition_that_is_not_true_gives_nothing_in_a_policy_or_a_trusted_issuer(string condition, HttpStatusCode expected)
    {
        await TrustAsync(null, condition);
        Assert.Equal(expected, (await _server.GetAsync(Collections, Token())).Status);

        await TrustAsync(condition, "true");
        Assert.Equal(expected, (await _server.GetAsync(Collections, Token())).Status);
    }

    [Theory]
    [InlineData("claims.sub ==", "1:")]
    [InlineData("claim.sub == 'x'", "1:1:")]
    [InlineData("claims.sub.matches('(')", "1:")]
    [InlineData("'yes'", "true or false")]
    [InlineData("", "CEL")]
    public async Task A_mistake_is_told_when_the_condition_is_saved_with_its_path_and_place_and_nothing_is_stored(string condition, string text)
    {
        var policy = new JsonObject
        {
            ["spec"] = new JsonObject { ["issuer"] = "ci", ["condition"] = condition, ["allow"] = new JsonObject { ["roles"] = new JsonArray("viewer", "boss") } },
        };
        var issuer = new JsonObject
        {
            ["spec"] = new JsonObject { ["issuer"] = "https://ci.example", ["keys"] = new JsonObject { ["discovery"] = new JsonObject() }, ["condition"] = condition },
        };

        var ofPolicy = await _server.SendAsync(HttpMethod.Put, "/v1/workspaces/acme/trust-policies/p", policy.ToJsonString());
        Assert.Equal(HttpStatusCode.BadRequest, ofPolicy.Status);
        Assert.Equal(["spec.allow.roles", "spec.condition", "spec.issuer"], ofPolicy.Json["mistakes"]!.AsArray().Select(m => m!["path"]!.GetValue<string>()).Distinct().Order());
        Assert.Contains(text, ofPolicy.Json["mistakes"]!.ToJsonString(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NotFound, (await _server.GetAsync("/v1/workspaces/acme/trust-policies/p")).Status);

        var ofIssuer = await _server.SendAsync(HttpMethod.Put, "/v1/workspaces/acme/trusted-issuers/ci", issuer.ToJsonString());
        Assert.Equal(HttpStatusCode.BadRequest, ofIssuer.Status);
        Assert.All(ofIssuer.Json["mistakes"]!.AsArray(), m => Assert.Equal("spec.condition", m!["path"]!.GetValue<string>()));
        Assert.Equal(HttpStatusCode.NotFound, (await _server.GetAsync("/v1/workspaces/acme/trusted-issuers/ci")).Status);
    }

    [Fact]
    public async Task The_trace_names_the_condition_that_failed_and_the_evidence_the_one_that_held()
    {
        await TrustAsync("claims.ref.startsWith('refs/heads/')", "claims.groups.exists(g, g == 'ops')");
        var good = await ExplainAsync(Token());
        Assert.Null(good["refusal"]);
        Assert.Contains("policy deploy: condition is true, wanted claims.groups.exists(g, g == 'ops')", good["evidence"]!.AsArray().Select(e => e!.GetValue<string>()));

        var ofIssuer = await ExplainAsync(Token("refs/tags/v1"));
        Assert.StartsWith("Condition", ofIssuer["refusal"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Contains(ofIssuer["steps"]!.AsArray(), s => s!["text"]!.GetValue<string>().Contains("condition claims.ref.startsWith('refs/heads/') does not hold", StringComparison.Ordinal));

        var ofPolicy = await ExplainAsync(Token(groups: "dev"));
        Assert.StartsWith("Policy", ofPolicy["refusal"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Contains(ofPolicy["steps"]!.AsArray(), s => s!["text"]!.GetValue<string>().Contains("policy deploy: the condition claims.groups.exists", StringComparison.Ordinal));
    }

    private async Task<JsonNode> ExplainAsync(string token) =>
        (await _server.SendAsync(HttpMethod.Post, "/v1/explain", new JsonObject { ["token"] = token, ["workspace"] = "acme" }.ToJsonString())).Json;

    private string Token(string of = "refs/heads/main", string groups = "ops") => _issuer.Mint(_server.Url, "ci", claims =>
    {
        claims["ref"] = of;
        claims["groups"] = new JsonArray([.. Enumerable.Range(0, 40).Select(i => JsonValue.Create($"group-{i}")), JsonValue.Create(groups)]);
    });

    private async Task TrustAsync(string? ofIssuer, string ofPolicy)
    {
        var issuer = new JsonObject
        {
            ["issuer"] = _issuer.Issuer,
            ["allowPrivateAddresses"] = true,
            ["keys"] = new JsonObject { ["discovery"] = new JsonObject() },
        };
        if (ofIssuer is not null) issuer["condition"] = ofIssuer;
        await PutAsync("trusted-issuers/ci", issuer);
        await PutAsync("trust-policies/deploy", new JsonObject
        {
            ["issuer"] = "ci",
            ["condition"] = ofPolicy,
            ["allow"] = new JsonObject { ["roles"] = new JsonArray("viewer") },
        });
    }

    private async Task PutAsync(string path, JsonObject spec)
    {
        var put = await _server.SendAsync(HttpMethod.Put, "/v1/workspaces/acme/" + path, new JsonObject { ["spec"] = spec }.ToJsonString(), ifMatch: null);
        if (put.Status == HttpStatusCode.PreconditionRequired)
            put = await _server.SendAsync(HttpMethod.Put, "/v1/workspaces/acme/" + path, new JsonObject { ["spec"] = spec.DeepClone() }.ToJsonString(), ifMatch: "*");
        Assert.True(put.Status is HttpStatusCode.Created or HttpStatusCode.OK, put.Json.ToJsonString());
    }
}
