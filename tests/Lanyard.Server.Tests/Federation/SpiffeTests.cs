using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;
using Lanyard.Testing;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Lanyard.Server.Tests.Federation;

/// <summary>JWT-SVIDs: a trust domain's bundle vouches for its own workloads, whether their tokens have <c>iss</c> or not, and for nobody else's.</summary>
[Line("6.4")]
public sealed class SpiffeTests : IAsyncLifetime
{
    private const string Collections = "/v1/workspaces/acme/collections";
    private const string Workload = "spiffe://example.org/ci/deployer";

    private readonly ManualTime _time = new();
    private DoorServer _server = null!;
    private TestIssuer _domain = null!;
    private string _bundle = "";
    private int _fetches;

    public async ValueTask InitializeAsync()
    {
        _server = await DoorServer.StartAsync(_time);
        _domain = await TestIssuer.StartAsync(_time);
        _bundle = Bundle(1, null, _domain.Key);
        _domain.OnRequest = async context =>
        {
            if (context.Request.Path != "/bundle") return false;
            Interlocked.Increment(ref _fetches);
            await context.Response.WriteAsync(_bundle);
            return true;
        };
        await _server.PutAsync("/v1/workspaces/acme", "{}");
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _domain.DisposeAsync();
    }

    [Fact]
    public async Task A_bundle_that_is_fetched_or_given_vouches_for_workloads_of_its_trust_domain_with_and_without_iss()
    {
        await TrustAsync(new JsonObject { ["url"] = _domain.Issuer + "/bundle" });
        Assert.Equal(HttpStatusCode.OK, await AskAsync(Workload));
        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(Workload, static claims => claims["iss"] = "spiffe://elsewhere.org"));
        Assert.Equal(HttpStatusCode.OK, await AskAsync(Workload, static claims => claims["iss"] = "spiffe://example.org"));
        Assert.Equal(HttpStatusCode.OK, await AskAsync(Workload, static claims => claims.Remove("iat")));

        await TrustAsync(new JsonObject { ["bundle"] = JsonNode.Parse(_bundle) });
        var fetched = _fetches;
        Assert.Equal(HttpStatusCode.OK, await AskAsync(Workload));
        Assert.Equal(fetched, _fetches);

