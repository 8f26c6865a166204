using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Federation;

/// <summary>Two workspaces trust one issuer, each with a record of its own: what one says to a token must neither hide nor open the other.</summary>
[Line("2.3")]
[Line("2.4")]
public sealed class SeveralRecordsTests : IAsyncLifetime
{
    private DoorServer _server = null!;
    private TestIssuer _issuer = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await DoorServer.StartAsync();
        _issuer = await TestIssuer.StartAsync();
        foreach (var workspace in (string[])["north", "south", "west"])
            await _server.PutAsync($"/v1/workspaces/{workspace}", "{}");
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _issuer.DisposeAsync();
    }

    [Fact]
    public async Task Each_workspaces_policies_are_asked_and_none_gives_anything_in_another()
    {
        await TrustAsync("north", "viewer");
        await TrustAsync("south", "admin");
        await TrustAsync("west", "admin", subject: "somebody-else");
        var token = _issuer.Mint(_server.Url, "ci");

        for (var i = 0; i < 2; i++)
        {
            // The second time from memory.
            Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync("/v1/workspaces/north/collections", token)).Status);
            Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync("/v1/workspaces/south/collections", token)).Status);
            Assert.Equal(HttpStatusCode.NotFound, (await _server.GetAsync("/v1/workspaces/west/collections", token)).Status);
            Assert.Equal(HttpStatusCode.NotFound, (await _server.GetAsync("/v1/workspaces/nothing/collections", token)).Status);
        }

        // A viewer of the north, an admin of the south; never an admin of the north.
        Assert.Equal(HttpStatusCode.Forbidden, (await PutCollectionAsync("north", token)).Status);
        Assert.Equal(HttpStatusCode.Created, (await PutCollectionAsync("south", token)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await PutCollectionAsync("west", token)).Status);
    }

    [Fact]
    public async Task A_record_that_refuses_the_token_does_not_hide_one_that_takes_it()
    {
        await TrustAsync("north", "viewer", record: ""","audiences":["https://elsewhere.example"]""");
        await TrustAsync("south", "viewer");
        var token = _issuer.Mint(_server.Url, "ci");

        Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync("/v1/workspaces/south/collections", token)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await _server.GetAsync("/v1/workspaces/north/collections", token)).Status);
    }

    [Fact]
    public async Task An_API_token_rests_on_each_record_alone_and_a_removed_one_ends_its_own_share_only()
    {
        await TrustAsync("north", "viewer");
        await TrustAsync("south", "viewer");
        var (status, json) = await _server.ExchangeAsync("/token", _issuer.Mint(_server.Url, "ci"));
        Assert.Equal(HttpStatusCode.OK, status);
        var api = json["access_token"]!.GetValue<string>();
        Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync("/v1/workspaces/north/collections", api)).Status);
        Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync("/v1/workspaces/south/collections", api)).Status);

        await DeleteAsync("/v1/workspaces/north/trusted-issuers/ci");
        Assert.Equal(HttpStatusCode.NotFound, (await _server.GetAsync("/v1/workspaces/north/collections", api)).Status);
        Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync("/v1/workspaces/south/collections", api)).Status);

        await DeleteAsync("/v1/workspaces/south/trusted-issuers/ci");
        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.GetAsync("/v1/workspaces/south/collections", api)).Status);
    }

    [Fact]
    [Line("2.5")]
    public async Task What_one_workspaces_policy_allows_is_not_signed_by_anothers_issuer()
    {
        await TrustAsync("north", "viewer", allow: ""","audiences":["sts.north"]""");
        await TrustAsync("south", "viewer");
        var workload = _issuer.Mint(_server.Url, "ci");
        var api = (await _server.ExchangeAsync("/token", workload)).Json["access_token"]!.GetValue<string>();

        foreach (var token in (string[])[workload, api])
        {
            var own = await _server.ExchangeAsync("/oidc/north/token", token, "sts.north");
            var foreign = await _server.ExchangeAsync("/oidc/south/token", token, "sts.north");
            Assert.Equal((HttpStatusCode.OK, HttpStatusCode.BadRequest), (own.Status, foreign.Status));
            Assert.NotEqual(HttpStatusCode.OK, (await _server.ExchangeAsync("/oidc/west/token", token, "sts.north")).Status);
        }
    }

    [Fact]
    [Line("2.12")]
    public async Task A_workspaces_audit_calls_the_caller_by_its_own_policies_words_alone()
    {
        await TrustAsync("north", "admin", principal: "north-{sub}");
        await TrustAsync("south", "admin", principal: "south-{sub}");
        var token = _issuer.Mint(_server.Url, "ci");
        Assert.Equal(HttpStatusCode.Created, (await PutCollectionAsync("north", token)).Status);
        Assert.Equal(HttpStatusCode.Created, (await PutCollectionAsync("south", token)).Status);
        Assert.Equal(HttpStatusCode.OK, (await _server.ExchangeAsync("/token", token)).Status);

        foreach (var (own, other) in ((string, string)[])[("north", "south"), ("south", "north")])
        {
            var events = await _server.AuditAsync("collection.put", $"/v1/workspaces/{own}/audit");
            Assert.Contains($"{own}-ci", Assert.Single(events), StringComparison.Ordinal);
            Assert.DoesNotContain(other, string.Join('\n', await _server.AuditAsync("", $"/v1/workspaces/{own}/audit")), StringComparison.Ordinal);
        }
    }

    [Fact]
    [Line("2.5")]
    public async Task Explain_shows_each_record_and_each_policy_to_the_instance_and_only_its_own_to_a_workspace()
    {
        await TrustAsync("north", "viewer", subject: "north-only");
        await TrustAsync("south", "viewer");
        var token = _issuer.Mint(_server.Url, "ci");

        var whole = (await _server.SendAsync(HttpMethod.Post, "/v1/explain", new JsonObject { ["token"] = token }.ToJsonString())).Json.ToJsonString();
        var north = (await _server.SendAsync(HttpMethod.Post, "/v1/explain", new JsonObject { ["token"] = token, ["workspace"] = "north" }.ToJsonString())).Json;

        Assert.Contains("north-only", whole, StringComparison.Ordinal);
        Assert.Contains("policy south-policy matches", whole, StringComparison.Ordinal);
        Assert.StartsWith("Policy/", north["refusal"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.DoesNotContain("south", north.ToJsonString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_strangers_record_with_an_issuer_that_does_not_answer_keeps_nobody_out()
    {
        await _server.PutAsync(
            "/v1/workspaces/north/trusted-issuers/ci",
            $$$"""{"issuer":"{{{_issuer.Issuer}}}","allowPrivateAddresses":true,"keys":{"discovery":{"url":"{{{_issuer.Issuer}}}/slow/.well-known/openid-configuration"} } }""");
        await TrustAsync("south", "viewer");
        var never = new TaskCompletionSource();
        _issuer.OnRequest = async context =>
        {
            if (context.Request.Path.StartsWithSegments("/slow", StringComparison.Ordinal)) await never.Task.WaitAsync(context.RequestAborted);
            return false;
        };

        Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync("/v1/workspaces/south/collections", _issuer.Mint(_server.Url, "ci"))).Status);
        never.TrySetResult();
    }

    private async Task TrustAsync(string workspace, string role, string subject = "ci", string record = "", string allow = "", string? principal = null)
    {
        var trust = $$"""{"issuer":"{{_issuer.Issuer}}","allowPrivateAddresses":true,"keys":{"discovery":{} }{{record}} }""";
        await _server.PutAsync($"/v1/workspaces/{workspace}/trusted-issuers/ci", trust);
        var name = principal is null ? "" : $",\"principal\":\"{principal}\"";
        var policy = $$"""{"issuer":"ci","claims":{"sub":"{{subject}}"},"allow":{"roles":["{{role}}"]{{allow}} }{{name}} }""";
        await _server.PutAsync($"/v1/workspaces/{workspace}/trust-policies/{workspace}-policy", policy);
    }

    private Task<(HttpStatusCode Status, JsonNode Json)> PutCollectionAsync(string workspace, string token) =>
        _server.SendAsync(HttpMethod.Put, $"/v1/workspaces/{workspace}/collections/new", """{"spec":{}}""", token);

    private async Task DeleteAsync(string path) => Assert.Equal(HttpStatusCode.NoContent, (await _server.SendAsync(HttpMethod.Delete, path, ifMatch: "*")).Status);
}
