using System.Net;
using Lanyard.Identity.Tokens;
using Lanyard.Protocol.OAuth;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Federation;

/// <summary>What was made of a token goes with it, and with all that it rested on: at our doors and in introspection, on every replica.</summary>
[Needs("postgres")]
[Line("6.5")]
public sealed class DescentTests : TwoDoors
{
    /// <summary>Who finds that a key or a token was stolen does not know what the thief has exchanged already.</summary>
    [Theory]
    [InlineData("key")]
    [InlineData("token")]
    public async Task What_was_exchanged_goes_with_the_key_or_the_token_that_it_came_from(string kind)
    {
        var (stolen, other) = (Mint("one"), Mint("two"));
        var api = (await Second.ExchangeAsync("/token", stolen)).Json["access_token"]!.GetValue<string>();
        var again = (await Second.ExchangeAsync("/token", api)).Json["access_token"]!.GetValue<string>();
        var others = (await Second.ExchangeAsync("/token", other)).Json["access_token"]!.GetValue<string>();
        foreach (var token in (string[])[api, again, others]) await EverywhereAsync(token, HttpStatusCode.OK);

        // In one workspace: what the other workspace's own record vouches for stands.
        var id = await RevokeAsync("/v1/workspaces/acme", kind, kind == "key" ? Issuer.Key.KeyId! : TokenHash.Of(stolen.AsSpan()).ToString());
        foreach (var token in (string[])[api, again])
        {
            await EverywhereAsync(token, HttpStatusCode.NotFound);
            await EverywhereAsync(token, HttpStatusCode.OK, "/v1/workspaces/other/collections");
        }

        await EverywhereAsync(others, kind == "key" ? HttpStatusCode.NotFound : HttpStatusCode.OK);
        Assert.Equal(HttpStatusCode.NoContent, (await First.SendAsync(HttpMethod.Delete, $"/v1/workspaces/acme/revocations/{id}")).Status);
        await EverywhereAsync(api, HttpStatusCode.OK);

        await RevokeAsync("/v1", kind, kind == "key" ? Issuer.Key.KeyId! : TokenHash.Of(stolen.AsSpan()).ToString());
        foreach (var token in (string[])[api, again])
        {
            await EverywhereAsync(token, HttpStatusCode.Unauthorized);
            Assert.Equal(HttpStatusCode.BadRequest, (await Second.ExchangeAsync("/token", token)).Status);
        }

        await ActiveAsync(false, ("/introspect", api), ("/introspect", again));
        await ActiveAsync(kind != "key", ("/introspect", others));
    }

    /// <summary>Of a token signed by ECDSA its holder makes another spelling with another hash, which is as good: a thief would have gone on with that.</summary>
    [Fact]
    public async Task The_other_spelling_of_a_revoked_token_is_revoked_too_with_all_that_came_of_it()
    {
        var stolen = Mint("one");
        var twin = EcdsaTwin.Of(stolen);
        var api = (await Second.ExchangeAsync("/token", twin)).Json["access_token"]!.GetValue<string>();
        var again = (await Second.ExchangeAsync("/token", EcdsaTwin.Of(api))).Json["access_token"]!.GetValue<string>();
        foreach (var token in (string[])[api, EcdsaTwin.Of(api), again]) await EverywhereAsync(token, HttpStatusCode.OK);

        var id = await RevokeAsync("/v1", "token", TokenHash.Of(api.AsSpan()).ToString());
        foreach (var token in (string[])[api, EcdsaTwin.Of(api), again]) await EverywhereAsync(token, HttpStatusCode.Unauthorized);
        Assert.Equal(HttpStatusCode.NoContent, (await First.SendAsync(HttpMethod.Delete, $"/v1/revocations/{id}")).Status);

        await RevokeAsync("/v1", "token", TokenHash.Of(stolen.AsSpan()).ToString());
        foreach (var token in (string[])[api, EcdsaTwin.Of(api), again]) await EverywhereAsync(token, HttpStatusCode.Unauthorized);
        foreach (var token in (string[])[stolen, twin]) Assert.Equal(HttpStatusCode.BadRequest, (await First.ExchangeAsync("/token", token)).Status);
    }

