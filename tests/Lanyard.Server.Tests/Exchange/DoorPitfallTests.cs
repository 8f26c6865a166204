using System.Net;
using System.Text.Json;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Exchange;

/// <summary>What went wrong behind the signature in other exchanges, by name: each sentence is a pitfall that somebody fell into, and the numbers are where.</summary>
[Line("6.5")]
public sealed class DoorPitfallTests : IAsyncLifetime
{
    private const string Collections = "/v1/workspaces/acme/collections";
    private const string Policy = "/v1/workspaces/acme/trust-policies/ci";
    private ExchangeServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await ExchangeServer.StartAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Theory]
    [InlineData("""{"roles":["admin"]}""")]
    [InlineData("""{"introspect":["https://sts.example"]}""")]
    [InlineData("""{"audiences":["https://sts.example.evil.example","https://sts.example/","https://STS.example"]}""")]
    public async Task An_exchange_is_allowed_by_a_policy_and_not_by_a_good_signature(string allow)
    {
        // Keycloak#48104.
        await _server.AllowAsync("other", allow);
        Assert.Equal("invalid_target", (await _server.ExchangeAsync("/oidc/acme/token", _server.Workload("other"), ("audience", ExchangeServer.Audience))).Error);
        Assert.Equal("invalid_target", (await _server.ExchangeAsync("/oidc/acme/token", await _server.ApiTokenAsync("other"), ("audience", ExchangeServer.Audience))).Error);
    }

    [Fact]
    public async Task A_token_is_told_of_to_its_audience_alone_and_not_as_active_once_its_key_is_revoked()
    {
        // CVE-2026-37979, CVE-2026-8922.
        await _server.AllowAsync("member", """{"introspect":["https://sts.example"]}""");
        await _server.AllowAsync("neighbour", """{"introspect":["https://other.example"],"audiences":["https://sts.example"]}""");
        var token = await _server.IdentityTokenAsync();
        async Task<bool> ActiveAsync(string caller) => (await _server.PostAsync("/oidc/acme/introspect", _server.Workload(caller), ("token", token))).Json["active"]!.GetValue<bool>();
        Assert.Equal((true, false), (await ActiveAsync("member"), await ActiveAsync("neighbour")));

        var key = JsonDocument.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(token.Split('.')[0])).RootElement.GetProperty("kid").GetString();
        Assert.Equal(HttpStatusCode.Created, (await _server.Door.SendAsync(HttpMethod.Post, "/v1/workspaces/acme/revocations", $$"""{"kind":"key","value":"{{key}}"}""")).Status);
        Assert.False(await ActiveAsync("member"));
    }

    [Fact]
    public async Task What_a_decision_rests_on_is_told_with_its_version_and_another_version_holds_for_the_next_request()
    {
        // octo-sts: policies of an hour ago.
        var token = _server.Workload();
        for (var i = 0; i < 3; i++) Assert.Equal(HttpStatusCode.OK, (await _server.ExchangeAsync("/token", token)).Status);
        await _server.Door.SendAsync(HttpMethod.Put, Policy, """{"spec":{"issuer":"ci","claims":{"sub":"ci"},"allow":{"audiences":["https://sts.example"]}}}""", ifMatch: "*");
        Assert.Equal(HttpStatusCode.NotFound, (await _server.Door.GetAsync(Collections, token)).Status);
        Assert.Equal(HttpStatusCode.OK, (await _server.ExchangeAsync("/token", token)).Status);

        var id = (await _server.Door.GetAsync(Policy)).Json["id"]!.GetValue<string>();
        var issuer = (await _server.Door.GetAsync("/v1/workspaces/acme/trusted-issuers/ci")).Json["id"]!.GetValue<string>();
        var said = (await _server.EventsAsync("token.exchange", token)).Select(static one => (one.GetProperty("policy").GetString(), one.GetProperty("trustRecord").GetString()));
        Assert.Equal([($"{id}@1", $"{issuer}@1"), ($"{id}@1", $"{issuer}@1"), ($"{id}@1", $"{issuer}@1"), ($"{id}@2", $"{issuer}@1")], said);
    }

    [Fact]
    public async Task Where_there_is_no_policy_nobody_is_let_in_and_a_policy_that_fails_to_be_saved_changes_nothing()
    {
        // octo-sts: a list that was not found allowed all.
        Assert.Equal(HttpStatusCode.BadRequest, (await _server.Door.SendAsync(HttpMethod.Put, Policy, """{"spec":{"issuer":"ci","allow":{"roles":["admin"]}}}""", ifMatch: "*")).Status);
        Assert.Equal(HttpStatusCode.OK, (await _server.Door.GetAsync(Collections, _server.Workload())).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await _server.Door.SendAsync(HttpMethod.Delete, Policy, ifMatch: "*")).Status);

        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.Door.GetAsync(Collections, _server.Workload())).Status);
        Assert.Equal("invalid_request", (await _server.ExchangeAsync("/token", _server.Workload())).Error);
    }
}
