using System.Text.Json.Nodes;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Tokens;

/// <summary>The checks of RFC 9449 §4.3, each with a proof that fails at it alone.</summary>
[Line("6.5")]
public sealed class DpopProofTests : IDisposable
{
    private const string Url = "https://lanyard.example/token";
    private readonly DpopKey _key = new();

    [Theory]
    [InlineData(SignatureAlgorithm.ES256)]
    [InlineData(SignatureAlgorithm.RS256)]
    public void A_good_proof_says_whose_key_it_is(SignatureAlgorithm algorithm)
    {
        using var key = new DpopKey(algorithm);
        Assert.Equal(key.Thumbprint, Verify(key.Proof("POST", Url)).Value.Thumbprint);
        Assert.False(Verify(key.Proof("POST", Url, "token"), token: "token").IsRefused);
        Assert.False(Verify(key.Proof("POST", Url + "?a=b#c")).IsRefused);
    }

    /// <summary>The example of RFC 9449 §4.1.</summary>
    [Fact]
    public void The_proof_of_the_rfc_is_good_at_its_time()
    {
        const string proof = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19"
            + ".eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ"
            + ".2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
        var now = DateTimeOffset.FromUnixTimeSeconds(1562262616);
        Assert.Equal("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", DpopProof.Verify(proof, "POST", "https://server.example.com/token", null, now).Value.Thumbprint);
        Assert.True(DpopProof.Verify(proof, "POST", "https://server.example.com/token", null, now.AddSeconds(61)).IsRefused);
    }

    [Theory]
    [InlineData("typ", "JWT", "typ")]
    [InlineData("typ", null, "typ")]
    [InlineData("alg", "none", "alg")]
    [InlineData("alg", "ES384", "no key")]
    [InlineData("jwk", null, "jwk")]
    [InlineData("jwk", "x", "jwk")]
    [InlineData("crit", "x", "crit")]
    public void A_header_that_is_not_a_proofs_is_refused(string member, string? value, string detail) =>
        Refused(detail, _key.Proof("POST", Url, null, (header, _) => header[member] = value));

    [Fact]
    public void A_private_or_symmetric_key_in_the_header_is_refused()
    {
        Refused("", _key.Proof("POST", Url, null, static (header, _) => header["jwk"]!["d"] = "AAAA"));
        Refused("", _key.Proof("POST", Url, null, static (header, _) => header["jwk"] = new JsonObject { ["kty"] = "oct", ["k"] = "AAAA" }));
        using var other = new DpopKey();
        var foreign = other.Proof("POST", Url);
        Refused("", _key.Proof("POST", Url)[.._key.Proof("POST", Url).LastIndexOf('.')] + foreign[foreign.LastIndexOf('.')..]);
        Refused("", "a.b.c");
        Refused("", "");
        Refused("", new string('x', 9000));
    }

    [Theory]
    [InlineData("htm", "GET", "htm")]
    [InlineData("htm", "post", "htm")]
    [InlineData("htu", "https://lanyard.example/other", "htu")]
    [InlineData("htu", "http://lanyard.example/token", "htu")]
    [InlineData("htu", "https://lanyard.example:8443/token", "htu")]
    [InlineData("htu", "https://evil.example/token", "htu")]
    [InlineData("htu", "/token", "htu")]
    [InlineData("htu", null, "htu")]
    [InlineData("jti", null, "jti")]
    [InlineData("jti", "", "jti")]
    [InlineData("iat", null, "iat")]
    [InlineData("iat", "now", "iat")]
    [InlineData("ath", "x", "ath")]
    [InlineData("ath", null, "ath")]
    public void Claims_of_another_request_are_refused(string claim, string? value, string detail) =>
        Refused(detail, _key.Proof("POST", Url, "token", (_, claims) => claims[claim] = value), "token");

    [Theory]
    [InlineData(61)]
    [InlineData(-61)]
    [InlineData(long.MaxValue / 2)]
    public void A_proof_of_another_time_is_refused(long seconds) =>
        Refused("iat", _key.Proof("POST", Url, null, (_, claims) => claims["iat"] = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() + seconds));

    private static void Refused(string detail, string proof, string? token = null)
    {
        var refusal = Verify(proof, token).Refusal;
        Assert.Equal(RefusalReason.ProofInvalid, refusal.Reason);
        Assert.Contains(detail, refusal.Detail, StringComparison.Ordinal);
    }

    private static Outcome<DpopProof> Verify(string proof, string? token = null) => DpopProof.Verify(proof, "POST", Url, token, TimeProvider.System.GetUtcNow());

    public void Dispose() => _key.Dispose();
}
