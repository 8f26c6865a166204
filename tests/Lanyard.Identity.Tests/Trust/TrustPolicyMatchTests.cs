using System.Text;
using Lanyard.Identity.Trust;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Trust;

[Line("2.4")]
public sealed class TrustPolicyMatchTests : IDisposable
{
    private readonly VerifiedTokens _tokens = new();

    [Fact]
    public void A_match_says_who_it_is_and_which_claims_said_so()
    {
        var match = Match(
            """{"repository_id":"42","ref":{"glob":"refs/heads/release-*"},"groups":{"contains":["ops","dev"]},"protected":true,"kubernetes\\.io.namespace":"ci"}""",
            """{"repository_id":"42","ref":"refs/heads/release-7","groups":["all","dev"],"protected":true,"kubernetes.io":{"namespace":"ci"}}""",
            "\"ci:{repository_id}:{kubernetes\\\\.io.namespace}\"").Value;

        Assert.Equal("ci:42:ci", match.Principal);
        Assert.Equal(["repository_id", "ref", "groups", "protected", "kubernetes\\.io.namespace"], match.Evidence.Select(e => e.Claim));
        Assert.Equal("glob \"refs/heads/release-*\"", match.Evidence[1].Wanted);
        Assert.Contains("refs/heads/release-7", match.Evidence[1].Value, StringComparison.Ordinal);
    }

