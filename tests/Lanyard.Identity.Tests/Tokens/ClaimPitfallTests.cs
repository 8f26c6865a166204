using System.Text.Json.Nodes;
using Lanyard.Identity.Tokens;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Tokens;

/// <summary>What went wrong with the reading of claims in other verifiers, by name: each sentence is a pitfall that somebody fell into, and the numbers are where.</summary>
[Line("6.5")]
public sealed class ClaimPitfallTests : PitfallTestBase
{
    [Theory]
    [InlineData("PREFIX")]
    [InlineData("/")]
    [InlineData(".evil.example")]
    [InlineData("ARRAY")]
    [InlineData("UPPER")]
    public void An_issuer_is_compared_to_the_letter_and_as_a_text(string change)
    {
        // CVE-2026-22772, CVE-2024-53861, CVE-2025-30144.
        var claims = _issuer.Claims(Audience);
        claims["iss"] = change switch
        {
            "PREFIX" => _issuer.Issuer[..^1],
            "ARRAY" => new JsonArray(_issuer.Issuer),
            "UPPER" => _issuer.Issuer.ToUpperInvariant(),
            _ => _issuer.Issuer + change,
        };
        Refused(_issuer.MintRaw(_issuer.Header(), claims.ToJsonString()));
    }

    [Theory]
    [InlineData("repo:org/*", "repo:org/app:ref:refs/heads/main")]
    [InlineData("repo:org/app:ref:refs/heads/*", "repo:org/app:ref:refs/heads/a/b")]
    [InlineData("repo:org*", "repo:org-evil/app")]
    public void A_wildcard_does_not_reach_into_the_next_segment(string pattern, string subject)
    {
        // Unit 42, "OH-MY-DC".
        var policy = Policy($$$"""{"claims":{"sub":{"glob":"{{{pattern}}}"} } }""");
        Assert.True(policy.Match(ClaimSet.Parse($$"""{"sub":"{{subject}}"}""").Value).IsRefused);
    }

    [Fact]
    public void A_token_for_somebody_else_is_not_for_us_however_many_it_is_for()
    {
        // CVE-2024-5798.
        foreach (JsonNode? audience in (JsonNode?[])[null, "https://other.example", Audience + "/", new JsonArray(), new JsonArray("https://other.example"), new JsonArray(Audience, 7), new JsonObject { [Audience] = true }])
        {
            var claims = _issuer.Claims(Audience);
            claims["aud"] = audience?.DeepClone();
            Refused(_issuer.MintRaw(_issuer.Header(), claims.ToJsonString()));
        }
    }

    [Theory]
    [InlineData("exp", null)]
    [InlineData("iat", null)]
    [InlineData("exp", "\"4102444800\"")]
    [InlineData("exp", "4102444800.5")]
    [InlineData("exp", "1e300")]
    [InlineData("nbf", "4102444800")]
    public void A_token_without_an_end_or_with_one_that_is_no_number_is_refused(string claim, string? value)
    {
        var claims = _issuer.Claims(Audience);
        claims[claim] = value is null ? null : JsonNode.Parse(value);
        if (value is null) claims.Remove(claim);
        Refused(_issuer.MintRaw(_issuer.Header(), claims.ToJsonString()));
    }

    [Fact]
    public void A_clock_is_a_minute_wrong_at_most()
    {
        // Five minutes by default elsewhere.
        foreach (var (late, isRefused) in ((int, bool)[])[(59, false), (61, true)])
        {
            var claims = _issuer.Claims(Audience);
            claims["exp"] = _time.GetUtcNow().ToUnixTimeSeconds() - late;
            foreach (var name in (string[])["iat", "nbf"]) claims[name] = _time.GetUtcNow().ToUnixTimeSeconds() - 300;
            Assert.Equal(isRefused, Judge(_issuer.MintRaw(_issuer.Header(), claims.ToJsonString()), _issuer.Keys).IsRefused);
        }
    }

    [Fact]
    public void A_member_twice_is_refused_in_header_and_payload_however_it_is_spelled()
    {
        var payload = _issuer.Claims(Audience).ToJsonString();
        foreach (var again in (string[])["\"sub\":\"other\"", "\"\\u0073ub\":\"other\""]) Refused(_issuer.MintRaw(_issuer.Header(), payload[..^1] + "," + again + "}"));
        Refused(_issuer.MintRaw(_issuer.Header()[..^1] + ",\"alg\":\"none\"}", payload));
    }

    [Fact]
    public void Base64url_has_one_spelling()
    {
        var token = _issuer.Mint(Audience);
        var parts = token.Split('.');
        foreach (var spelled in (string[])[parts[0] + "=." + parts[1] + "." + parts[2], token + "==", token + " ", " " + token, token + "\n", token.Replace('-', '+'), token + ".", "." + token, parts[0] + "." + parts[1] + ".." + parts[2]])
            if (spelled != token) Refused(spelled);
    }

    [Theory]
    [InlineData("\"true\"", "true")]
    [InlineData("true", "\"true\"")]
    [InlineData("\"7\"", "7")]
    [InlineData("7", "\"7\"")]
    [InlineData("7", "7.5")]
    public void The_text_of_a_number_is_no_number(string wanted, string seen)
    {
        // GitLab's booleans are texts.
        Assert.True(Policy($$$"""{"claims":{"ref_protected":{{{wanted}}} } }""").Match(ClaimSet.Parse($$"""{"sub":"s","ref_protected":{{seen}} }""").Value).IsRefused);
        Assert.True(Policy($$$"""{"condition":"claims.ref_protected == {{{wanted.Replace('"', '\'')}}}"}""").Match(ClaimSet.Parse($$"""{"sub":"s","ref_protected":{{seen}} }""").Value).IsRefused);
    }

    [Fact]
    public void A_token_that_is_too_large_too_deep_or_of_many_dots_costs_nothing()
    {
        // CVE-2025-30204, CVE-2025-27144.
        Assert.Equal(RefusalReason.TokenTooLarge, UnverifiedToken.Parse(new string('a', 20_000)).Refusal.Reason);
        Assert.True(UnverifiedToken.Parse(new string('.', 10_000)).IsRefused);
        Refused(_issuer.MintRaw(_issuer.Header(), $$"""{"iss":"{{_issuer.Issuer}}","a":{{new string('[', 100)}}{{new string(']', 100)}} }"""));
    }
}
