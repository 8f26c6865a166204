using System.Net;
using Lanyard.Identity.Tokens;
using Lanyard.Protocol.OAuth;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Federation;

/// <summary>What is revoked on one replica is refused on the other, and a one-time token that one took the other does not: two servers on one PostgreSQL.</summary>
[Needs("postgres")]
[Line("6.5")]
public sealed class RevocationTests : TwoDoors
{
    [Fact]
    public async Task A_principal_a_key_and_a_token_are_refused_on_every_replica_and_only_where_they_were_revoked()
    {
        var (mine, yours) = (Mint("one"), Mint("two"));
        var api = (await Second.ExchangeAsync("/token", mine)).Json["access_token"]!.GetValue<string>();
        await EverywhereAsync(mine, HttpStatusCode.OK);
        await EverywhereAsync(api, HttpStatusCode.OK);

        // A principal of one workspace: there alone, with its API tokens.
        var id = await RevokeAsync("/v1/workspaces/acme", "principal", "policy:ci:one");
        await EverywhereAsync(mine, HttpStatusCode.NotFound);
        await EverywhereAsync(api, HttpStatusCode.NotFound);
        await EverywhereAsync(yours, HttpStatusCode.OK);
        await EverywhereAsync(mine, HttpStatusCode.OK, "/v1/workspaces/other/collections");
        Assert.Equal(HttpStatusCode.NotFound, (await First.SendAsync(HttpMethod.Delete, $"/v1/workspaces/other/revocations/{id}")).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await First.SendAsync(HttpMethod.Delete, $"/v1/workspaces/acme/revocations/{id}")).Status);
        await EverywhereAsync(mine, HttpStatusCode.OK);

        // A single token, by the hash that the audit log has of it.
        await RevokeAsync("/v1", "token", TokenHash.Of(mine.AsSpan()).ToString());
        await EverywhereAsync(mine, HttpStatusCode.Unauthorized);
        await EverywhereAsync(yours, HttpStatusCode.OK);