        // Tokens with the issuer of an OIDC provider beside the trust domain: the record is for that iss, and the subject still has to be the domain's.
        await TrustAsync(new JsonObject { ["bundle"] = JsonNode.Parse(_bundle) }, issuer: "https://oidc.example.org");
        Assert.Equal(HttpStatusCode.OK, await AskAsync(Workload, static claims => claims["iss"] = "https://oidc.example.org"));
        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync("spiffe://other.org/ci/deployer", static claims => claims["iss"] = "https://oidc.example.org"));
        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(Workload));
    }

    [Theory]
    [InlineData("spiffe://other.org/ci/deployer")]
    [InlineData("spiffe://example.org.evil.org/ci/deployer")]
    [InlineData("spiffe://example.org")]
    [InlineData("spiffe://example.org/")]
    [InlineData("spiffe://example.org//ci")]
    [InlineData("spiffe://example.org/ci/../ops")]
    [InlineData("spiffe://EXAMPLE.org/ci/deployer")]
    [InlineData("SPIFFE://example.org/ci/deployer")]
    [InlineData("spiffe://example.org:443/ci/deployer")]
    [InlineData("spiffe://user@example.org/ci/deployer")]
    [InlineData("spiffe://example.org/ci/deployer?x=1")]
    [InlineData("spiffe://example.org/ci%2Fdeployer")]
    [InlineData("https://example.org/ci/deployer")]
    public async Task Whoever_is_not_to_the_letter_a_workload_of_the_trust_domain_is_nobody(string subject)
    {
        await TrustAsync(new JsonObject { ["bundle"] = JsonNode.Parse(_bundle) });
        await _server.PutAsync("/v1/workspaces/acme/trust-policies/any", """{"issuer":"spire","condition":"claims.sub != ''","allow":{"roles":["viewer"]}}""");

        Assert.Equal(HttpStatusCode.OK, await AskAsync(Workload));
        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(subject));
        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(subject, static claims => claims["iss"] = "spiffe://example.org"));
    }

    [Fact]
    public async Task Only_keys_for_JWT_SVIDs_count_and_a_typ_of_another_kind_is_refused()
    {
        using var x509 = SigningKey.Generate(SignatureAlgorithm.ES256);
        using var oidc = SigningKey.Generate(SignatureAlgorithm.ES256);
        using var nameless = SigningKey.Generate(SignatureAlgorithm.ES256);
        var keys = new JsonArray(Jwk(_domain.Key, "jwt-svid"), Jwk(x509, "x509-svid"), Jwk(oidc, "sig"), Jwk(nameless, "jwt-svid"));
        keys[3]!.AsObject().Remove("kid");
        await TrustAsync(new JsonObject { ["bundle"] = new JsonObject { ["keys"] = keys, ["spiffe_sequence"] = 1 } });

        foreach (var (key, expected) in ((SigningKey, HttpStatusCode)[])
            [(_domain.Key, HttpStatusCode.OK), (x509, HttpStatusCode.Unauthorized), (oidc, HttpStatusCode.Unauthorized), (nameless, HttpStatusCode.Unauthorized)])
            Assert.Equal(expected, (await _server.GetAsync(Collections, _domain.MintRaw(_domain.Header(key), Claims(Workload).ToJsonString(), key))).Status);

        foreach (var (type, expected) in ((string?, HttpStatusCode)[])
            [("JWT", HttpStatusCode.OK), ("JOSE", HttpStatusCode.OK), (null, HttpStatusCode.OK), ("at+jwt", HttpStatusCode.Unauthorized), ("wit+jwt", HttpStatusCode.Unauthorized)])
        {
            var header = JsonNode.Parse(_domain.Header())!.AsObject();
            header.Remove("typ");
            if (type is not null) header["typ"] = type;
            Assert.Equal(expected, (await _server.GetAsync(Collections, _domain.MintRaw(header.ToJsonString(), Claims(Workload).ToJsonString()))).Status);
        }
    }

    [Fact]
    public async Task A_bundle_is_fetched_anew_as_often_as_it_hints_and_never_goes_back()
    {
        _bundle = Bundle(7, 60, _domain.Key);
        await TrustAsync(new JsonObject { ["url"] = _domain.Issuer + "/bundle" });
        var old = _domain.Key;
        var remembered = _domain.MintRaw(_domain.Header(), Claims(Workload).ToJsonString());
        for (var i = 0; i < 3; i++) Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync(Collections, remembered)).Status);
        Assert.Equal(1, _fetches);
        _time.Advance(TimeSpan.FromSeconds(45));
        Assert.Equal(HttpStatusCode.OK, await AskAsync(Workload));
        Assert.Equal(1, _fetches);

        // The key is taken back; within the hint everybody knows.
        var fresh = _domain.Rotate();
        _bundle = Bundle(8, 60, fresh);
        _time.Advance(TimeSpan.FromSeconds(20));
        await Eventually.HoldsAsync(async () => await AskAsync(Workload, key: old) == HttpStatusCode.Unauthorized, "the old key is forgotten");
        Assert.Equal(HttpStatusCode.OK, await AskAsync(Workload, key: fresh));
        await Eventually.HoldsAsync(async () => (await _server.GetAsync(Collections, remembered)).Status == HttpStatusCode.Unauthorized, "what the old key signed is forgotten too");

        // An old bundle, from a cache or from whoever stands in between, brings no key back.
        _bundle = Bundle(7, 60, old);
        for (var i = 0; i < 3; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(61));
            Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(Workload, key: old));
            Assert.Equal(HttpStatusCode.OK, await AskAsync(Workload, key: fresh));
        }
    }

    [Fact]
    public async Task Every_mistake_of_such_a_record_is_told_at_once()
    {
        var spec = new JsonObject
        {
            ["issuer"] = "spiffe://other.org",
            ["keys"] = new JsonObject { ["spiffe"] = new JsonObject { ["trustDomain"] = "Example.org", ["url"] = "http://example.org/bundle", ["bundle"] = new JsonObject { ["keys"] = new JsonArray() } } },
        };
        var (status, json) = await _server.SendAsync(HttpMethod.Put, "/v1/workspaces/acme/trusted-issuers/spire", new JsonObject { ["spec"] = spec }.ToJsonString());

        Assert.Equal(HttpStatusCode.BadRequest, status);
        foreach (var path in (string[])["spec.keys.spiffe.trustDomain", "\"spec.keys.spiffe\"", "spec.keys.spiffe.url", "spec.keys.spiffe.bundle"])
            Assert.Contains(path, json.ToJsonString(), StringComparison.Ordinal);
    }

    private static string Bundle(long sequence, int? hint, params SigningKey[] keys)
    {
        var bundle = new JsonObject { ["keys"] = new JsonArray([.. keys.Select(static key => Jwk(key, "jwt-svid"))]), ["spiffe_sequence"] = sequence };
        if (hint is not null) bundle["spiffe_refresh_hint"] = hint;
        return bundle.ToJsonString();
    }

    private static JsonObject Jwk(SigningKey key, string use)
    {
        var jwk = JsonNode.Parse(KeySet.Of(key.Public).ToJson())!["keys"]![0]!.DeepClone().AsObject();
        jwk["use"] = use;
        // SPIRE says no algorithm.
        jwk.Remove("alg");
        return jwk;
    }

    private JsonObject Claims(string subject)
    {
        var claims = _domain.Claims(_server.Url, subject);
        claims.Remove("iss");
        return claims;
    }

    private async Task<HttpStatusCode> AskAsync(string subject, Action<JsonObject>? change = null, SigningKey? key = null)
    {
        var claims = Claims(subject);
        change?.Invoke(claims);
        return (await _server.GetAsync(Collections, _domain.MintRaw(_domain.Header(key), claims.ToJsonString(), key))).Status;
    }

    private async Task TrustAsync(JsonObject keys, string issuer = "spiffe://example.org")
    {
        keys["trustDomain"] = "example.org";
        var spec = new JsonObject { ["issuer"] = issuer, ["allowPrivateAddresses"] = true, ["keys"] = new JsonObject { ["spiffe"] = keys } };
        // Anew where there is one.
        foreach (var path in (string[])["trusted-issuers/spire", "trust-policies/ci"]) await _server.SendAsync(HttpMethod.Delete, "/v1/workspaces/acme/" + path, ifMatch: "*");
        await _server.PutAsync("/v1/workspaces/acme/trusted-issuers/spire", spec.ToJsonString());
        await _server.PutAsync("/v1/workspaces/acme/trust-policies/ci", $$$"""{"issuer":"spire","claims":{"sub":"{{{Workload}}}"},"allow":{"roles":["viewer"]} }""");
    }
}
