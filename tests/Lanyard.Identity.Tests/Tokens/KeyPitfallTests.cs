using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Identity.Trust;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Tokens;

/// <summary>What went wrong with keys and algorithms in other verifiers, by name: each sentence is a pitfall that somebody fell into, and the numbers are where.</summary>
[Line("6.5")]
public sealed class KeyPitfallTests : PitfallTestBase
{
    [Theory]
    [InlineData("none")]
    [InlineData("None")]
    [InlineData("HS256")]
    [InlineData(" HS256")]
    [InlineData("HS256\\n")]
    public void An_algorithm_of_the_tokens_own_choice_is_never_used(string algorithm)
    {
        // CVE-2015-9235, CVE-2023-48223 and its bypass CVE-2026-34950, CVE-2026-22817: the public key as the secret of an HMAC.
        var header = $$"""{"alg":"{{algorithm}}","kid":"{{_issuer.Key.KeyId}}"}""";
        var input = Encode(header) + "." + Encode(_issuer.Claims(Audience).ToJsonString());
        foreach (var secret in (string[])[_issuer.Jwks, _issuer.Key.Public.Thumbprint, ""])
        {
            var mac = HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.ASCII.GetBytes(input));
            Refused($"{input}.{Base64Url.Encode(mac)}");
        }

