using System.Text.Json.Nodes;
using Lanyard.ClusterProxy.AccessEntries;
using Lanyard.ClusterProxy.Authentication;
using Lanyard.ClusterProxy.Impersonation;
using Lanyard.Identity;
using Lanyard.Identity.Tokens;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Authentication;

/// <summary>The CEL fields of AuthenticationConfiguration, by the behaviour of the API server's own authenticator (research §5.6).</summary>
[Line("3.1")]
[Line("6.2")]
public sealed class ExpressionTests : IAsyncLifetime
{
    private const string Audience = "k8s";
    private TestIssuer _issuer = null!;

    public async ValueTask InitializeAsync() => _issuer = await TestIssuer.StartAsync();

    public ValueTask DisposeAsync() => _issuer.DisposeAsync();

    [Fact]
    public async Task Username_groups_uid_and_extras_are_what_the_expressions_come_to()
    {
        var user = (await JudgeAsync(
            """
            username: {expression: "'gh:' + claims.repository"}
            groups: {expression: "claims.roles.map(r, 'ci:' + r)"}
            uid: {expression: "claims.nested.id"}
            extra:
            - {key: example.org/ref, valueExpression: claims.ref}
            - {key: example.org/all, valueExpression: "claims.?missing.orValue(['x', '', 'y'])"}
            - {key: example.org/none, valueExpression: "claims.?missing.orValue(null)"}
            """,
            change: c =>
            {
                (c["repository"], c["roles"], c["ref"]) = ("acme/app", new JsonArray("a", "b"), "refs/heads/main");
                (c["nested"], c["jti"]) = (new JsonObject { ["id"] = "42" }, "7");
            })).Value.User;

        Assert.Equal(("gh:acme/app", "42"), (user.Name, user.Uid));
        Assert.Equal(["ci:a", "ci:b"], user.Groups);
        Assert.Equal(
            [new ExtraValue(KubernetesUser.CredentialId, "JTI=7"), new("example.org/ref", "refs/heads/main"), new("example.org/all", "x"), new("example.org/all", "y")],
            user.Extras);
    }

    [Theory]
    [InlineData("claims.nothing", RefusalReason.ClaimMalformed)]
    [InlineData("''", RefusalReason.ClaimMissing)]
    [InlineData("claims.iat", RefusalReason.ClaimMalformed)]
    [InlineData("[claims.sub]", RefusalReason.ClaimMalformed)]
    [InlineData("null", RefusalReason.ClaimMalformed)]
    public async Task A_username_that_is_no_text_is_refused(string expression, RefusalReason reason) =>
        Assert.Equal(reason, (await JudgeAsync($"username: {{expression: \"{expression}\"}}")).Refusal.Reason);

    [Theory]
    [InlineData("null", "")]
    [InlineData("''", "")]
    [InlineData("'one'", "one")]
    [InlineData("['a', '', 'b']", "a,b")]
    [InlineData("[]", "")]
    public async Task Groups_may_be_a_text_a_list_or_null(string expression, string groups) =>
        Assert.Equal(groups, string.Join(',', (await JudgeAsync($"username: {{expression: claims.sub}}\ngroups: {{expression: \"{expression}\"}}")).Value.User.Groups));

    [Theory]
    [InlineData("groups: {expression: '[1]'}")]
    [InlineData("groups: {expression: '1'}")]
    [InlineData("groups: {expression: 'claims.groups'}")]
    [InlineData("uid: {expression: '1'}")]
    [InlineData("extra: [{key: a.b/c, valueExpression: '{1: 2}'}]")]
    [InlineData("extra: [{key: a.b/c, valueExpression: 'claims.x'}]")]
    public async Task Anything_but_text_is_refused(string mapping) =>
        Assert.Equal(RefusalReason.ClaimMalformed, (await JudgeAsync($"username: {{expression: claims.sub}}\n{mapping}")).Refusal.Reason);

