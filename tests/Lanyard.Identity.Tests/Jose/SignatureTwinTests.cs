using System.Security.Cryptography;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Jose;

/// <summary>Whoever looks for a token by its hash must know the other spelling that ECDSA gives it.</summary>
[Line("6.5")]
public sealed class SignatureTwinTests
{
    private const string Audience = "https://lanyard.example";

    [Theory]
    [InlineData(SignatureAlgorithm.ES256, "nistP256")]
    [InlineData(SignatureAlgorithm.ES384, "nistP384")]
    [InlineData(SignatureAlgorithm.ES512, "nistP521")]
    public void The_other_signature_is_another_and_as_good_and_its_other_is_the_first(SignatureAlgorithm algorithm, string curve)
    {
        using var key = ECDsa.Create(ECCurve.CreateFromFriendlyName(curve));
        for (var i = 0; i < 20; i++)
        {
            var hash = RandomNumberGenerator.GetBytes(32);
            var first = key.SignHash(hash);
            var signature = first.ToArray();

            Assert.True(SignatureTwin.TryTurn(algorithm, signature));
            Assert.NotEqual(first, signature);
            Assert.True(key.VerifyHash(hash, signature));
            Assert.True(SignatureTwin.TryTurn(algorithm, signature));
            Assert.Equal(first, signature);
        }
    }

    [Fact]
    public async Task A_verified_token_knows_the_hash_of_its_other_spelling_which_is_verified_too()
    {
        await using var issuer = await TestIssuer.StartAsync();
        VerifiedToken Verify(string text) => new TokenVerifier(TimeProvider.System)
            .Verify(UnverifiedToken.Parse(text).Value, issuer.Record(), issuer.Keys, new VerifyOptions { DefaultAudience = Audience }).Value;
        var one = issuer.Mint(Audience, "a");
        var other = EcdsaTwin.Of(one);

        var (first, second) = (Verify(one), Verify(other));

        Assert.NotEqual(first.Sha256, second.Sha256);
        Assert.Equal(TokenHash.Of(other), first.TwinSha256);
        Assert.Equal(TokenHash.Of(one), second.TwinSha256);
        Assert.Equal(UnverifiedToken.Parse(one).Value.SignedHash(), UnverifiedToken.Parse(other).Value.SignedHash());
    }

    [Fact]
    public async Task A_token_signed_by_RSA_has_one_spelling()
    {
        await using var issuer = await TestIssuer.StartAsync();
        issuer.Rotate(SignatureAlgorithm.RS256);

        var token = UnverifiedToken.Parse(issuer.Mint(Audience, "a")).Value;

        Assert.Null(new TokenVerifier(TimeProvider.System).Verify(token, issuer.Record(), issuer.Keys, new VerifyOptions { DefaultAudience = Audience }).Value.TwinSha256);
    }
}
