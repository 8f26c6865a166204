using System.Text;
using System.Text.Json.Nodes;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Tokens;

/// <summary>Tokens that are wrong in one thing, each through the whole chain: where it stops, and why.</summary>
[Line("2.1")]
public sealed class BadTokenTests : IAsyncLifetime
{
    private const string Audience = "https://lanyard.example";

    private readonly ManualTime _time = new();
    private TestIssuer _issuer = null!;

    public async ValueTask InitializeAsync() => _issuer = await TestIssuer.StartAsync(_time);

    public async ValueTask DisposeAsync() => await _issuer.DisposeAsync();

    [Fact]
    public async Task A_token_cut_short_anywhere_is_refused()
    {
        var token = _issuer.Mint(Audience);
        for (var length = 0; length < token.Length; length++)
        {
            var refusal = await RefusalOf(token[..length]);
            Assert.True(refusal.Stage is Stage.Shape or Stage.Content or Stage.Signature, $"{length} of {token.Length}: {refusal}");
        }
    }

    [Fact]
    public async Task A_token_with_one_character_changed_anywhere_is_refused()
    {
        var token = _issuer.Mint(Audience);
        for (var i = 0; i < token.Length; i++)
        {
            foreach (var other in "A.=-")
                if (token[i] != other) await RefusalOf(string.Concat(token.AsSpan(0, i), [other], token.AsSpan(i + 1)));
        }
    }

    [Theory]
    [InlineData("{0}=")]
    [InlineData("{0}==")]
    [InlineData(" {0}")]
    [InlineData("{0} ")]
    [InlineData("{0}\n")]
    [InlineData("\t{0}")]
    [InlineData("{0}\0")]
    [InlineData("{0}.")]
    [InlineData(".{0}")]
    [InlineData("{0}.{0}")]
    [InlineData("\ufeff{0}")]
    [InlineData("Bearer {0}")]
    public async Task A_token_with_anything_around_it_is_malformed(string shape) => await RefusedAsync(string.Format(null, shape, _issuer.Mint(Audience)), RefusalReason.TokenMalformed);

    [Fact]
    public async Task Padding_inside_and_a_signature_in_another_spelling_are_malformed()
    {
        var parts = _issuer.Mint(Audience).Split('.');
        await RefusedAsync($"{parts[0]}=.{parts[1]}.{parts[2]}", RefusalReason.TokenMalformed);
        await RefusedAsync($"{parts[0]}.{parts[1]}\r\n.{parts[2]}", RefusalReason.TokenMalformed);
        // 64 bytes leave four spare bits in the last character: the same bytes for a lenient reader.
        await RefusedAsync($"{parts[0]}.{parts[1]}.{parts[2][..^1]}{(char)(parts[2][^1] + 1)}", RefusalReason.TokenMalformed);
    }

    [Fact]
    public async Task A_huge_token_is_refused_for_its_size_before_anything_else()
    {
        await RefusedAsync(_issuer.Mint(Audience, change: c => c["x"] = new string('x', 17 * 1024)), RefusalReason.TokenTooLarge);
        await RefusedAsync(new string('.', 10_000_000), RefusalReason.TokenTooLarge);
        Assert.False((await JudgeAsync(_issuer.Mint(Audience, change: c => c["x"] = new string('x', 11 * 1024)))).IsRefused);
    }

    [Theory]
    [InlineData("none", RefusalReason.AlgorithmNotAllowed)]
    [InlineData("None", RefusalReason.AlgorithmNotAllowed)]
    [InlineData("", RefusalReason.AlgorithmNotAllowed)]
    [InlineData("HS256", RefusalReason.AlgorithmNotAllowed)]
    [InlineData("HS512", RefusalReason.AlgorithmNotAllowed)]
    [InlineData("es256", RefusalReason.AlgorithmNotAllowed)]
    [InlineData("ES256 ", RefusalReason.AlgorithmNotAllowed)]
    [InlineData("ES256K", RefusalReason.AlgorithmNotAllowed)]
    [InlineData("EdDSA", RefusalReason.AlgorithmNotAllowed)]
    [InlineData("RS256", RefusalReason.AlgorithmMismatch)]
    [InlineData("PS256", RefusalReason.AlgorithmMismatch)]
    [InlineData("ES384", RefusalReason.AlgorithmMismatch)]
    public async Task An_algorithm_that_is_not_the_keys_is_refused(string algorithm, RefusalReason reason)
    {
        await RefusedAsync(Headed($$"""{"alg":"{{algorithm}}","kid":"{{_issuer.Key.KeyId}}"}"""), reason);
        var unsigned = Headed($$"""{"alg":"{{algorithm}}","kid":"{{_issuer.Key.KeyId}}"}""");
        await RefusedAsync(unsigned[..(unsigned.LastIndexOf('.') + 1)], reason);
    }

