using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Federation;

/// <summary>Explain names every policy and what would have to change; drafts are judged by what really came.</summary>
[Line("6.7")]
public sealed class PolicyReplayTests : IAsyncLifetime
{
    private const string Policies = "/v1/workspaces/acme/trust-policies";
    private DoorServer _server = null!;
    private TestIssuer _issuer = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await DoorServer.StartAsync(arguments: "--audit-claims");
        _issuer = await TestIssuer.StartAsync();
        foreach (var workspace in (string[])["acme", "other"])
        {
            await _server.PutAsync($"/v1/workspaces/{workspace}", "{}");
            await _server.PutAsync($"/v1/workspaces/{workspace}/trusted-issuers/ci", $$$"""{"issuer":"{{{_issuer.Issuer}}}","allowPrivateAddresses":true,"keys":{"discovery":{} } }""");
        }

        await _server.PutAsync(Policies + "/main", """{"issuer":"ci","claims":{"repository_id":"7","ref":"refs/heads/main"},"principal":"app:{repository_id}","allow":{"roles":["operator"]}}""");
        await _server.PutAsync(Policies + "/owners", """{"issuer":"ci","claims":{"email":"boss@acme.example"},"allow":{"roles":["viewer"]}}""");
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _issuer.DisposeAsync();
    }

    [Fact]
    public async Task Explain_names_each_policy_what_fails_first_and_what_would_have_to_change_and_shows_no_persons_claims()
    {
        var said = (await ExplainAsync("/v1/workspaces/acme/explain", Token("refs/heads/next"))).Json;
        var policies = said["policies"]!.AsArray();
        Assert.Equal(["main", "owners"], policies.Select(static one => one!["policy"]!.GetValue<string>()));
        Assert.All(policies, static one => Assert.False(one!["matches"]!.GetValue<bool>()));
        Assert.Equal("claim ref is \"refs/heads/next\", wanted is \"refs/heads/main\"", policies[0]!["why"]!.GetValue<string>());
        Assert.Equal("the token would need ref to be \"refs/heads/main\"; or the policy would have to allow \"refs/heads/next\" for ref", policies[0]!["change"]!.GetValue<string>());
        Assert.Contains("claim email is (redacted)", policies[1]!["why"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.DoesNotContain("dev@acme.example", said.ToJsonString(), StringComparison.Ordinal);
        // Neither does the audit event of a refusal.
        await _server.ExchangeAsync("/oidc/acme/token", Token("refs/heads/next"));
        Assert.DoesNotContain("dev@acme.example", string.Join('\n', await _server.AuditAsync("")), StringComparison.Ordinal);

        var good = (await ExplainAsync("/v1/workspaces/acme/explain", Token("refs/heads/main"))).Json;
        Assert.Equal(("policy:app:7", true), (good["principal"]!.GetValue<string>(), good["policies"]![0]!["matches"]!.GetValue<bool>()));
    }

    [Fact]
    public async Task Explain_judges_by_one_policy_or_one_cluster_alone_and_only_where_the_caller_administers()
    {
        var only = (await ExplainAsync("/v1/workspaces/acme/explain", Token("refs/heads/main"), ("policy", "owners"))).Json;
        Assert.Equal("owners", Assert.Single(only["policies"]!.AsArray())!["policy"]!.GetValue<string>());
        Assert.StartsWith("Policy/", only["refusal"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Contains("no trust policy nobody", (await ExplainAsync("/v1/explain", Token("refs/heads/main"), ("policy", "nobody"), ("workspace", "acme"))).Json.ToJsonString(), StringComparison.Ordinal);
        Assert.Equal("Issuer/IssuerUnknown", (await ExplainAsync("/v1/workspaces/acme/explain", Token("refs/heads/main"), ("cluster", "lab"))).Json["refusal"]!.GetValue<string>());
        Assert.Equal(HttpStatusCode.BadRequest, (await ExplainAsync("/v1/workspaces/acme/explain", "x", ("workspace", "other"))).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await _server.SendAsync(HttpMethod.Post, "/v1/workspaces/other/explain", """{"token":"x"}""", Token("refs/heads/main"))).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await _server.SendAsync(HttpMethod.Post, "/v1/workspaces/acme/explain", """{"token":"x"}""", Token("refs/heads/main"))).Status);
    }

    /// <summary>The cluster and the trusted issuer have one issuer string: what is asked about is the cluster's keys, and the policies of it.</summary>
    [Fact]
    public async Task Explain_for_a_cluster_judges_by_its_keys_and_its_policies_and_not_by_an_issuer_of_the_same_name()
    {
        const string deployer = "system:serviceaccount:shop:deployer";
        await using var cluster = await TestIssuer.StartAsync();
        string Of(TestIssuer signer) => signer.Mint(_server.Url, deployer, claims => claims["iss"] = _issuer.Issuer);
        var (status, json) = await _server.SendAsync(HttpMethod.Put, "/v1/workspaces/acme/clusters/lab", $$$"""
            {"spec":{"issuer":"{{{_issuer.Issuer}}}","keys":{"jwks":{{{cluster.Jwks}}}},"runner":{"namespace":"shop","serviceAccount":"deployer"}},"token":"{{{Of(cluster)}}}"}
            """);
        Assert.True(status == HttpStatusCode.Created, json.ToJsonString());
        await _server.PutAsync(Policies + "/pods", $$$"""{"issuer":"cluster/lab","claims":{"sub":"{{{deployer}}}"},"allow":{"roles":["viewer"]}}""");
        await _server.PutAsync(Policies + "/ci", $$$"""{"issuer":"ci","claims":{"sub":"{{{deployer}}}"},"allow":{"roles":["viewer"]}}""");

        var good = (await ExplainAsync("/v1/workspaces/acme/explain", Of(cluster), ("cluster", "lab"))).Json;
        Assert.Equal("pods", Assert.Single(good["policies"]!.AsArray(), static one => one!["matches"]!.GetValue<bool>())!["policy"]!.GetValue<string>());
        Assert.Null(good["refusal"]);
        // Good for the issuer, and nobody's in the cluster.
        Assert.Null((await ExplainAsync("/v1/workspaces/acme/explain", Of(_issuer))).Json["refusal"]);
        Assert.StartsWith("Signature/", (await ExplainAsync("/v1/workspaces/acme/explain", Of(_issuer), ("cluster", "lab"))).Json["refusal"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_draft_is_judged_by_what_came_and_says_who_would_newly_come_in_and_who_no_more()
    {
        foreach (var of in (string[])["refs/heads/main", "refs/heads/next", "refs/heads/main"]) await _server.ExchangeAsync("/oidc/acme/token", Token(of));
        var again = Token("refs/heads/next");
        await _server.ExchangeAsync("/oidc/acme/token", again);
        await _server.ExchangeAsync("/oidc/acme/token", again);
        await _server.ExchangeAsync("/oidc/other/token", Token("refs/heads/other"));
        await _server.ExchangeAsync("/oidc/acme/token", "not.a.token");

        var next = await ReplayAsync("main", """{"issuer":"ci","claims":{"repository_id":"7","ref":"refs/heads/next"},"principal":"app:{repository_id}","allow":{"roles":["operator"]}}""");
        Assert.Equal((5L, 0L, false), (next["events"]!.GetValue<long>(), next["undecided"]!.GetValue<long>(), next["isCut"]!.GetValue<bool>()));
        // Two tokens each; the one that came twice is told once.
        Assert.Equal(["refused", "refused"], next["newlyAllowed"]!.AsArray().Select(static one => one!["was"]!.GetValue<string>()));
        Assert.Equal("policy:app:7", next["newlyAllowed"]![0]!["principal"]!.GetValue<string>());
        Assert.Equal(2, next["newlyRefused"]!.AsArray().Count);
        Assert.Contains("claim ref is \"refs/heads/main\"", next["newlyRefused"]![0]!["why"]!.GetValue<string>(), StringComparison.Ordinal);

        var same = await ReplayAsync("main", null);
        Assert.Empty(same["newlyAllowed"]!.AsArray());
        Assert.Empty(same["newlyRefused"]!.AsArray());
        // A policy that is new, and one whose claims were not kept.
        Assert.Equal(4, (await ReplayAsync("fresh", """{"issuer":"ci","claims":{"repository_id":"7"},"allow":{"roles":["viewer"]}}"""))["newlyAllowed"]!.AsArray().Count);
        Assert.Equal(5, (await ReplayAsync("owners", null))["undecided"]!.GetValue<long>());
        // Nothing before then.
        var (_, later) = await _server.SendAsync(HttpMethod.Post, Policies + "/main/replay", """{"since":"2099-01-01T00:00:00Z"}""");
        Assert.Equal(0, later["events"]!.GetValue<long>());
    }

    [Theory]
    [InlineData("""{"since":"2026-01-01T00:00:00Z","spec":{"issuer":"ci"}}""", "main", HttpStatusCode.BadRequest)]
    [InlineData("""{"since":"2026-01-01T00:00:00Z","spec":{"issuer":"nobody","claims":{"a":"b"},"allow":{"roles":["viewer"]}}}""", "main", HttpStatusCode.BadRequest)]
    [InlineData("""{"since":"yesterday"}""", "main", HttpStatusCode.BadRequest)]
    [InlineData("""{"since":"2026-01-01T00:00:00Z"}""", "fresh", HttpStatusCode.NotFound)]
    public async Task A_draft_with_mistakes_is_not_judged(string body, string policy, HttpStatusCode expected) =>
        Assert.Equal(expected, (await _server.SendAsync(HttpMethod.Post, $"{Policies}/{policy}/replay", body)).Status);

    private async Task<JsonNode> ReplayAsync(string policy, string? spec)
    {
        var body = new JsonObject { ["since"] = "2020-01-01T00:00:00Z" };
        if (spec is not null) body["spec"] = JsonNode.Parse(spec);
        var (status, json) = await _server.SendAsync(HttpMethod.Post, $"{Policies}/{policy}/replay", body.ToJsonString());
        Assert.True(status == HttpStatusCode.OK, json.ToJsonString());
        return json;
    }

    private Task<(HttpStatusCode Status, JsonNode Json)> ExplainAsync(string path, string token, params (string Name, string Value)[] more)
    {
        var body = new JsonObject { ["token"] = token };
        foreach (var (name, value) in more) body[name] = value;
        return _server.SendAsync(HttpMethod.Post, path, body.ToJsonString());
    }

    private string Token(string of) => _issuer.Mint(_server.Url, "repo", claims => (claims["repository_id"], claims["ref"], claims["email"]) = ("7", of, "dev@acme.example"));
}
