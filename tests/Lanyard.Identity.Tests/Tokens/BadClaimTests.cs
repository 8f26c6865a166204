using System.Text;
using System.Text.Json.Nodes;
using Lanyard.Identity.Tokens;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Tokens;

/// <summary>Tokens whose payload is wrong in one thing, each through the whole chain: where it stops, and why.</summary>
[Line("2.1")]
public sealed class BadClaimTests : BadTokenTestBase
{
    [Fact]
    public async Task Claims_are_found_by_name_alone_whatever_stands_in_their_values()
    {
        var payload = _issuer.Claims(Audience).ToJsonString()[..^1] + ""","a" : "sub\":\"x", "su":1,"subb":2,"o":{"sub":"inner"},"l":["sub"],"caf\u00e9":"c"}""";
        var claims = UnverifiedToken.Parse(_issuer.MintRaw(_issuer.Header(), payload)).Value.Claims;
        Assert.True(claims.TryGetString("sub", out var subject) && subject == "subject");
        Assert.True(claims.TryGetString("a", out var a) && a == "sub\":\"x");
        Assert.True(claims.TryGetInt64("su", out var su) && su == 1 && claims.TryGetInt64("subb", out var subb) && subb == 2);
        Assert.True(claims.TryGetString("caf\u00e9", out var c) && c == "c");
        foreach (var name in (string[])["", "s", "su\"", "a\" : \"sub", "su\":1,\"subb", "inner", "caf\\u00e9", new string('x', 300)]) Assert.False(claims.TryGet(name, out _), name);
        Assert.Contains("caf\u00e9", claims.Names);
        var plain = ClaimSet.Parse("""{"a":"b","c":{"d":[1,{}]} , "e" : null,"f":1.5}""").Value;
        Assert.False(plain.TryGet("a\":\"b", out _));
        Assert.Equal("""{"d":[1,{}]}""", Encoding.UTF8.GetString(plain.Find("c")!.Value.Json.Span));
        Assert.Equal(System.Text.Json.JsonValueKind.Null, plain.Find("e")!.Value.Kind);
        Assert.Equal("1.5", Encoding.UTF8.GetString(plain.Find("f")!.Value.Json.Span));
        Assert.Equal(["a", "c", "e", "f"], plain.Names);
        Assert.False((await JudgeAsync(_issuer.MintRaw(_issuer.Header(), payload))).IsRefused);
    }

    [Theory]
    [InlineData("""{"iss":"ISS","iss":"ISS","sub":"a"}""", RefusalReason.DuplicateMember)]
    [InlineData("""{"iss":"ISS","sub":"a","\u0073ub":"b"}""", RefusalReason.DuplicateMember)]
    [InlineData("""{"iss":"ISS","sub":"a","x":{"y":1,"y":2}}""", RefusalReason.DuplicateMember)]
    [InlineData("""{"iss":"ISS","x":[[[[[[[[[]]]]]]]]]}""", RefusalReason.NestedTooDeep)]
    [InlineData("""{"iss":"ISS","sub":"\ud800"}""", RefusalReason.PayloadMalformed)]
    [InlineData("""{"iss":"ISS","sub":"a"} {}""", RefusalReason.PayloadMalformed)]
    [InlineData("""{"iss":"ISS",/**/"sub":"a"}""", RefusalReason.PayloadMalformed)]
    [InlineData("""{'iss':'ISS'}""", RefusalReason.PayloadMalformed)]
    [InlineData("""{"iss":"ISS","exp":NaN}""", RefusalReason.PayloadMalformed)]
    [InlineData("""[]""", RefusalReason.PayloadMalformed)]
    [InlineData("""null""", RefusalReason.PayloadMalformed)]
    [InlineData("", RefusalReason.PayloadMalformed)]
    [InlineData("""{"sub":"a"}""", RefusalReason.ClaimMissing)]
    [InlineData("""{"iss":"","sub":"a"}""", RefusalReason.ClaimMalformed)]
    [InlineData("""{"iss":["ISS"],"sub":"a"}""", RefusalReason.ClaimMalformed)]
    public async Task A_payload_that_can_be_read_in_two_ways_or_not_at_all_is_refused_before_its_signature(string payload, RefusalReason reason) =>
        await RefusedAsync(_issuer.MintRaw(_issuer.Header(), payload.Replace("ISS", _issuer.Issuer, StringComparison.Ordinal)), reason, Stage.Content);

    [Fact]
    public async Task More_members_than_a_token_has_use_for_are_refused()
    {
        var claims = _issuer.Claims(Audience);
        for (var i = 0; i < 300; i++) claims[$"c{i}"] = i;
        await RefusedAsync(_issuer.MintRaw(_issuer.Header(), claims.ToJsonString()), RefusalReason.PayloadMalformed);
    }

