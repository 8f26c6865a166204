using System.Text;
using System.Text.Json.Nodes;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;

namespace Lanyard.Testing;

/// <summary>A client's key for DPoP (RFC 9449) and the proofs that it makes, broken ones included.</summary>
public sealed class DpopKey(SignatureAlgorithm algorithm = SignatureAlgorithm.ES256) : IDisposable
{
    private readonly SigningKey _key = SigningKey.Generate(algorithm);

    public string Thumbprint => _key.Public.Thumbprint;

    /// <param name="token">The access token that the proof goes with.</param>
    public string Proof(string method, string url, string? token = null, Action<JsonObject, JsonObject>? change = null)
    {
        var header = new JsonObject { ["typ"] = DpopProof.Type, ["alg"] = _key.Algorithm.Name(), ["jwk"] = JsonNode.Parse(KeySet.Of(_key.Public).ToJson())!["keys"]![0]!.DeepClone() };
        ((JsonObject)header["jwk"]!).Remove("kid");
        var claims = new JsonObject { ["jti"] = Guid.NewGuid().ToString("N"), ["htm"] = method, ["htu"] = url, ["iat"] = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() };
        if (token is not null) claims["ath"] = DpopProof.HashOf(token);
        change?.Invoke(header, claims);
        var input = $"{Base64Url.Encode(Encoding.UTF8.GetBytes(header.ToJsonString()))}.{Base64Url.Encode(Encoding.UTF8.GetBytes(claims.ToJsonString()))}";
        var signature = new byte[_key.SignatureLength];
        _key.Sign(Encoding.ASCII.GetBytes(input), signature);
        return $"{input}.{Base64Url.Encode(signature)}";
    }

    public void Dispose() => _key.Dispose();
}