    /// <summary>An outside verifier that asks is told as much as our own doors know.</summary>
    [Theory]
    [InlineData("key")]
    [InlineData("token")]
    [InlineData("principal")]
    [InlineData("policy")]
    [InlineData("issuer")]
    [InlineData("api token")]
    [InlineData("itself")]
    public async Task An_identity_token_is_inactive_once_something_that_it_rests_on_is_revoked_or_changed(string what)
    {
        await First.PutAsync("/v1/workspaces/acme/trust-policies/all", """{"issuer":"ci","claims":{"team":"a"},"allow":{"roles":["viewer"],"audiences":["https://sts.example"]}}""", ifMatch: "*");
        var (mine, yours) = (Mint("one"), Mint("two"));
        await Eventually.HoldsAsync(async () => (await Second.ExchangeAsync("/oidc/acme/token", mine, "https://sts.example")).Status == HttpStatusCode.OK, "the second replica knows the policy");
        var api = (await Second.ExchangeAsync("/oidc/acme/token", mine)).Json["access_token"]!.GetValue<string>();
        var direct = await IdentityAsync(mine);
        var throughApi = await IdentityAsync(api);
        var other = await IdentityAsync(yours);
        foreach (var token in (string[])[direct, throughApi, other]) await ActiveAsync(true, ("/oidc/acme/introspect", token));

        await (what switch
        {
            "key" => RevokeAsync("/v1/workspaces/acme", "key", Issuer.Key.KeyId!),
            "token" => RevokeAsync("/v1/workspaces/acme", "token", TokenHash.Of(mine.AsSpan()).ToString()),
            "principal" => RevokeAsync("/v1/workspaces/acme", "principal", "policy:ci:one"),
            "itself" => RevokeAsync("/v1/workspaces/acme", "token", TokenHash.Of(throughApi.AsSpan()).ToString()),
            "policy" => PutAsync("trust-policies/all", """{"issuer":"ci","claims":{"team":"b"},"allow":{"roles":["viewer"],"audiences":["https://sts.example"]}}"""),
            "issuer" => PutAsync("trusted-issuers/ci", $$$"""{"issuer":"{{{Issuer.Issuer}}}","allowPrivateAddresses":true,"keys":{"discovery":{} },"requiredClaims":{"team":"b"} }"""),
            _ => (Task)First.FormAsync("/revoke", ("token", api)),
        });

        await ActiveAsync(false, ("/oidc/acme/introspect", throughApi));
        await ActiveAsync(what is "api token" or "itself", ("/oidc/acme/introspect", direct));
        await ActiveAsync(what is not ("key" or "policy" or "issuer"), ("/oidc/acme/introspect", other));
    }

    /// <summary>RFC 7009, and <c>lanyard revoke token</c> with the hash of a token of ours: whatever was made of it, on every replica; what was there before it stands.</summary>
    [Theory]
    [InlineData("/revoke", "first")]
    [InlineData("/revoke", "narrow")]
    [InlineData("hash", "first")]
    [InlineData("hash", "narrow")]
    public async Task What_was_exchanged_for_a_revoked_token_of_ours_is_dead_everywhere(string how, string which)
    {
        var workload = Mint("one");
        var first = await ApiAsync(workload);
        var narrow = await ApiAsync(first, ("scope", "role:viewer"));
        var narrowest = await ApiAsync(narrow, ("scope", "workspace:acme"));
        var sister = await ApiAsync(first);
        foreach (var token in (string[])[first, narrow, narrowest, sister]) await EverywhereAsync(token, HttpStatusCode.OK);

        var ended = which == "first" ? first : narrow;
        if (how == "hash") await RevokeAsync("/v1", "token", TokenHash.Of(ended.AsSpan()).ToString());
        else Assert.Equal(HttpStatusCode.OK, (await First.FormAsync(how, ("token", ended))).Status);

        foreach (var token in (string[])[narrow, narrowest])
        {
            await EverywhereAsync(token, HttpStatusCode.Unauthorized);
            foreach (var replica in (DoorServer[])[First, Second]) Assert.Equal(HttpStatusCode.BadRequest, (await replica.ExchangeAsync("/token", token)).Status);
            await ActiveAsync(false, ("/introspect", token));
        }

        foreach (var token in (string[])[first, sister])
        {
            await EverywhereAsync(token, which == "first" ? HttpStatusCode.Unauthorized : HttpStatusCode.OK);
            await ActiveAsync(which != "first", ("/introspect", token));
        }

        await EverywhereAsync(workload, HttpStatusCode.OK);
    }

