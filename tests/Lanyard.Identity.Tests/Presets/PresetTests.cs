using Lanyard.Identity.Presets;
using Lanyard.Identity.Tokens;
using Lanyard.Identity.Trust;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Presets;

/// <summary>The presets are data; these are the rules that every one of them keeps.</summary>
[Line("6.3")]
public sealed class PresetTests
{
    public static TheoryData<string> Names => [.. IssuerPresets.All.Select(static preset => preset.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_claim_says_what_it_means_and_every_reusable_one_what_lasts_instead(string name)
    {
        var preset = IssuerPresets.Find(name)!;
        Assert.All(preset.Claims.Values, claim =>
        {
            Assert.True(claim.Means.Length > 4 && ClaimPath.TryParse(claim.Name) is not null, claim.Name);
            Assert.Equal(claim.IsReusable, claim.Lasting is not null);
            if (claim.Lasting is { } lasting) Assert.False(preset.Claims[lasting].IsReusable, $"{claim.Name} -> {lasting}");
            if (claim.LastingForm is { } form) Assert.NotNull(Glob.TryParse(form, out _));
        });
        Assert.Equal(preset.Claims.Values.Count(static claim => claim.Fact is not null), preset.Facts.Count);
        Assert.NotNull(PrincipalTemplate.Parse(preset.Principal, out _));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_tenant_is_told_by_what_no_other_owner_can_get_and_words_for_ids_are_ids(string name)
    {
        var preset = IssuerPresets.Find(name)!;
        if (preset.Tenant != IssuerPreset.TenantInIssuer)
        {
            Assert.False(preset.Claims[preset.Tenant].IsReusable);
            Assert.Equal(preset.Tenant, preset.Facts[IssuerPresets.TenantFact]);
        }

        var known = IssuerPresets.Vocabulary.Select(static word => word.Word).ToHashSet(StringComparer.Ordinal);
        Assert.All(preset.Facts.Keys, fact => Assert.Contains(fact, known));
        // Spacelift has no id of a stack that lasts: its id is its space's beside the one that people chose.
        Assert.All(
            preset.Facts.Where(fact => fact.Key.EndsWith("_id", StringComparison.Ordinal) && !(name == "spacelift" && fact.Key == "repository_id")),
            fact => Assert.False(preset.Claims[fact.Value].IsReusable, fact.Key));
        Assert.NotEmpty(preset.Place);
        Assert.All(preset.Place, claim => Assert.True(preset.Claims.ContainsKey(claim), claim));
        Assert.All(preset.Untrusted?.SettledBy ?? [], claim => Assert.True(preset.Claims.ContainsKey(claim), claim));
    }

    [Theory]
    [InlineData("github", "https://token.actions.githubusercontent.com", true)]
    [InlineData("github", "https://token.actions.githubusercontent.com/acme", true)]
    [InlineData("github", "https://token.actions.acme.ghe.com", true)]
    [InlineData("github", "https://github.acme.example:8443/_services/token", true)]
    [InlineData("github", "https://token.actions.githubusercontent.com/", false)]
    [InlineData("github", "https://token.actions.githubusercontent.com/acme/x", false)]
    [InlineData("github", "https://token.actions.githubusercontent.com.evil.example", false)]
    [InlineData("github", "https://token.actions.evil.example/x.ghe.com", false)]
    [InlineData("github", "http://token.actions.githubusercontent.com", false)]
    [InlineData("bitbucket", "https://api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc", true)]
    [InlineData("bitbucket", "https://api.bitbucket.org/2.0/workspaces/acme/x/pipelines-config/identity/oidc", false)]
    [InlineData("circleci", "https://oidc.circleci.com/org/71362723-3a43-4a5e-9b6c-1d2e3f4a5b6c", true)]
    [InlineData("circleci", "https://oidc.circleci.com", false)]
    [InlineData("kubernetes", "https://oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE", true)]
    [InlineData("kubernetes", "https://oidc.eks.cn-north-1.amazonaws.com.cn/id/EXAMPLE", true)]
    [InlineData("kubernetes", "https://oidc.eks.cn-north-1.amazonaws.com.evil.example/id/EXAMPLE", false)]
    [InlineData("lanyard", "https://lanyard.example/oidc/demo", true)]
    [InlineData("lanyard", "https://lanyard.example/oidc/demo/x", false)]
    [InlineData("google", "accounts.google.com", false)]
    public void An_issuer_is_of_a_kind_only_if_its_whole_url_has_the_form(string name, string issuer, bool expected)
    {
        Assert.Equal(expected, IssuerPresets.Find(name)!.Knows(issuer));
        if (expected) Assert.Equal(name, IssuerPresets.ForIssuer(issuer)?.Name);
    }

    [Theory]
    [InlineData("https://gitlab.acme.example")]
    [InlineData("https://unknown.example/path")]
    [InlineData("")]
    public void Of_an_issuer_that_could_be_anything_nothing_is_claimed(string issuer) => Assert.Null(IssuerPresets.ForIssuer(issuer));

    [Theory]
    [InlineData("a: b\na: c")]
    [InlineData("a:")]
    [InlineData("a: b\n    c: d")]
    [InlineData("a")]
    public void A_file_that_is_not_written_as_the_presets_are_is_an_error(string text) => Assert.Throws<FormatException>(() => PresetReader.Read(text));
}
