using System.Text;
using System.Text.Json.Nodes;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;

namespace Lanyard.Testing;

/// <summary>Verified tokens with claims of a test's choice, made as all are: signed, and judged by the chain.</summary>
public sealed class VerifiedTokens : IDisposable
{
    public const string Issuer = "https://issuer.example";
    public const string Audience = "https://lanyard.example";

    private readonly ManualTime _time = new();
    private readonly SigningKey _key = SigningKey.Generate(SignatureAlgorithm.ES256);

    /// <param name="json">Members that are added to, or replace, <c>iss sub aud iat exp</c>.</param>
    /// <exception cref="InvalidOperationException">The chain refuses them.</exception>
    public VerifiedToken With(string json = "{}")
    {
        var now = _time.GetUtcNow().ToUnixTimeSeconds();
        var claims = new JsonObject { ["iss"] = Issuer, ["sub"] = "subject", ["aud"] = Audience, ["iat"] = now, ["exp"] = now + 300 };
        foreach (var (name, value) in JsonNode.Parse(json)!.AsObject()) claims[name] = value?.DeepClone();
        var token = UnverifiedToken.Parse(TokenMint.Mint(_key, TokenMint.JwtType, Encoding.UTF8.GetBytes(claims.ToJsonString()))).Value;
        var record = new TrustedIssuer { Id = "ti_test", Issuer = Issuer };
        return new TokenVerifier(_time).Verify(token, record, KeySet.Of(_key.Public), new VerifyOptions { DefaultAudience = Audience }).Value;
    }

    public void Dispose() => _key.Dispose();
}