    [Theory]
    [InlineData("exp", null, RefusalReason.ClaimMissing)]
    [InlineData("iat", null, RefusalReason.ClaimMissing)]
    [InlineData("sub", null, RefusalReason.ClaimMissing)]
    [InlineData("aud", null, RefusalReason.AudienceMismatch)]
    [InlineData("exp", "\"4102444800\"", RefusalReason.ClaimMalformed)]
    [InlineData("iat", "\"1\"", RefusalReason.ClaimMalformed)]
    [InlineData("nbf", "\"1\"", RefusalReason.ClaimMalformed)]
    [InlineData("exp", "null", RefusalReason.ClaimMalformed)]
    [InlineData("exp", "-1", RefusalReason.ClaimMalformed)]
    [InlineData("exp", "1e300", RefusalReason.ClaimMalformed)]
    [InlineData("exp", "99999999999999999999", RefusalReason.ClaimMalformed)]
    [InlineData("exp", "true", RefusalReason.ClaimMalformed)]
    [InlineData("exp", "[1]", RefusalReason.ClaimMalformed)]
    [InlineData("sub", "\"\"", RefusalReason.ClaimMalformed)]
    [InlineData("sub", "7", RefusalReason.ClaimMalformed)]
    [InlineData("aud", "7", RefusalReason.ClaimMalformed)]
    [InlineData("aud", "[]", RefusalReason.AudienceMismatch)]
    [InlineData("aud", "[\"https://lanyard.example\",7]", RefusalReason.ClaimMalformed)]
    [InlineData("aud", "\"https://lanyard.example/\"", RefusalReason.AudienceMismatch)]
    [InlineData("aud", "\"https://LANYARD.example\"", RefusalReason.AudienceMismatch)]
    [InlineData("aud", "[\"https://other.example\"]", RefusalReason.AudienceMismatch)]
    public async Task A_claim_that_is_missing_or_of_another_type_is_refused(string claim, string? json, RefusalReason reason) =>
        await RefusedAsync(_issuer.Mint(Audience, change: c =>
        {
            c.Remove(claim);
            if (json is not null) c[claim] = JsonNode.Parse(json);
        }), reason);

    [Theory]
    [InlineData(-3600, -61, RefusalReason.Expired)]
    [InlineData(-3600, -60, RefusalReason.Expired)]
    [InlineData(-3600, -59, null)]
    [InlineData(60, 600, null)]
    [InlineData(61, 600, RefusalReason.IssuedInFuture)]
    [InlineData(10, 10, RefusalReason.ClaimMalformed)]
    [InlineData(20, 10, RefusalReason.ClaimMalformed)]
    [InlineData(0, 86400, null)]
    [InlineData(0, 86401, RefusalReason.LifetimeTooLong)]
    public async Task Times_are_judged_with_a_minute_for_clocks_and_a_cap_on_life(int issued, int expires, RefusalReason? reason)
    {
        var now = _time.GetUtcNow().ToUnixTimeSeconds();
        var outcome = await JudgeAsync(_issuer.Mint(Audience, change: c => (c["iat"], c["nbf"], c["exp"]) = (now + issued, now + issued, now + expires)));
        Assert.Equal(reason, outcome.IsRefused ? outcome.Refusal.Reason : null);
    }

    [Fact]
    public async Task A_token_is_not_valid_before_its_time_and_a_record_may_cap_its_life_lower()
    {
        var now = _time.GetUtcNow().ToUnixTimeSeconds();
        await RefusedAsync(_issuer.Mint(Audience, change: c => c["nbf"] = now + 61), RefusalReason.NotYetValid);
        var brief = _issuer.Record() with { MaxLifetime = TimeSpan.FromSeconds(299) };
        Assert.Equal(RefusalReason.LifetimeTooLong, (await JudgeAsync(_issuer.Mint(Audience), brief)).Refusal.Reason);
    }

    [Fact]
    public async Task Without_iat_where_the_record_allows_that_life_counts_from_nbf_or_now()
    {
        var record = _issuer.Record() with { RequireIat = false, MaxLifetime = TimeSpan.FromHours(1) };
        var now = _time.GetUtcNow().ToUnixTimeSeconds();
        Assert.False((await JudgeAsync(Without(now, 3600), record)).IsRefused);
        Assert.Equal(RefusalReason.LifetimeTooLong, (await JudgeAsync(Without(now, 3601), record)).Refusal.Reason);
        Assert.Equal(RefusalReason.LifetimeTooLong, (await JudgeAsync(Without(null, 3601), record)).Refusal.Reason);

        string Without(long? notBefore, int life) => _issuer.Mint(Audience, change: c =>
        {
            c.Remove("iat");
            c.Remove("nbf");
            if (notBefore is not null) c["nbf"] = notBefore;
            c["exp"] = now + life;
        });
    }

    [Fact]
    public async Task An_assertion_without_jti_and_a_token_of_another_type_are_refused()
    {
        var options = new VerifyOptions { DefaultAudience = Audience, RequireTokenId = true };
        Assert.Equal(RefusalReason.ClaimMissing, (await JudgeAsync(_issuer.Mint(Audience, change: c => c.Remove("jti")), options: options)).Refusal.Reason);
        options = new VerifyOptions { DefaultAudience = Audience, Types = ["at+jwt"] };
        Assert.Equal(RefusalReason.TokenTypeNotAllowed, (await JudgeAsync(_issuer.Mint(Audience), options: options)).Refusal.Reason);
        Assert.False((await JudgeAsync(Headed($$"""{"alg":"ES256","kid":"{{_issuer.Key.KeyId}}","typ":"application/AT+jwt"}"""), options: options)).IsRefused);
    }
}