    [Fact]
    public void The_first_condition_that_fails_is_named_with_the_value_seen_and_the_one_wanted()
    {
        var refusal = Match("""{"sub":"subject","ref":["refs/heads/main","refs/heads/next"],"actor":"x"}""", """{"ref":"refs/heads/evil","actor":"y"}""").Refusal;

        Assert.Equal(RefusalReason.NoMatchingPolicy, refusal.Reason);
        Assert.Contains("claim ref is \"refs/heads/evil\"", refusal.Detail, StringComparison.Ordinal);
        Assert.Contains("\"refs/heads/main\"", refusal.Detail, StringComparison.Ordinal);
        Assert.DoesNotContain("actor", refusal.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("true", "\"true\"", "a string is not a boolean")]
    [InlineData("\"true\"", "true", "a boolean is not a string")]
    [InlineData("1", "\"1\"", "a string is not a number")]
    [InlineData("\"1\"", "1", "a number is not a string")]
    [InlineData("1", "true", "a boolean is not a number")]
    [InlineData("1", "1.0", "")]
    [InlineData("1", "1e0", "")]
    [InlineData("true", "false", "")]
    [InlineData("false", "null", "null is not a boolean")]
    [InlineData("\"a\"", "[\"a\"]", "use contains")]
    [InlineData("\"a\"", "{\"a\":\"a\"}", "an object is not a string")]
    [InlineData("{\"contains\":\"a\"}", "\"a\"", "no array")]
    [InlineData("{\"contains\":\"a\"}", "[\"ab\",[\"a\"],{\"a\":\"a\"}]", "")]
    [InlineData("{\"contains\":1}", "[\"1\",true]", "")]
    [InlineData("{\"glob\":\"1*\"}", "11", "a number is not a string")]
    [InlineData("{\"glob\":\"a*\"}", "[\"ab\"]", "use contains")]
    [InlineData("\"main\"", "\"Main\"", "")]
    [InlineData("\"main\"", "\"main \"", "")]
    [InlineData("\"main\"", "\"main\\u0000\"", "")]
    [InlineData("\"\\u00e9\"", "\"e\\u0301\"", "")]
    public void Nothing_is_folded_trimmed_or_turned_into_another_type(string wanted, string seen, string hint)
    {
        var refusal = Match($$"""{"claim":{{wanted}}}""", $$"""{"claim":{{seen}}}""").Refusal;

        Assert.Equal(RefusalReason.NoMatchingPolicy, refusal.Reason);
        Assert.Contains(hint, refusal.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"a\"", "\"\\u0061\"")]
    [InlineData("9007199254740993", "9007199254740993")]
    [InlineData("-1", "-1")]
    [InlineData("false", "false")]
    [InlineData("{\"contains\":true}", "[0,true]")]
    [InlineData("[1,\"1\",true]", "\"1\"")]
    public void What_is_the_same_value_matches_however_it_is_spelled(string wanted, string seen) =>
        Assert.False(Match($$"""{"claim":{{wanted}}}""", $$"""{"claim":{{seen}}}""").IsRefused);

    [Fact]
    public void A_claim_that_is_absent_matches_nothing()
    {
        var refusal = Match("""{"environment":"production"}""", "{}").Refusal;
        Assert.Contains("claim environment is absent", refusal.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void A_claim_whose_name_has_dots_cannot_be_stood_in_for_by_a_path_and_the_exact_name_wins()
    {
        const string wanted = """{"a.b":"yes"}""";
        Assert.False(Match(wanted, """{"a":{"b":"yes"}}""").IsRefused);
        Assert.False(Match(wanted, """{"a.b":"yes","a":{"b":"no"}}""").IsRefused);
        Assert.True(Match(wanted, """{"a.b":"no","a":{"b":"yes"}}""").IsRefused);
        Assert.True(Match(wanted, """{"a":[{"b":"yes"}]}""").IsRefused);
        Assert.True(Match("""{"a\\.b":"yes"}""", """{"a":{"b":"yes"}}""").IsRefused);
    }

    [Fact]
    public void A_policy_with_audiences_is_for_tokens_with_one_of_them()
    {
        const string other = "https://other.example";
        Assert.True(Match("""{"sub":"subject"}""", "{}", audiences: $"[\"{other}\"]").IsRefused);
        Assert.False(Match("""{"sub":"subject"}""", $$"""{"aud":["{{other}}","{{VerifiedTokens.Audience}}"]}""", audiences: $"[\"{other}\"]").IsRefused);
    }

    [Theory]
    [InlineData("\"ci:{team}\"", """{"team":"a"}""", "ci:a")]
    [InlineData("\"ci:{run}\"", """{"run":42}""", "ci:42")]
    [InlineData("\"{{{team}}}\"", """{"team":"a"}""", "{a}")]
    [InlineData("\"{team}{team}\"", """{"team":"{team}"}""", "{team}{team}")]
    [InlineData("null", "{}", "ci:subject")]
    public void A_principals_name_is_made_of_claims_as_they_are(string template, string claims, string name) =>
        Assert.Equal(name, Match("""{"sub":"subject"}""", claims, template == "null" ? null : template).Value.Principal);

    [Theory]
    [InlineData("{}", RefusalReason.ClaimMissing)]
    [InlineData("""{"team":""}""", RefusalReason.ClaimMissing)]
    [InlineData("""{"team":null}""", RefusalReason.ClaimMissing)]
    [InlineData("""{"team":true}""", RefusalReason.ClaimMissing)]
    [InlineData("""{"team":1.5}""", RefusalReason.ClaimMissing)]
    [InlineData("""{"team":["a"]}""", RefusalReason.ClaimMissing)]
    [InlineData("""{"team":"a\nb"}""", RefusalReason.ClaimMalformed)]
    [InlineData("""{"team":"a\u202eb"}""", RefusalReason.ClaimMalformed)]
    [InlineData("""{"team":"a\u2028b"}""", RefusalReason.ClaimMalformed)]
    [InlineData("LONG", RefusalReason.ClaimMalformed)]
    public void A_principals_name_with_a_hole_or_hidden_characters_is_a_refusal(string claims, RefusalReason reason)
    {
        claims = claims == "LONG" ? $$"""{"team":"{{new string('x', 600)}}"}""" : claims;
        Assert.Equal(reason, Match("""{"sub":"subject"}""", claims, "\"ci:{team}\"").Refusal.Reason);
        if (reason == RefusalReason.ClaimMalformed)
            Assert.Equal(reason, Match("""{"iss":"https://issuer.example"}""", claims.Replace("team", "sub", StringComparison.Ordinal)).Refusal.Reason);
    }

    [Fact]
    public void A_mapped_context_is_what_the_token_says_and_what_it_does_not_say_is_empty()
    {
        var match = Mapped("""{"repository":"project_path","ref":"git.ref","environment":"env"}""", """{"sub":"s","project_path":"acme/app","git":{"ref":"refs/heads/main"}}""").Value;
        Assert.Equal([("repository", "acme/app"), ("ref", "refs/heads/main"), ("environment", null)], match.Context.Select(f => (f.Name, f.Value)));
    }

    [Theory]
    [InlineData("\"a:b\"")]
    [InlineData("\"a b\"")]
    [InlineData("\"a\\nb\"")]
    [InlineData("\"a\\u00fc\"")]
    [InlineData("\"\"")]
    [InlineData("1")]
    [InlineData("true")]
    [InlineData("null")]
    [InlineData("[\"a\"]")]
    [InlineData("{\"a\":\"b\"}")]
    public void A_mapped_claim_that_could_not_be_part_of_a_subject_is_a_refusal(string value) =>
        Assert.Equal(RefusalReason.ClaimMalformed, Mapped("""{"repository":"repo"}""", $$"""{"sub":"s","repo":{{value}}}""").Refusal.Reason);

    [Fact]
    public void Every_mistake_of_a_mapping_is_reported()
    {
        var mistakes = Policy("""{"actor":"a","repository":5,"ref":"a..b"}""").Mistakes;
        Assert.Equal(["context.actor", "context.repository", "context.ref"], mistakes.Select(m => m.Path));
        Assert.Equal("context", Assert.Single(Policy("{}").Mistakes).Path);
        Assert.Equal("context", Assert.Single(Policy("[]").Mistakes).Path);
    }

    public void Dispose() => _tokens.Dispose();

    private static (TrustPolicy? Policy, IReadOnlyList<PolicyMistake> Mistakes) Policy(string context) =>
        TrustPolicy.Parse(Encoding.UTF8.GetBytes($$"""{"issuer":"ci","claims":{"sub":"s"},"allow":{"roles":["operator"]},"context":{{context}}}"""));

    private Outcome<PolicyMatch> Mapped(string context, string claims) => Policy(context).Policy!.Match(_tokens.With(claims));

    private Outcome<PolicyMatch> Match(string conditions, string claims, string? principal = null, string? audiences = null)
    {
        var json = $$"""{"issuer":"ci","claims":{{conditions}},"allow":{"roles":["viewer"]}{{(principal is null ? "" : ",\"principal\":" + principal)}}{{(audiences is null ? "" : ",\"audiences\":" + audiences)}}}""";
        var (policy, mistakes) = TrustPolicy.Parse(Encoding.UTF8.GetBytes(json));
        Assert.Empty(mistakes);
        return policy!.Match(_tokens.With(claims));
    }
}
