using System.Text.Json;
using Lanyard.Identity.Trust;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Trust;

/// <summary>What the linter says of rules that are dangerous, and that it is silent about good ones.</summary>
[Line("6.3")]
public sealed class PolicyLintTests
{
    private const string GitHub = "https://token.actions.githubusercontent.com";
    private const string Lanyard = "https://lanyard.example/oidc/acme";
    private const string Deploy = "\"allow\":{\"roles\":[\"operator\"]}";
    private const string Look = "\"allow\":{\"roles\":[\"viewer\"]}";

    [Theory]
    // Names only.
    [InlineData(GitHub, """{"claims":{"repository":"acme/app","ref":"refs/heads/main"},""" + Deploy, "claims.repository: repository can be renamed")]
    [InlineData(null, """{"claims":{"repository":"acme/app"},""" + Look, "claims.repository: repository can be renamed")]
    [InlineData(null, """{"claims":{"project_path":["a/b","c/d"]},""" + Look, "claims.project_path[1]: project_path can be renamed")]
    [InlineData(GitHub, """{"claims":{"sub":"repo:acme/app:ref:refs/heads/main"},""" + Deploy, "claims.sub: sub can be renamed")]
    [InlineData("https://agent.buildkite.com", """{"claims":{"organization_slug":"acme"},""" + Deploy, "ask for organization_id")]
    [InlineData("https://accounts.google.com", """{"claims":{"email":"x@acme.iam.gserviceaccount.com"},""" + Look, "ask for sub")]
    [InlineData(null, """{"preset":"gitlab","identity":{"repository":"a/b"},""" + Look, "identity.repository: project_path can be renamed")]
    [InlineData(GitHub, """{"claims":{"repository_owner_id":"1","repository_id":"2","ref":"x"},"principal":"ci:{repository}",""" + Deploy, "principal: is made of repository")]
    // No owner, no place.
    [InlineData(GitHub, """{"claims":{"ref":"refs/heads/main"},""" + Deploy, "claims: asks for no repository_owner_id")]
    [InlineData(GitHub, """{"claims":{"repository_owner_id":"1","ref":"refs/heads/main"},""" + Deploy, "claims: lets in everything of the owner")]
    [InlineData("https://oidc.circleci.com/org/x", """{"claims":{"oidc.circleci.com/vcs-ref":"refs/heads/main"},""" + Look, "claims: lets in everything of the owner")]
    // Strangers' work.
    [InlineData(GitHub, """{"claims":{"repository_owner_id":"1","repository_id":"2"},""" + Deploy, "runs that a stranger wrote match too (event_name: pull_request")]
    [InlineData(GitHub, """{"claims":{"repository_owner_id":"1","repository_id":"2"},"allow":{"audiences":["sts.amazonaws.com"]}""", "runs that a stranger wrote match too")]
    [InlineData(GitHub, """{"claims":{"repository_owner_id":"1","repository_id":"2","event_name":["push","pull_request_target"]},""" + Deploy, "claims.event_name[1]: pull_request_target: such runs")]
    [InlineData(GitHub, """{"claims":{"repository_owner_id":"1","sub":"repo:acme@1/app@2:pull_request"},""" + Look, "claims.sub: repo:acme@1/app@2:pull_request: such runs")]
    [InlineData(null, """{"preset":"gitlab","identity":{"tenant_id":"1","repository_id":"2"},""" + Deploy, "pipeline_source: merge_request_event")]
    // Patterns.
    [InlineData(GitHub, """{"claims":{"repository_owner_id":"1","sub":{"glob":"repo:acme*/app:ref:refs/heads/main"}},""" + Deploy, "claims.sub.glob: the * in acme* stands where the owner does")]
    [InlineData(GitHub, """{"claims":{"repository_owner_id":"1","repository":{"glob":["acme/x","a*/app"]},"ref":"x"},""" + Deploy, "claims.repository.glob[1]: the * in a*")]
    [InlineData(GitHub, """{"claims":{"repository_owner_id":{"glob":"99*"},"repository_id":"2","ref":"x"},""" + Deploy, "claims.repository_owner_id.glob: repository_owner_id is an id")]
    [InlineData(GitHub, """{"claims":{"repository_owner_id":"1","sub":{"glob":"repo:acme/app:*"}},""" + Deploy, "matches pull_request and nothing else")]
    [InlineData(GitHub, """{"claims":{"repository_owner_id":"1","repository_id":"2","ref":{"glob":"refs/*"}},""" + Deploy, "matches no branch")]
    [InlineData(Lanyard, """{"claims":{"collection":"prod"},""" + Look, "claims: asks for no workspace_id")]
    [InlineData(Lanyard, """{"claims":{"workspace":"acme"},""" + Look, "claims: lets in everything of the owner")]
    // A definition's slug is never renamed, and still not its own for ever.
    [InlineData(Lanyard, """{"claims":{"workspace_id":"ws_1","definition_id":"def_1"},"principal":"run:{definition}",""" + Deploy, "principal: is made of definition, which is a slug that a definition of another collection can have too, and a later one once this one is deleted: use {definition_id}")]
    [InlineData(null, """{"preset":"lanyard","claims":{"definition":"deploy"},""" + Deploy, "claims.definition: definition is a slug that a definition of another collection can have too, and a later one once this one is deleted: ask for definition_id beside it or instead")]
    [InlineData(Lanyard, """{"claims":{"workspace_id":"ws_1","runner":"big"},"principal":"{runner}",""" + Deploy, "principal: is made of runner, which is a slug that a later runner can have")]
    // A preset for another issuer.
    [InlineData("https://gitlab.com", """{"preset":"github","identity":{"tenant_id":"1","repository_id":"2","ref":"x"},""" + Deploy, "preset: https://gitlab.com is no issuer of GitHub Actions")]
    public void A_dangerous_rule_is_told_with_its_place(string? issuer, string policy, string expected) =>
        Assert.Contains(Warnings(issuer, policy), warning => warning.Contains(expected, StringComparison.Ordinal));