    /// <summary>A token names all that it came from, so it would grow for ever.</summary>
    [Fact]
    public async Task Tokens_that_are_exchanged_for_one_another_without_end_are_refused_while_they_are_small()
    {
        var token = Mint("one");
        for (var times = 0; times <= 8; times++) token = await ApiAsync(token);

        Assert.InRange(token.Length, 1, 4096);
        var (status, json) = await First.ExchangeAsync("/token", token);
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_request"), (status, json["error"]!.GetValue<string>()));
        Assert.Contains((await First.AuditAsync("token.exchange")), static line => line.Contains("more than 8 API tokens were exchanged for one another", StringComparison.Ordinal));
        Assert.Equal(HttpStatusCode.OK, (await First.GetAsync(Collections, token)).Status);
    }

    /// <summary>A workspace ends for itself what an issuer of the instance vouches for, and for nobody else.</summary>
    [Theory]
    [InlineData("key")]
    [InlineData("token")]
    public async Task A_workspace_revokes_a_token_of_the_instancesIssuer_for_itself_alone(string kind)
    {
        await using var shared = await TestIssuer.StartAsync();
        await First.PutAsync("/v1/trusted-issuers/shared", $$$"""{"issuer":"{{{shared.Issuer}}}","allowPrivateAddresses":true,"keys":{"discovery":{} } }""");
        foreach (var workspace in (string[])["acme", "other"])
            await First.PutAsync($"/v1/workspaces/{workspace}/trust-policies/shared", """{"issuer":"shared","claims":{"sub":"one"},"allow":{"roles":["viewer"]}}""");
        var workload = shared.Mint(First.Url, "one");
        await Eventually.HoldsAsync(async () => (await Second.GetAsync(Collections, workload)).Status == HttpStatusCode.OK, "the second replica knows the policy");
        var api = await ApiAsync(workload);
        foreach (var token in (string[])[workload, api]) await EverywhereAsync(token, HttpStatusCode.OK);

        await RevokeAsync("/v1/workspaces/acme", kind, kind == "key" ? shared.Key.KeyId! : TokenHash.Of(workload.AsSpan()).ToString());

        foreach (var token in (string[])[workload, api])
        {
            await EverywhereAsync(token, HttpStatusCode.NotFound);
            await EverywhereAsync(token, HttpStatusCode.OK, "/v1/workspaces/other/collections");
        }
    }

    private async Task<string> IdentityAsync(string token) =>
        (await First.ExchangeAsync("/oidc/acme/token", token, "https://sts.example")).Json["access_token"]!.GetValue<string>();

    private async Task<string> ApiAsync(string token, params (string, string)[] more) => (await First.FormAsync(
        "/token", [("grant_type", OAuthNames.GrantTokenExchange), ("subject_token", token), ("subject_token_type", OAuthNames.TokenTypeJwt), .. more])).Json["access_token"]!.GetValue<string>();

    private Task PutAsync(string resource, string spec) => First.PutAsync("/v1/workspaces/acme/" + resource, spec, ifMatch: "*");
}
