using Lanyard.ClusterProxy.Authentication;
using Lanyard.ClusterProxy.Configuration;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Authentication;

[Line("3.1")]
[Line("6.2")]
public sealed class AuthenticationFileTests
{
    private const string Good = """
        apiVersion: apiserver.config.k8s.io/v1
        kind: AuthenticationConfiguration
        jwt:
        - issuer:
            url: https://token.actions.githubusercontent.com
            audiences: [a, b]
            audienceMatchPolicy: MatchAny
          claimValidationRules:
          - {claim: repository_owner, requiredValue: acme}
          claimMappings:
            username: {claim: sub, prefix: "gh:"}
            groups: {claim: groups, prefix: ""}
            uid: {claim: repository_id}
        - issuer:
            url: https://gitlab.example
            discoveryURL: https://gitlab.example/internal/.well-known/openid-configuration
            audiences: [a]
          claimMappings:
            username: {claim: sub, prefix: "gl:"}
        """;

    [Theory]
    [InlineData("v1")]
    [InlineData("v1beta1")]
    public void Both_versions_are_read(string version)
    {
        var read = AuthenticationFile.Parse(Good.Replace("/v1", $"/{version}", StringComparison.Ordinal), "file");

        Assert.Equal(["https://token.actions.githubusercontent.com", "https://gitlab.example"], read.Select(a => a.Issuer.Issuer));
        Assert.Equal(["a", "b"], read[0].Issuer.Audiences);
        Assert.Equal((new PrefixedClaim("sub", "gh:"), new PrefixedClaim("groups", ""), "repository_id"), (read[0].Username, read[0].Groups, read[0].UidClaim));
        Assert.Equal("repository_owner", read[0].Issuer.RequiredClaims.Single().Path.Text);
        Assert.Equal("https://gitlab.example/internal/.well-known/openid-configuration", read[1].Issuer.DiscoveryUrl);
    }

