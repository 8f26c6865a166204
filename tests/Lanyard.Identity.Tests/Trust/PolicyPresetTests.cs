using System.Text;
using System.Text.Json.Nodes;
using Lanyard.Identity.Presets;
using Lanyard.Identity.Trust;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Trust;

/// <summary>A policy with a preset asks in one vocabulary, and can't leave out whose work it means.</summary>
[Line("6.3")]
public sealed class PolicyPresetTests : IDisposable
{
    private readonly VerifiedTokens _tokens = new();

    public static TheoryData<string> Names => [.. IssuerPresets.All.Select(static preset => preset.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void The_recorded_payload_matches_by_words_alone_and_its_principal_is_named_by_ids(string name)
    {
        var sample = PresetSample.Read(name);
        var match = Parse(name, sample.Identity.ToJsonString()).Policy!.Match(Token(sample.Claims)).Value;

        Assert.Equal(sample.Identity.Count, match.Evidence.Count);
        Assert.DoesNotContain('{', match.Principal.Replace(sample.Claims["repositoryUuid"]?.GetValue<string>() ?? "\n", "", StringComparison.Ordinal));
        Assert.True(IssuerPresets.Find(name)!.Knows(sample.Issuer));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_look_alike_with_the_same_names_is_refused_where_the_token_says_whose_it_is(string name)
    {
        var sample = PresetSample.Read(name);
        if (sample.IsKeyForeign || sample.LookAlike.ContainsKey("iss")) Assert.Equal(IssuerPreset.TenantInIssuer, IssuerPresets.Find(name)!.Tenant);
        else Assert.Equal(RefusalReason.NoMatchingPolicy, Parse(name, sample.Identity.ToJsonString()).Policy!.Match(Token(sample.Foreign())).Refusal.Reason);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Without_the_tenant_there_is_no_policy_where_an_issuer_has_many(string name)
    {
        var (preset, identity) = (IssuerPresets.Find(name)!, (JsonObject)PresetSample.Read(name).Identity.DeepClone());
        if (preset.Tenant == IssuerPreset.TenantInIssuer) return;
        identity.Remove("tenant_id");
        identity[preset.Facts.Keys.First(static fact => fact != "tenant_id")] = "x";

        Assert.Equal("identity.tenant_id", Assert.Single(Parse(name, identity.ToJsonString()).Mistakes).Path);
        identity["tenant_id"] = new JsonObject { ["glob"] = "9*" };
        Assert.Equal("identity.tenant_id", Assert.Single(Parse(name, identity.ToJsonString()).Mistakes).Path);
        identity["tenant_id"] = new JsonObject { ["contains"] = "9919" };
        Assert.Equal("identity.tenant_id", Assert.Single(Parse(name, identity.ToJsonString()).Mistakes).Path);
        identity["tenant_id"] = new JsonArray("9919", "9920");
        Assert.Empty(Parse(name, identity.ToJsonString()).Mistakes);
    }

    [Theory]
    [InlineData("\"github\"", """{"project_id":"1","tenant_id":"1"}""", "identity.project_id")]
    [InlineData("\"github\"", """{"repository_owner_id":"1"}""", "identity.repository_owner_id identity.tenant_id")]
    [InlineData("\"github\"", "{}", "identity identity.tenant_id")]
    [InlineData("\"github\"", "[]", "identity identity.tenant_id")]
    [InlineData("\"github\"", """{"tenant_id":"9*"}""", "identity.tenant_id identity.tenant_id")]
    [InlineData("\"gitea\"", """{"tenant_id":"9"}""", "preset identity")]
    [InlineData("7", """{"tenant_id":"9"}""", "preset identity")]
    public void Words_that_an_issuer_does_not_tell_and_presets_that_are_none_are_mistakes(string preset, string identity, string paths) =>
        Assert.Equal(paths, string.Join(' ', TrustPolicy.Parse(Encoding.UTF8.GetBytes($$"""{"issuer":"ci","preset":{{preset}},"identity":{{identity}},"allow":{"roles":["viewer"] } }""")).Mistakes.Select(static m => m.Path)));

    [Fact]
    public void The_claim_itself_may_be_asked_for_in_place_of_the_word_and_both_must_hold()
    {
        const string policy = """{"issuer":"ci","preset":"github","claims":{"repository_owner_id":"9919"},"identity":{"ref":"refs/heads/main"},"principal":"x:{repository_id}","allow":{"roles":["viewer"] } }""";
        var (parsed, mistakes) = TrustPolicy.Parse(Encoding.UTF8.GetBytes(policy));
        Assert.Empty(mistakes);
        var claims = PresetSample.Read("github").Claims;
        Assert.Equal("x:1296269", parsed!.Match(Token(claims)).Value.Principal);
        claims["ref"] = "refs/heads/other";
        Assert.Contains("claim ref is", parsed.Match(Token(claims)).Refusal.Detail, StringComparison.Ordinal);
    }

    private static (TrustPolicy? Policy, IReadOnlyList<PolicyMistake> Mistakes) Parse(string preset, string identity) =>
        TrustPolicy.Parse(Encoding.UTF8.GetBytes($$"""{"issuer":"ci","preset":"{{preset}}","identity":{{identity}},"allow":{"roles":["viewer"] } }"""));

    private Identity.Tokens.VerifiedToken Token(JsonObject claims)
    {
        var copy = (JsonObject)claims.DeepClone();
        copy.Remove("iss");
        return _tokens.With(copy.ToJsonString());
    }

    public void Dispose() => _tokens.Dispose();
}