    [Theory]
    [InlineData("claims.env == 'prod'", false)]
    [InlineData("claims.env == 'dev'", true)]
    [InlineData("claims.absent == 'x'", true)]
    [InlineData("claims.exp - claims.nbf <= 300", false)]
    [InlineData("claims.exp - claims.nbf < 300", true)]
    public async Task Claim_rules_must_hold_and_an_error_is_no_yes(string rule, bool refused)
    {
        var outcome = await JudgeAsync("username: {claim: sub, prefix: ''}", $"claimValidationRules: [{{expression: \"{rule}\", message: inner text}}]", c => c["env"] = "prod");

        Assert.Equal(refused, outcome.IsRefused);
        if (refused)
        {
            Assert.Equal(RefusalReason.ConditionFailed, outcome.Refusal.Reason);
            Assert.Contains("inner text", outcome.Refusal.Detail, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("!user.username.startsWith('system:')", false)]
    [InlineData("user.username == 'ci:subject' && user.groups.all(g, g.startsWith('ci:'))", false)]
    [InlineData("user.extra['example.org/a'] == ['v'] && user.uid == 'subject'", false)]
    [InlineData("has(user.uid)", false)]
    [InlineData("user.groups.exists(g, g == 'admins')", true)]
    [InlineData("user.extra['absent'] == ['v']", true)]
    public async Task User_rules_judge_the_user_that_a_token_becomes(string rule, bool refused)
    {
        var outcome = await JudgeAsync(
            "username: {claim: sub, prefix: 'ci:'}\ngroups: {claim: groups, prefix: 'ci:'}\nuid: {claim: sub}\nextra: [{key: example.org/a, valueExpression: \"'v'\"}]",
            $"userValidationRules: [{{expression: \"{rule}\"}}]",
            c => c["groups"] = new JsonArray("a", "b"));

        Assert.Equal(refused, outcome.IsRefused);
        Assert.True(!refused || outcome.Refusal.Reason == RefusalReason.ConditionFailed);
    }

    [Fact]
    [Line("3.2")]
    public async Task What_an_expression_makes_is_reserved_as_any_other_name() =>
        Assert.Equal(RefusalReason.ScopeNotAllowed, (await JudgeAsync("username: {expression: \"'system:' + claims.sub\"}")).Refusal.Reason);

    [Fact]
    [Line("3.2")]
    public async Task User_rules_hold_for_access_entries_too()
    {
        var entries = AccessEntryFile.Parse(
            $$"""
            apiVersion: lanyard/v1
            kind: AccessEntries
            entries: [{name: a, issuer: "{{_issuer.Issuer}}", claims: {sub: subject}, username: "u:{sub}"}]
            """,
            "file");

        Assert.Equal(RefusalReason.ConditionFailed, (await JudgeAsync("username: {claim: sub, prefix: ''}", "userValidationRules: [{expression: \"user.username == 'v'\"}]", entries: entries)).Refusal.Reason);
    }

    private async Task<Outcome<ImpersonationHeaders>> JudgeAsync(
        string mappings, string more = "", Action<JsonObject>? change = null, IReadOnlyList<AccessEntry>? entries = null)
    {
        var yaml = $$"""
            apiVersion: apiserver.config.k8s.io/v1
            kind: AuthenticationConfiguration
            jwt:
            - issuer: {url: "{{_issuer.Issuer}}", audiences: [{{Audience}}]}
              claimMappings:
                {{mappings.ReplaceLineEndings("\n    ")}}
              {{more}}
            """;
        var rules = new AuthenticationRules(AuthenticationFile.Parse(yaml, "file"), entries, ReservedNames.None);
        var authentication = new TokenAuthentication(new TokenVerifier(TimeProvider.System), (_, _, _) => new(_issuer.Keys), rules, TimeProvider.System);
        var token = _issuer.Mint(Audience, change: change);
        return await authentication.AuthenticateAsync(new BearerToken(token, .., TokenHash.Of(token), null), default);
    }
}