    [Theory]
    [InlineData("/v1\n", "/v1alpha1\n", "apiVersion: must be")]
    [InlineData("kind: A", "kind: B", "kind: must be")]
    [InlineData("jwt:", "anonymous: {enabled: true}\njwt:", "anonymous: this proxy never")]
    [InlineData("jwt:", "surprise: 1\njwt:", "surprise: unknown field")]
    [InlineData("jwt:", "jwt: []\nother:", "jwt: needs 1 to 64")]
    [InlineData("audienceMatchPolicy: MatchAny", "", "jwt[0].issuer.audienceMatchPolicy: must be MatchAny")]
    [InlineData("audiences: [a, b]", "audiences: [a, a]", "jwt[0].issuer.audiences: needs at least one")]
    [InlineData("audiences: [a, b]", "audiences: [1]", "jwt[0].issuer.audiences[0]: must be text")]
    [InlineData("audiences: [a, b]", "audience: [a]", "jwt[0].issuer.audience: unknown field")]
    [InlineData("https://gitlab.example\n", "http://gitlab.example\n", "jwt[1].issuer.url: must be an https URL")]
    [InlineData("https://gitlab.example\n", "https://gitlab.example?a=b\n", "jwt[1].issuer.url: must be an https URL")]
    [InlineData("https://gitlab.example\n", "https://token.actions.githubusercontent.com\n", "jwt[1].issuer.url: another authenticator")]
    [InlineData("prefix: \"gl:\"", "prefix: \"gh:\"", "jwt[1].claimMappings.username.prefix: another issuer has the prefix")]
    [InlineData("{claim: sub, prefix: \"gl:\"}", "{claim: sub}", "jwt[1].claimMappings.username.prefix: required with claim")]
    [InlineData("{claim: sub, prefix: \"gl:\"}", "{expression: claims.}", "jwt[1].claimMappings.username.expression: 1:")]
    [InlineData("{claim: sub, prefix: \"gl:\"}", "{expression: claims.sub, claim: sub}", "jwt[1].claimMappings.username.claim: not with expression")]
    [InlineData("{claim: sub, prefix: \"gl:\"}", "{expression: claims.sub, prefix: x}", "jwt[1].claimMappings.username.prefix: not with expression")]
    [InlineData("{claim: sub, prefix: \"gl:\"}", "{expression: claims.email}", "jwt[1].claimMappings.username.expression: uses claims.email")]
    [InlineData("uid: {claim: repository_id}", "uid: {expression: user.x}", "jwt[0].claimMappings.uid.expression: 1:")]
    [InlineData("{claim: sub, prefix: \"gl:\"}", "{claim: sub, prefix: x, sufix: y}", "jwt[1].claimMappings.username.sufix: unknown field")]
    [InlineData("uid: {claim: repository_id}", "extra: [{key: a.b/C, valueExpression: claims.sub}]", "jwt[0].claimMappings.extra[0].key: is lower-case")]
    [InlineData("uid: {claim: repository_id}", "extra: [{key: x.k8s.io/c, valueExpression: claims.sub}]", "jwt[0].claimMappings.extra[0].key: is lower-case")]
    [InlineData("uid: {claim: repository_id}", "extra: [{key: a.b/c}]", "jwt[0].claimMappings.extra[0].valueExpression: required")]
    [InlineData("uid: {claim: repository_id}", "extra: [{key: a.b/c, valueExpression: a}]", "jwt[0].claimMappings.extra[0].valueExpression: 1:1:")]
    [InlineData("{claim: repository_owner, requiredValue: acme}", "{expression: claims.active}", "jwt[0].claimValidationRules[0].expression: comes to dyn")]
    [InlineData("{claim: repository_owner, requiredValue: acme}", "{expression: \"true\", claim: a}", "jwt[0].claimValidationRules[0].claim: a rule has either")]
    [InlineData("{claim: repository_owner, requiredValue: acme}", "{claim: a, message: b}", "jwt[0].claimValidationRules[0].message: only with expression")]
    [InlineData("{claim: repository_owner, requiredValue: acme}", "{claim: a, requiredValue: true}", "jwt[0].claimValidationRules[0].requiredValue: must be text")]
    [InlineData("{claim: repository_owner, requiredValue: acme}", "{requiredValue: acme}", "jwt[0].claimValidationRules[0].claim: required")]
    [InlineData("  claimValidationRules:", "  userValidationRules: [{expression: user.name == 'a'}]\n  claimValidationRules:", "jwt[0].userValidationRules[0].expression: 1:")]
    [InlineData("  claimValidationRules:", "  userValidationRules: [{message: a}]\n  claimValidationRules:", "jwt[0].userValidationRules[0].expression: required")]
    [InlineData("  claimValidationRules:", "  userValidationRules: [{expression: \"true\"}, {expression: \"true\"}]\n  claimValidationRules:", "jwt[0].userValidationRules[1].expression: is there already")]
    [InlineData("discoveryURL: https://gitlab.example/internal", "certificateAuthority: nonsense\n    discoveryURL: https://gitlab.example/internal", "jwt[1].issuer.certificateAuthority: must be one or more PEM")]
    public void A_mistake_is_named_with_its_place(string old, string @new, string expected)
    {
        var yaml = Good.Replace(old, @new, StringComparison.Ordinal);
        Assert.NotEqual(Good, yaml);

        var thrown = Assert.Throws<ConfigurationException>(() => AuthenticationFile.Parse(yaml, "file"));

        Assert.Contains(expected, thrown.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("claims.email_verified ? claims.email : ''")]
    [InlineData("claims.email", "claims.email_verified")]
    public void A_name_of_a_mail_address_is_taken_when_its_verification_is_looked_at(string name, string? rule = null)
    {
        var yaml = Good.Replace("{claim: sub, prefix: \"gl:\"}", $"{{expression: \"{name}\"}}", StringComparison.Ordinal);
        yaml += rule is null ? "" : $"\n  claimValidationRules: [{{expression: \"{rule} == true\"}}]\n";

        Assert.Equal(name, AuthenticationFile.Parse(yaml, "file")[1].Expressions.Username!.Text);
    }

    [Fact]
    public void One_expression_for_two_issuers_must_look_at_the_issuer()
    {
        static string With(string expression) => Good.Replace("{claim: sub, prefix: \"gl:\"}", $"{{expression: \"{expression}\"}}", StringComparison.Ordinal)
            .Replace("{claim: sub, prefix: \"gh:\"}", $"{{expression: \"{expression}\"}}", StringComparison.Ordinal);

        var thrown = Assert.Throws<ConfigurationException>(() => AuthenticationFile.Parse(With("claims.sub"), "file"));

        Assert.Contains("jwt[1].claimMappings.username.expression: another issuer", thrown.Message, StringComparison.Ordinal);
        Assert.Equal(2, AuthenticationFile.Parse(With("claims.iss + '#' + claims.sub"), "file").Count);
    }

    [Fact]
    public void All_mistakes_come_at_once()
    {
        var yaml = Good.Replace("kind: A", "kind: B", StringComparison.Ordinal).Replace("audiences: [a]", "audiences: []", StringComparison.Ordinal)
            .Replace("{claim: repository_id}", "{claims: x}", StringComparison.Ordinal);

        var thrown = Assert.Throws<ConfigurationException>(() => AuthenticationFile.Parse(yaml, "file"));

        Assert.Contains("file has 4 mistake(s)", thrown.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("a: 1\n---\nb: 2")]
    [InlineData("a: 1\na: 2")]
    [InlineData("a: {")]
    public void What_is_no_single_object_is_refused(string yaml) => Assert.Throws<ConfigurationException>(() => AuthenticationFile.Parse(yaml, "file"));
}
