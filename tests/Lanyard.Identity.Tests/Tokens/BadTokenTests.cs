using System.Text.Json.Nodes;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Tokens;

/// <summary>Tokens whose shape, header or key is wrong in one thing, each through the whole chain: where it stops, and why.</summary>
[Line("2.1")]
public sealed class BadTokenTests : BadTokenTestBase
{
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
}
