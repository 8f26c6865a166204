using System.Buffers.Text;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Lanyard.Testing;
using SignatureAlgorithm = Lanyard.Identity.Jose.SignatureAlgorithm;
using Xunit;

namespace Lanyard.Server.Tests.Federation;

/// <summary>Parts of a trusted issuer's spec, as they are saved and as they work at the door.</summary>
public sealed class IssuerSpecTests : IAsyncLifetime
{
    private const string Issuers = "/v1/workspaces/acme/trusted-issuers/ci";
    private DoorServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await DoorServer.StartAsync();
        await _server.PutAsync("/v1/workspaces/acme", "{}");
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Theory]
    [Line("2.1")]
    [InlineData("[\"PS256\",\"ES256\"]", SignatureAlgorithm.PS256, HttpStatusCode.OK)]
    [InlineData("[\"RS512\"]", SignatureAlgorithm.RS512, HttpStatusCode.OK)]
    [InlineData("[\"PS256\"]", SignatureAlgorithm.RS256, HttpStatusCode.Unauthorized)]
    [InlineData("[\"PS256\",\"RS256\"]", SignatureAlgorithm.PS256, HttpStatusCode.Unauthorized)]
    [InlineData("[\"PS256\",\"RS256\"]", SignatureAlgorithm.RS256, HttpStatusCode.OK)]
    [InlineData(null, SignatureAlgorithm.RS256, HttpStatusCode.OK)]
    public async Task An_RSA_key_without_alg_has_the_one_algorithm_that_its_record_allows_else_RS256(string? algorithms, SignatureAlgorithm signed, HttpStatusCode expected)
    {
        using var key = RSA.Create(2048);
        var parameters = key.ExportParameters(false);
        var jwks = new JsonObject { ["keys"] = new JsonArray(new JsonObject { ["kty"] = "RSA", ["kid"] = "k", ["n"] = Base64Url.EncodeToString(parameters.Modulus), ["e"] = Base64Url.EncodeToString(parameters.Exponent) }) };
        var rule = algorithms is null ? "" : $"\"algorithms\":{algorithms},";
        await _server.PutAsync(Issuers, $$$"""{"issuer":"https://ci.example",{{{rule}}}"keys":{"jwks":{{{jwks.ToJsonString()}}}} }""");
        await _server.PutAsync("/v1/workspaces/acme/trust-policies/all", """{"issuer":"ci","claims":{"sub":"one"},"allow":{"roles":["viewer"]}}""");

        Assert.Equal(expected, (await _server.GetAsync("/v1/workspaces/acme/collections", Sign(key, signed))).Status);
    }

    [Theory]
    [Line("2.3")]
    [InlineData("")]
    [InlineData("no PEM at all")]
    [InlineData("-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----")]
    [InlineData("-----BEGIN PUBLIC KEY-----\\nAAAA\\n-----END PUBLIC KEY-----")]
    public async Task Roots_that_can_not_be_read_are_a_mistake_when_the_record_is_saved(string bundle)
    {
        var (status, json) = await _server.SendAsync(HttpMethod.Put, Issuers, $$$"""{"spec":{"issuer":"https://ci.example","caBundle":"{{{bundle}}}","keys":{"discovery":{} } } }""");

        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Contains("spec.caBundle", json.ToJsonString(), StringComparison.Ordinal);
    }

    private string Sign(RSA key, SignatureAlgorithm algorithm)
    {
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        var claims = new JsonObject { ["iss"] = "https://ci.example", ["sub"] = "one", ["aud"] = _server.Url, ["iat"] = now, ["exp"] = now + 300, ["jti"] = "1" };
        var header = new JsonObject { ["alg"] = algorithm.ToString(), ["kid"] = "k", ["typ"] = "JWT" };
        var text = Base64Url.EncodeToString(Encoding.UTF8.GetBytes(header.ToJsonString())) + "." + Base64Url.EncodeToString(Encoding.UTF8.GetBytes(claims.ToJsonString()));
        var hash = algorithm is SignatureAlgorithm.RS512 ? HashAlgorithmName.SHA512 : HashAlgorithmName.SHA256;
        var padding = algorithm is SignatureAlgorithm.PS256 ? RSASignaturePadding.Pss : RSASignaturePadding.Pkcs1;
        return text + "." + Base64Url.EncodeToString(key.SignData(Encoding.UTF8.GetBytes(text), hash, padding));
    }
}
