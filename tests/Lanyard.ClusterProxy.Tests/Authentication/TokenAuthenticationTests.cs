using System.Text.Json.Nodes;
using Lanyard.ClusterProxy.AccessEntries;
using Lanyard.ClusterProxy.Authentication;
using Lanyard.ClusterProxy.Impersonation;
using Lanyard.Identity;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Authentication;

/// <summary>Claims to user, by the behaviour of the API server's own OIDC authenticator (research §5.6).</summary>
[Line("3.1")]
public sealed class TokenAuthenticationTests : IAsyncLifetime
{
    private const string Audience = "k8s";
    private int _lookups;
    private TestIssuer _issuer = null!;

    public async ValueTask InitializeAsync() => _issuer = await TestIssuer.StartAsync();

    public ValueTask DisposeAsync() => _issuer.DisposeAsync();

    [Fact]
    public async Task User_groups_uid_and_credential_id_come_from_claims()
    {
        var user = (await JudgeAsync(c => (c["groups"], c["jti"], c["rid"]) = (new JsonArray("a", "b"), "7", "42"), uid: "rid")).Value.User;

        Assert.Equal(("gh:subject", "42"), (user.Name, user.Uid));
        Assert.Equal(["g:a", "g:b"], user.Groups);
        Assert.Equal([new ExtraValue(KubernetesUser.CredentialId, "JTI=7")], user.Extras);
    }

    [Theory]
    [InlineData("\"one\"", "g:one")]
    [InlineData("null", "")]
    [InlineData("[]", "")]
    public async Task Groups_may_be_one_text_or_none(string json, string groups)
    {
        var outcome = await JudgeAsync(c => c["groups"] = JsonNode.Parse(json));

        Assert.Equal(groups, string.Join(',', outcome.Value.User.Groups));
    }

    [Theory]
    [InlineData("groups", "7")]
    [InlineData("groups", "[1]")]
    [InlineData("groups", "{}")]
    [InlineData("groups", "[\"\", \"\\r\\nImpersonate-Group: system:masters\"]")]
    [InlineData("sub", "\"x\\r\\nImpersonate-Group: system:masters\"")]
    [InlineData("sub", "\"\"")]
    [InlineData("sub", "7")]
    [InlineData("_claim_names", "{\"groups\":\"src1\"}")]
    public async Task Claims_of_the_wrong_kind_are_refused(string claim, string json)
    {
        var outcome = await JudgeAsync(c => c[claim] = JsonNode.Parse(json));

        Assert.True(outcome.IsRefused);
        Assert.NotEqual(Stage.Policy, outcome.Refusal.Stage);
    }

    [Theory]
    [InlineData(null, false)]
    [InlineData("true", false)]
    [InlineData("false", true)]
    [InlineData("\"true\"", true)]
    public async Task An_email_is_a_name_only_if_it_is_not_said_to_be_unverified(string? verified, bool refused)
    {
        var outcome = await JudgeAsync(
            c =>
            {
                c["email"] = "a@b.example";
                if (verified is not null)
                {
                    c["email_verified"] = JsonNode.Parse(verified);
                }
            },
            username: new PrefixedClaim("email", ""));

        Assert.Equal(refused, outcome.IsRefused);
    }

    [Theory]
    [InlineData("system:masters", "", "x", true)]
    [InlineData("system:serviceaccount:a:b", "", "x", true)]
    [InlineData("system:node:n", "", "x", false)]
    [InlineData("admin", "", "system:masters", true)]
    [InlineData("admin", "", "system:authenticated", false)]
    [InlineData("admin", "", "system:listed", false)]
    [InlineData("masters", "system:", "x", true)]
    [InlineData("system:masters", "gh:", "x", false)]
    [Line("3.2")]
    public async Task Reserved_names_are_refused_after_prefixing_unless_listed(string subject, string prefix, string group, bool refused)
    {
        var outcome = await JudgeAsync(
            c => (c["sub"], c["groups"]) = (subject, group), new PrefixedClaim("sub", prefix), groupsPrefix: "", reserved: new ReservedNames(["system:node:*"], ["system:listed"]));

        Assert.Equal(refused, outcome.IsRefused);
        Assert.True(!refused || outcome.Refusal.Stage == Stage.Policy);
    }

    [Fact]
    public async Task A_required_claim_must_be_exactly_the_text()
    {
        var record = Record() with { RequiredClaims = [Identity.Trust.ClaimCondition.Exact("env", "prod")] };

        Assert.False((await JudgeAsync(c => c["env"] = "prod", record: record)).IsRefused);
        Assert.True((await JudgeAsync(c => c["env"] = "Prod", record: record)).IsRefused);
        Assert.True((await JudgeAsync(c => c["env"] = new JsonArray("prod"), record: record)).IsRefused);
        Assert.True((await JudgeAsync(null, record: record)).IsRefused);
    }

