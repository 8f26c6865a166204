using System.Text;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Tokens;

/// <summary>What the chain allocates for a token as a CI job has it, beside what the signature's check does by itself.</summary>
[Line("2.1")]
public sealed class AllocationTests
{
    private const string Audience = "kube";
    private const int Limit = 1024;

    [Theory]
    [InlineData(SignatureAlgorithm.RS256)]
    [InlineData(SignatureAlgorithm.ES256)]
    public void A_whole_chain_allocates_at_most_a_kilobyte_above_the_bare_check(SignatureAlgorithm algorithm)
    {
        using var key = SigningKey.Generate(algorithm);
        var token = Encoding.ASCII.GetBytes(Mint(key));
        var keys = KeySet.Of(key.Public);
        var record = new TrustedIssuer { Id = "ti_1", Issuer = "https://ci.example.com", Audiences = [Audience], Keys = KeySource.Uploaded };
        var verifier = new TokenVerifier(TimeProvider.System);
        var options = new VerifyOptions { DefaultAudience = Audience };
        var end = token.AsSpan().LastIndexOf((byte)'.');
        var signature = Base64Url.Decode(token.AsSpan(end + 1))!;

        var bare = BytesOf(() => Assert.True(key.Public.TryVerify(algorithm, token.AsSpan(0, end), signature)));
        // Not through JudgeAsync: what a debug build allocates for an asynchronous call is not the chain's.
        var chain = BytesOf(() => Assert.False(verifier.Verify(UnverifiedToken.Parse(token).Value, record, keys, options).IsRefused));

        Assert.True(chain - bare <= Limit, $"{chain - bare} bytes above the {bare} of the check");
    }

    private static long BytesOf(Action check)
    {
        const int times = 200;
        for (var i = 0; i < times; i++) check();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < times; i++) check();
        return (GC.GetAllocatedBytesForCurrentThread() - before) / times;
    }

    private static string Mint(SigningKey key)
    {
        var now = TimeProvider.System.GetUtcNow();
        var claims = new TokenClaims
        {
            Issuer = "https://ci.example.com", Subject = "repo:acme/shop:ref:refs/heads/main", Audiences = [Audience], IssuedAt = now, ExpiresAt = now.AddHours(1),
            TokenId = Guid.NewGuid().ToString(),
        };
        foreach (var (name, value) in (ReadOnlySpan<(string, string)>)[
            ("repository", "acme/shop"), ("repository_owner", "acme"), ("ref", "refs/heads/main"), ("ref_type", "branch"),
            ("sha", "b7f0a5e7f2d3c4b5a6978877665544332211aabb"), ("workflow", "deploy"), ("job_workflow_ref", "acme/shop/.ci/deploy.yml@refs/heads/main"),
            ("run_id", "1234567890"), ("run_number", "17"), ("run_attempt", "1"), ("actor", "octo"), ("event_name", "push"),
            ("environment", "production"), ("runner_environment", "self-hosted"), ("scope", "openid")])
        {
            claims.Set(name, value);
        }

        return TokenMint.Mint(key, TokenMint.JwtType, claims);
    }
}