    [Fact]
    public async Task A_record_that_allows_one_algorithm_takes_no_other()
    {
        var record = _issuer.Record() with { Algorithms = new AlgorithmRules { Allowed = [SignatureAlgorithm.RS256] } };
        var outcome = await JudgeAsync(_issuer.Mint(Audience), record);
        Assert.Equal(RefusalReason.AlgorithmNotAllowed, outcome.Refusal.Reason);
    }

    [Theory]
    [InlineData("""{"alg":"ES256","kid":"KID","crit":["exp"]}""", RefusalReason.CriticalHeader)]
    [InlineData("""{"alg":"ES256","kid":"KID","crit":[]}""", RefusalReason.CriticalHeader)]
    [InlineData("""{"alg":"ES256","kid":"KID","b64":false}""", RefusalReason.CriticalHeader)]
    [InlineData("""{"alg":"ES256","kid":"KID","b64":true}""", RefusalReason.CriticalHeader)]
    [InlineData("""{"alg":"ES256","kid":"KID","\u0062\u00364":true}""", RefusalReason.CriticalHeader)]
    [InlineData("""{"alg":"ES256","kid":"KID","alg":"ES256"}""", RefusalReason.DuplicateMember)]
    [InlineData("""{"alg":"ES256","kid":"KID","\u0061lg":"none"}""", RefusalReason.DuplicateMember)]
    [InlineData("""{"alg":"ES256","kid":7}""", RefusalReason.HeaderMalformed)]
    [InlineData("""{"alg":["ES256"],"kid":"KID"}""", RefusalReason.HeaderMalformed)]
    [InlineData("""{"alg":null,"kid":"KID"}""", RefusalReason.HeaderMalformed)]
    [InlineData("""{"kid":"KID"}""", RefusalReason.HeaderMalformed)]
    [InlineData("""{"alg":"ES256","kid":"KID",}""", RefusalReason.HeaderMalformed)]
    [InlineData("""{"alg":"ES256","kid":"KID"} """ + "{}", RefusalReason.HeaderMalformed)]
    [InlineData("""["ES256"]""", RefusalReason.HeaderMalformed)]
    [InlineData("\ufeff{}", RefusalReason.HeaderMalformed)]
    [InlineData("""{"alg":"ES256","kid":"KID","a":[[[[[[[[]]]]]]]]}""", RefusalReason.NestedTooDeep)]
    [InlineData("""{"alg":"ES256","kid":"other"}""", RefusalReason.KeyUnknown)]
    [InlineData("""{"alg":"ES256","kid":""}""", RefusalReason.KeyUnknown)]
    public async Task A_header_that_says_too_much_or_too_little_is_refused(string header, RefusalReason reason) =>
        await RefusedAsync(Headed(header.Replace("KID", _issuer.Key.KeyId, StringComparison.Ordinal)), reason);