    [Fact]
    public async Task A_token_that_comes_again_is_remembered_until_the_rules_change()
    {
        var authentication = Authentication(Rules(Record()));
        var token = _issuer.Mint(Audience);

        for (var i = 0; i < 5; i++)
        {
            Assert.Equal("gh:subject", (await authentication.AuthenticateAsync(new BearerToken(token, .., TokenHash.Of(token), null), default)).Value.User.Name);
        }

        Assert.Equal(2, _lookups);
        authentication.Replace(Rules(Record() with { Audiences = ["other"] }));
        Assert.Equal(RefusalReason.AudienceMismatch, (await authentication.AuthenticateAsync(new BearerToken(token, .., TokenHash.Of(token), null), default)).Refusal.Reason);
    }

    [Fact]
    public async Task A_remembered_token_dies_at_its_exp()
    {
        var time = new ManualTime();
        await using var issuer = await TestIssuer.StartAsync(time);
        var record = Record() with { Issuer = issuer.Issuer };
        var authentication = new TokenAuthentication(new TokenVerifier(time), (_, _, _) => new(issuer.Keys), Rules(record), time);
        var token = issuer.Mint(Audience);

        for (var i = 0; i < 3; i++)
        {
            Assert.False((await authentication.AuthenticateAsync(new BearerToken(token, .., TokenHash.Of(token), null), default)).IsRefused);
        }

        time.Advance(TimeSpan.FromSeconds(331));

        Assert.Equal(RefusalReason.Expired, (await authentication.AuthenticateAsync(new BearerToken(token, .., TokenHash.Of(token), null), default)).Refusal.Reason);
    }

    [Fact]
    [Line("3.2")]
    public async Task Access_entries_alone_say_who_gets_in_and_as_whom()
    {
        var entries = AccessEntryFile.Parse(
            $$"""
            apiVersion: lanyard/v1
            kind: AccessEntries
            entries:
            - name: production
              issuer: {{_issuer.Issuer}}
              claims: {repository_id: "42", ref: {glob: "refs/heads/*"}, protected: true}
              username: "gh:{repository_id}"
              groups: [deployers, "owner:{owner_id}"]
              uid: "{repository_id}"
              extras: {example.org/ref: "{ref}"}
            - name: everybody
              issuer: {{_issuer.Issuer}}
              claims: {repository_id: "43"}
              username: "view:{repository_id}"
            """,
            "file");

        var outcome = await JudgeAsync(c => (c["repository_id"], c["ref"], c["protected"], c["owner_id"]) = ("42", "refs/heads/main", true, 7), entries: entries);
        var second = await JudgeAsync(c => c["repository_id"] = "43", entries: entries);

        Assert.Equal(("gh:42", "42"), (outcome.Value.User.Name, outcome.Value.User.Uid));
        Assert.Equal(["deployers", "owner:7"], outcome.Value.User.Groups);
        Assert.Contains(new ExtraValue("example.org/ref", "refs/heads/main"), outcome.Value.User.Extras);
        Assert.Equal("view:43", second.Value.User.Name);
        Assert.Equal(RefusalReason.NoMatchingPolicy, (await JudgeAsync(null, entries: entries)).Refusal.Reason);
        Assert.Equal(RefusalReason.NoMatchingPolicy, (await JudgeAsync(c => (c["repository_id"], c["ref"], c["protected"]) = ("42", "refs/heads/a/b", true), entries: entries)).Refusal.Reason);
        Assert.Equal(RefusalReason.ClaimMissing, (await JudgeAsync(c => (c["repository_id"], c["ref"], c["protected"]) = ("42", "refs/heads/a", true), entries: entries)).Refusal.Reason);
    }

    private TrustedIssuer Record() => JwtAuthenticatorReader.Record(_issuer.Issuer, [Audience]);

    private static AuthenticationRules Rules(TrustedIssuer record) => new([new(record, new("sub", "gh:"), new("groups", "g:"), null)], null, ReservedNames.None);

    private TokenAuthentication Authentication(AuthenticationRules rules) => new(
        new TokenVerifier(TimeProvider.System),
        (_, _, _) =>
        {
            _lookups++;
            return new ValueTask<Outcome<KeySet>>(_issuer.Keys);
        },
        rules,
        TimeProvider.System);

    private async Task<Outcome<ImpersonationHeaders>> JudgeAsync(
        Action<JsonObject>? change,
        PrefixedClaim? username = null,
        string groupsPrefix = "g:",
        string? uid = null,
        ReservedNames? reserved = null,
        TrustedIssuer? record = null,
        IReadOnlyList<AccessEntry>? entries = null)
    {
        var authenticator = new JwtAuthenticator(record ?? Record(), username ?? new("sub", "gh:"), new("groups", groupsPrefix), uid);
        var rules = new AuthenticationRules([authenticator], entries, reserved ?? ReservedNames.None);
        var token = _issuer.Mint(Audience, change: change);
        return await Authentication(rules).AuthenticateAsync(new BearerToken(token, .., TokenHash.Of(token), null), default);
    }
}