    [Theory]
    [InlineData(GitHub, """{"claims":{"repository_owner_id":"1","repository_id":"2","ref":"refs/heads/main"},""" + Deploy)]
    [InlineData(GitHub, """{"claims":{"repository_owner_id":"1","repository":"acme/app","repository_id":"2","environment":"production"},""" + Deploy)]
    [InlineData(GitHub, """{"claims":{"repository_owner_id":"1","sub":"repo:acme@1/app@2:environment:production"},""" + Deploy)]
    [InlineData(GitHub, """{"claims":{"repository_owner_id":"1","sub":{"glob":"repo:acme@1/app-*:environment:production"}},""" + Deploy)]
    [InlineData(GitHub, """{"condition":"claims.repository_owner_id == '1' && claims['repository_id'] == '2' && claims.?ref.orValue('') == 'refs/heads/main'",""" + Deploy)]
    [InlineData(GitHub, """{"claims":{"repository_owner_id":"1","repository_id":"2"},""" + Look)]
    [InlineData(GitHub, """{"preset":"github","identity":{"tenant_id":"1","repository_id":"2","environment":["staging","production"]},""" + Deploy)]
    [InlineData(null, """{"claims":{"sub":"subject"},""" + Deploy)]
    [InlineData(null, """{"issuer":"cluster/lab","claims":{"sub":"system:serviceaccount:ci:deployer"},""" + Deploy)]
    // A workspace's slug never changes and is never given again, and it says whose collection and definition are meant.
    [InlineData(Lanyard, """{"claims":{"workspace":"acme","collection":["main","prod"],"definition":{"glob":"read*"}},""" + Deploy)]
    [InlineData(Lanyard, """{"claims":{"workspace":"acme","sub":"workspace:acme:collection:prod:definition:deploy"},""" + Deploy)]
    [InlineData(null, """{"claims":{"workspace":"acme","team":"x"},""" + Deploy)]
    [InlineData("https://vault.example", """{"claims":{"team":{"glob":"team-*"}},""" + Deploy)]
    public void Of_a_good_rule_nothing_is_said(string? issuer, string policy) => Assert.Empty(Warnings(issuer, policy));

    [Theory]
    [InlineData("[]")]
    [InlineData("7")]
    [InlineData("""{"claims":7,"identity":[],"condition":{},"allow":[],"principal":7,"preset":[]}""")]
    [InlineData("""{"preset":"nobody","identity":{"a":"b"},"claims":{"repository":{"glob":{"x":[[1]]}}}}""")]
    public void What_is_no_policy_breaks_nothing(string json)
    {
        using var document = JsonDocument.Parse(json);
        Assert.NotNull(PolicyLint.Warnings(document.RootElement, GitHub));
    }

    private static List<string> Warnings(string? issuer, string policy)
    {
        using var document = JsonDocument.Parse(policy + "}");
        return [.. PolicyLint.Warnings(document.RootElement, issuer).Select(static warning => $"{warning.Path}: {warning.Text}")];
    }
}