    /// <summary>The chain decodes the kid alone, from wherever it stands in the header; every place modulo four is tried, and every spelling.</summary>
    [Theory]
    [InlineData("")]
    [InlineData("a")]
    [InlineData("ab")]
    [InlineData("abc")]
    [InlineData("abcd")]
    public async Task A_kid_is_the_same_wherever_it_stands_and_however_it_is_spelled(string before)
    {
        var kid = _issuer.Key.KeyId;
        var escaped = string.Concat(kid.Select(static c => $"\\u{(int)c:x4}"));
        foreach (var spelled in (string[])[kid, escaped, escaped[..6] + kid[1..], kid[..^1] + escaped[^6..]])
        {
            foreach (var after in (string[])["", ",\"x\":1", ",\"xy\":1", ",\"xyz\":1"])
            {
                var header = $$"""{"x{{before}}y":0,"alg":"ES256","kid":"{{spelled}}"{{after.Replace("x", "z", StringComparison.Ordinal)}}}""";
                var judged = await JudgeAsync(Headed(header));
                Assert.False(judged.IsRefused, $"{header}: {(judged.IsRefused ? judged.Refusal : null)}");
                Assert.Equal(kid, UnverifiedToken.Parse(Headed(header)).Value.KeyId);
            }
        }
    }

    [Theory]
    [InlineData(200, RefusalReason.KeyUnknown)]
    [InlineData(201, RefusalReason.HeaderMalformed)]
    public async Task A_kid_has_at_most_200_bytes_however_it_is_spelled(int length, RefusalReason reason)
    {
        await RefusedAsync(Headed($$"""{"alg":"ES256","kid":"{{new string('k', length)}}"}"""), reason);
        await RefusedAsync(Headed($$"""{"alg":"ES256","kid":"{{string.Concat(Enumerable.Repeat("\\u006b", length))}}"}"""), reason);
    }

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

    [Fact]
    public async Task A_key_that_a_token_brings_or_points_to_is_never_used()
    {
        using var forger = SigningKey.Generate(SignatureAlgorithm.ES256);
        await using var trap = await TestIssuer.StartAsync(_time);
        var jwk = JsonNode.Parse(KeySet.Of(forger.Public).ToJson())!["keys"]![0]!.ToJsonString();
        foreach (var kid in (string[])[_issuer.Key.KeyId, forger.KeyId])
        {
            var header = $$"""{"alg":"ES256","kid":"{{kid}}","jwk":{{jwk}},"jku":"{{trap.JwksUrl}}","x5u":"{{trap.JwksUrl}}","x5c":["AAAA"]}""";
            var refusal = await RefusalOf(_issuer.MintRaw(header, _issuer.Claims(Audience).ToJsonString(), forger));
            Assert.Equal(Stage.Signature, refusal.Stage);
        }

        Assert.Equal(0, trap.KeyRequests);
        // They are ignored, not refused: issuers do send x5c.
        Assert.False((await JudgeAsync(Headed($$"""{"alg":"ES256","kid":"{{_issuer.Key.KeyId}}","x5c":["AAAA"],"jku":"{{trap.JwksUrl}}"}"""))).IsRefused);
        Assert.Equal(0, trap.KeyRequests);
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

    private string Headed(string header) => _issuer.MintRaw(header, _issuer.Claims(Audience).ToJsonString());

    private async Task RefusedAsync(string token, RefusalReason reason, Stage? stage = null)
    {
        var refusal = await RefusalOf(token);
        Assert.True(reason == refusal.Reason, $"wanted {reason}, was {refusal}");
        if (stage is not null) Assert.Equal(stage, refusal.Stage);
    }

    /// <summary>The refusal, which is also the last step of the trace.</summary>
    private async Task<Refusal> RefusalOf(string token)
    {
        var trace = new Trace();
        var outcome = await JudgeAsync(token, trace: trace);
        Assert.True(outcome.IsRefused, $"accepted: {token}");
        Assert.False(trace.Steps[^1].Passed);
        Assert.Equal(outcome.Refusal.Stage, trace.Steps[^1].Stage);
        return outcome.Refusal;
    }

    private async Task<Outcome<VerifiedToken>> JudgeAsync(string token, TrustedIssuer? record = null, VerifyOptions? options = null, Trace? trace = null)
    {
        if (!UnverifiedToken.Parse(token, trace).TryGet(out var parsed, out var refusal)) return refusal;
        return await new TokenVerifier(_time).JudgeAsync(
            parsed, [record ?? _issuer.Record()], (_, _, _) => ValueTask.FromResult<Outcome<KeySet>>(_issuer.Keys), options ?? new VerifyOptions { DefaultAudience = Audience }, trace);
    }
}