        // A key of the issuer: its tokens, and not those of the next key.
        await RevokeAsync("/v1", "key", Issuer.Key.KeyId!);
        await EverywhereAsync(yours, HttpStatusCode.Unauthorized);
        Assert.Equal(HttpStatusCode.BadRequest, (await Second.ExchangeAsync("/token", yours)).Status);
        Assert.Equal(3, (await First.AuditAsync("revocation.add")).Length);
    }

    [Fact]
    public async Task A_principal_that_is_revoked_everywhere_is_refused_with_a_cause_and_never_an_error()
    {
        var token = Mint("three");
        await EverywhereAsync(token, HttpStatusCode.OK);
        await RevokeAsync("/v1", "principal", "policy:ci:three");

        await EverywhereAsync(token, HttpStatusCode.Unauthorized);
        var (status, json) = await First.ExchangeAsync("/token", token);
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_request"), (status, json["error"]!.GetValue<string>()));
        Assert.DoesNotContain("policy:ci", json.ToJsonString(), StringComparison.Ordinal);

        // Whoever asks the log learns the cause, from the door and from the token endpoint.
        foreach (var action in (string[])["bearer", "token.exchange"])
        {
            var refused = (await First.AuditAsync(action)).Where(line => line.Contains(TokenHash.Of(token.AsSpan()).ToString(), StringComparison.Ordinal)).ToList();
            Assert.NotEmpty(refused);
            Assert.All(refused, static line => Assert.Contains("principal policy:ci:three was revoked", line, StringComparison.Ordinal));
        }
    }

    [Theory]
    [InlineData("trust-policies/all")]
    [InlineData("trusted-issuers/ci")]
    public async Task A_policy_or_anIssuer_that_is_taken_away_gives_nothing_at_any_door_of_any_replica(string resource)
    {
        await First.PutAsync("/v1/workspaces/acme/trust-policies/all", """{"issuer":"ci","claims":{"team":"a"},"allow":{"roles":["viewer"],"audiences":["https://sts.example"]}}""", ifMatch: "*");
        var workload = Mint("one");
        await Eventually.HoldsAsync(async () => (await Second.ExchangeAsync("/oidc/acme/token", workload, "https://sts.example")).Status == HttpStatusCode.OK, "the second replica knows the policy");
        var api = (await Second.ExchangeAsync("/oidc/acme/token", workload)).Json["access_token"]!.GetValue<string>();
        var identity = (await First.ExchangeAsync("/oidc/acme/token", workload, "https://sts.example")).Json["access_token"]!.GetValue<string>();
        await EverywhereAsync(workload, HttpStatusCode.OK);
        await EverywhereAsync(api, HttpStatusCode.OK);
        await ActiveAsync(true, ("/introspect", api), ("/oidc/acme/introspect", identity));

        Assert.Equal(HttpStatusCode.NoContent, (await First.SendAsync(HttpMethod.Delete, $"/v1/workspaces/acme/{resource}", ifMatch: "*")).Status);

        await EverywhereAsync(workload, HttpStatusCode.NotFound);
        await EverywhereAsync(api, HttpStatusCode.Unauthorized);
        foreach (var replica in (DoorServer[])[First, Second])
            foreach (var token in (string[])[workload, api])
                Assert.Equal(HttpStatusCode.BadRequest, (await replica.ExchangeAsync("/oidc/acme/token", token, "https://sts.example")).Status);
        await ActiveAsync(false, ("/introspect", api), ("/oidc/acme/introspect", identity));
    }

    [Fact]
    public async Task A_revoked_principal_has_nothing_of_what_it_got_for_itself_or_to_act_for_another()
    {
        await First.PutAsync("/v1/workspaces/acme/trust-policies/lead", """{"issuer":"ci","claims":{"sub":"lead"},"allow":{"roles":["viewer"],"audiences":["https://sts.example"],"actors":["policy:ci:one"]}}""");
        (string, string)[] Fields(string audience) => [
            ("grant_type", OAuthNames.GrantTokenExchange), ("subject_token", Issuer.Mint(First.Url, "lead")), ("subject_token_type", OAuthNames.TokenTypeJwt), ("audience", audience),
            ("actor_token", Mint("one")), ("actor_token_type", OAuthNames.TokenTypeJwt)];
        var acting = (await First.FormAsync("/oidc/acme/token", Fields(""))).Json["access_token"]!.GetValue<string>();
        var identity = (await First.FormAsync("/oidc/acme/token", Fields("https://sts.example"))).Json["access_token"]!.GetValue<string>();
        var alone = (await First.ExchangeAsync("/oidc/acme/token", Issuer.Mint(First.Url, "lead"))).Json["access_token"]!.GetValue<string>();
        foreach (var token in (string[])[acting, alone]) await EverywhereAsync(token, HttpStatusCode.OK);
        await ActiveAsync(true, ("/introspect", acting), ("/oidc/acme/introspect", identity));

        await RevokeAsync("/v1/workspaces/acme", "principal", "policy:ci:one");
        await EverywhereAsync(acting, HttpStatusCode.Unauthorized);
        await EverywhereAsync(alone, HttpStatusCode.OK);
        await ActiveAsync(false, ("/introspect", acting), ("/oidc/acme/introspect", identity));

        await RevokeAsync("/v1/workspaces/acme", "principal", "policy:ci:lead");
        await EverywhereAsync(alone, HttpStatusCode.Unauthorized);
        await ActiveAsync(false, ("/introspect", alone));
    }

    [Fact]
    public async Task A_one_time_token_and_a_proof_that_one_replica_took_the_other_refuses()
    {
        await First.PutAsync("/v1/workspaces/acme/trust-policies/single", """{"issuer":"ci","claims":{"sub":"single"},"once":true,"allow":{"roles":["viewer"]}}""");
        var token = Issuer.Mint(First.Url, "single");
        await Eventually.HoldsAsync(async () => (await Second.ExchangeAsync("/token", Issuer.Mint(First.Url, "single"))).Status == HttpStatusCode.OK, "the second replica knows the policy");
        Assert.Equal(HttpStatusCode.OK, (await First.ExchangeAsync("/token", token)).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await Second.ExchangeAsync("/token", token)).Status);

        using var key = new DpopKey();
        var proof = key.Proof("POST", First.Url + "/token");
        (string, string)[] fields = [("grant_type", OAuthNames.GrantTokenExchange), ("subject_token", Mint("one")), ("subject_token_type", OAuthNames.TokenTypeJwt)];
        Assert.Equal(HttpStatusCode.OK, (await First.FormAsync("/token", proof, fields)).Status);
        Assert.Equal("invalid_dpop_proof", (await Second.FormAsync("/token", proof, fields)).Json["error"]!.GetValue<string>());
    }

    [Theory]
    [InlineData("""{"kind":"policy","value":"x"}""")]
    [InlineData("""{"kind":"token","value":"eyJhbGciOiJFUzI1NiJ9.e30.x"}""")]
    [InlineData("""{"kind":"principal","value":""}""")]
    [InlineData("""{"kind":"principal","value":"x","reason":"a\nb"}""")]
    [InlineData("""{"kind":"principal"}""")]
    public async Task What_can_not_be_revoked_so_is_a_mistake(string body) =>
        Assert.Equal(HttpStatusCode.BadRequest, (await First.SendAsync(HttpMethod.Post, "/v1/revocations", body)).Status);
}