        Refused(input + ".");
    }

    [Fact]
    public void The_keys_algorithm_is_the_one_that_is_checked_and_used()
    {
        // CVE-2026-48523: the header's was checked and the key's used.
        var jwk = JsonNode.Parse(KeySet.Of(_rsa.Public).ToJson())!;
        jwk["keys"]![0]!["alg"] = "PS256";
        var keys = KeySet.Parse(jwk.ToJsonString()).Value;
        Assert.Equal(RefusalReason.AlgorithmMismatch, Judge(_issuer.MintRaw(_issuer.Header(_rsa), _issuer.Claims(Audience).ToJsonString(), _rsa), keys).Refusal.Reason);
        // A key that says nothing has one algorithm too, and it is not the token's to say.
        jwk["keys"]![0]!.AsObject().Remove("alg");
        var header = _issuer.Header(_rsa).Replace("RS256", "RS384", StringComparison.Ordinal);
        Assert.True(Judge(_issuer.MintRaw(header, _issuer.Claims(Audience).ToJsonString(), _rsa), KeySet.Parse(jwk.ToJsonString()).Value).IsRefused);
    }

    [Theory]
    [InlineData("jku", "\"https://evil.example/jwks\"")]
    [InlineData("x5u", "\"https://evil.example/x5u\"")]
    [InlineData("x5c", "[\"MIIB\"]")]
    [InlineData("jwk", null)]
    public void A_key_that_the_token_brings_is_not_used(string name, string? value)
    {
        // CVE-2018-0114, CVE-2024-21643.
        using var thief = SigningKey.Generate(SignatureAlgorithm.ES256);
        value ??= JsonNode.Parse(KeySet.Of(thief.Public).ToJson())!["keys"]![0]!.ToJsonString();
        Refused(_issuer.MintRaw($$"""{"alg":"ES256","kid":"{{_issuer.Key.KeyId}}","{{name}}":{{value}} }""", _issuer.Claims(Audience).ToJsonString(), thief));
    }

    [Theory]
    [InlineData("../../../dev/null")]
    [InlineData("' or '1'='1")]
    [InlineData("$(id)")]
    [InlineData("")]
    public void A_kid_is_a_name_to_look_up_and_nothing_else(string keyId) =>
        Refused(_issuer.MintRaw(new JsonObject { ["alg"] = "ES256", ["kid"] = keyId }.ToJsonString(), _issuer.Claims(Audience).ToJsonString()));

    [Fact]
    public void A_signature_of_zeros_or_in_another_form_is_none()
    {
        // CVE-2022-21449.
        var token = _issuer.Mint(Audience);
        var input = token[..token.LastIndexOf('.')];
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        foreach (var signature in (byte[][])[new byte[64], [], new byte[63], new byte[65], [.. Enumerable.Repeat((byte)0xff, 64)], key.SignData(Encoding.ASCII.GetBytes(input), HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence)])
            Refused($"{input}.{Base64Url.Encode(signature)}");
    }

    [Theory]
    [InlineData("""{"kty":"oct","kid":"a","k":"c2VjcmV0"}""")]
    [InlineData("""{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"}""")]
    [InlineData("""{"kty":"RSA","kid":"a","n":"sXchbWEc","e":"AQ"}""")]
    public void A_weak_or_symmetric_key_is_not_loaded(string jwk) => Assert.True(KeySet.Parse($$"""{"keys":[{{jwk}}]}""").IsRefused);

    [Fact]
    public async Task A_name_that_moves_to_a_private_address_is_not_followed_there()
    {
        // CVE-2025-52477, GHSA-f5mr-q85p-6hh6: what was checked once, and what every further look is told.
        var looks = 0;
        IPAddress[][] answers = [[], [IPAddress.Loopback], [IPAddress.IPv6Loopback, IPAddress.Parse("10.0.0.1")], [IPAddress.Parse("169.254.169.254")], [IPAddress.Parse("::ffff:127.0.0.1")], [IPAddress.Parse("64:ff9b::7f00:1")]];
        var client = new DiscoveryClient(TimeProvider.System, (_, _) => Task.FromResult(answers[Math.Min(looks++, answers.Length - 1)]));
        var record = new TrustedIssuer { Id = "ti_1", Issuer = $"https://issuer.example:{new Uri(_issuer.Issuer).Port}" };

        foreach (var _ in answers)
            Assert.Equal(RefusalReason.IssuerUnreachable, (await client.FetchAsync(record, CancellationToken.None)).Refusal.Reason);

        Assert.Equal(answers.Length, looks);
        Assert.Equal((0, 0), (_issuer.DiscoveryRequests, _issuer.KeyRequests));
    }

    [Theory]
    [InlineData("another port")]
    [InlineData("another host")]
    [InlineData("a user before the host")]
    [InlineData("another scheme")]
    [InlineData("no scheme at all")]
    public async Task Keys_are_fetched_from_where_the_issuer_is_and_from_nowhere_else_that_it_names(string where)
    {
        // GHSA-f5mr-q85p-6hh6: keys of somebody else in the issuer's place.
        await using var other = await TestIssuer.StartAsync(_time);
        var jwks = where switch
        {
            "another port" => other.JwksUrl,
            "another host" => _issuer.JwksUrl.Replace("127.0.0.1", "localhost", StringComparison.Ordinal),
            "a user before the host" => _issuer.JwksUrl.Replace("127.0.0.1", "x@127.0.0.1", StringComparison.Ordinal),
            "another scheme" => "file:///etc/passwd",
            _ => "//" + new Uri(other.JwksUrl).Authority + "/jwks",
        };
        _issuer.OnRequest = async context =>
        {
            if (!context.Request.Path.Value!.EndsWith("openid-configuration", StringComparison.Ordinal)) return false;
            await Microsoft.AspNetCore.Http.HttpResponseWritingExtensions.WriteAsync(context.Response, new JsonObject { ["issuer"] = _issuer.Issuer, ["jwks_uri"] = jwks }.ToJsonString());
            return true;
        };

        Assert.Equal(Stage.Issuer, (await new DiscoveryClient(TimeProvider.System).FetchAsync(_issuer.Record(), CancellationToken.None)).Refusal.Stage);
        Assert.Equal((0, 0, 0), (_issuer.KeyRequests, other.DiscoveryRequests, other.KeyRequests));
    }

    [Fact]
    public async Task Who_is_asked_for_keys_learns_nothing_of_whoever_asks_or_of_the_token()
    {
        // The Fulcio of 2025 sent its own service account's token along.
        var seen = new List<string>();
        _issuer.OnRequest = context =>
        {
            seen.AddRange(context.Request.Headers.Keys.Where(static name => name is not ("Host" or "Accept")));
            seen.Add(context.Request.QueryString.Value!);
            return Task.FromResult(false);
        };

        Assert.False((await new DiscoveryClient(TimeProvider.System).FetchAsync(_issuer.Record(), CancellationToken.None)).IsRefused);
        Assert.Equal(["", ""], seen);
    }

    [Fact]
    public void Two_clusters_of_one_issuer_string_do_not_vouch_for_each_other()
    {
        // Every kubeadm cluster calls itself https://kubernetes.default.svc.
        var claims = _issuer.Claims(Audience).ToJsonString();
        Assert.False(Judge(_issuer.MintRaw(_issuer.Header(_rsa), claims, _rsa), KeySet.Of(_rsa.Public)).IsRefused);
        Assert.True(Judge(_issuer.MintRaw(_issuer.Header(_rsa), claims, _rsa), _issuer.Keys).IsRefused);
    }

    [Theory]
    [InlineData("\"crit\":[\"exp\"]")]
    [InlineData("\"crit\":[]")]
    [InlineData("\"b64\":false,\"crit\":[\"b64\"]")]
    [InlineData("\"b64\":false")]
    public void What_a_header_says_must_be_understood_is_understood_or_refused(string member) =>
        Refused(_issuer.MintRaw(_issuer.Header()[..^1] + "," + member + "}", _issuer.Claims(Audience).ToJsonString()));
}
