using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Tokens;

[Line("2.1")]
public sealed class RoundTripTests
{
    private const string Audience = "https://lanyard.example";

    [Theory]
    [InlineData(SignatureAlgorithm.ES256)]
    [InlineData(SignatureAlgorithm.RS256)]
    public async Task A_good_token_of_a_trusted_issuer_is_verified(SignatureAlgorithm algorithm)
    {
        await using var issuer = await TestIssuer.StartAsync(new ManualTime());
        issuer.Rotate(algorithm);
        var time = new ManualTime();
        var token = UnverifiedToken.Parse(issuer.Mint(Audience, "repo:acme/app:ref:refs/heads/main")).Value;
        var trace = new Trace();

        var verified = new TokenVerifier(time).Verify(token, issuer.Record(), issuer.Keys, new VerifyOptions { DefaultAudience = Audience }, trace).Value;

        Assert.Equal("repo:acme/app:ref:refs/heads/main", verified.Subject);
        Assert.Equal([Audience], verified.Audiences);
        Assert.Equal(issuer.Issuer, verified.Issuer);
        Assert.Equal(issuer.Key.KeyId, verified.KeyId);
        Assert.Equal(algorithm, verified.Algorithm);
        Assert.Equal(time.GetUtcNow().AddMinutes(5), verified.ExpiresAt);
        Assert.Equal([Stage.Issuer, Stage.Algorithm, Stage.Signature, Stage.Time, Stage.Audience], trace.Steps.Select(s => s.Stage));
        Assert.All(trace.Steps, s => Assert.True(s.Passed));
    }
}
