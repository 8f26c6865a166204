using System.Text;
using System.Text.Json.Nodes;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Identity.Trust;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Tokens;

/// <summary>An issuer, and the chain that judges its tokens.</summary>
public abstract class PitfallTestBase : IAsyncLifetime
{
    private protected const string Audience = "https://lanyard.example";
    private protected readonly ManualTime _time = new();
    private protected readonly SigningKey _rsa = SigningKey.Generate(SignatureAlgorithm.RS256);
    private protected TestIssuer _issuer = null!;

    public async ValueTask InitializeAsync() => _issuer = await TestIssuer.StartAsync(_time);

    public async ValueTask DisposeAsync()
    {
        await _issuer.DisposeAsync();
        _rsa.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected static string Encode(string text) => Base64Url.Encode(Encoding.UTF8.GetBytes(text));

    private protected static TrustPolicy Policy(string members)
    {
        var document = JsonNode.Parse(members)!.AsObject();
        (document["issuer"], document["allow"]) = ("ci", new JsonObject { ["roles"] = new JsonArray("viewer") });
        var (policy, mistakes) = TrustPolicy.Parse(Encoding.UTF8.GetBytes(document.ToJsonString()));
        return policy ?? throw new InvalidOperationException(string.Join("; ", mistakes));
    }

    private protected void Refused(string token) => Assert.True(Judge(token, _issuer.Keys).IsRefused, token);

    private protected Outcome<VerifiedToken> Judge(string token, KeySet keys) => UnverifiedToken.Parse(token).TryGet(out var parsed, out var refusal)
        ? new TokenVerifier(_time).Verify(parsed, _issuer.Record(), keys, new VerifyOptions { DefaultAudience = Audience })
        : refusal;
}
