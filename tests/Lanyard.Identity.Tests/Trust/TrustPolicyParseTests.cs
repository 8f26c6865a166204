using System.Text;
using Lanyard.Identity.Trust;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Trust;

[Line("2.4")]
public sealed class TrustPolicyParseTests
{
    [Fact]
    public void Every_mistake_of_a_document_is_reported_at_once_with_its_place()
    {
        var mistakes = Mistakes(
            """
            {
              "issuer": 7,
              "audiences": [],
              "claim": {"sub": "typo"},
              "claims": {
                "sub": {"glob": "repo:acme/**"},
                "ref": {"glob": ["refs/heads/*", 5, "*"]},
                "actor": {"regex": ".*"},
                "environment": {"glob": "a", "contains": "b"},
                "repository": "acme/*",
                "groups": {"contains": []},
                "workflow": null,
                "run_number": 1.5,
                "a..b": "x",
                "event_name": ["push", ""]
              },
              "condition": "claims.sub == ",
              "principal": "ci:{repository",
              "allow": {"roles": ["owner", "viewer"], "audiences": "https://sts.example", "scopes": ["x"]}
            }
            """);

        Assert.Equal(
            [
                "allow.audiences", "allow.roles", "allow.scopes", "audiences", "claim", "claims.a..b", "claims.actor", "claims.environment", "claims.event_name[1]",
                "claims.groups.contains", "claims.ref.glob[1]", "claims.ref.glob[2]", "claims.repository", "claims.run_number", "claims.sub.glob", "claims.workflow",
                "condition", "issuer", "principal",
            ],
            mistakes.Select(m => m.Path).Order(StringComparer.Ordinal));
        Assert.All(mistakes, m => Assert.NotEmpty(m.Text));
    }

    [Theory]
    [InlineData("""{}""", "allow claims issuer")]
    [InlineData("""[]""", "")]
    [InlineData("""null""", "")]
    [InlineData("""{"issuer":"ci","claims":{},"allow":{"roles":["viewer"]}}""", "claims")]
    [InlineData("""{"issuer":"ci","claims":[],"allow":{"roles":["viewer"]}}""", "claims")]
    [InlineData("""{"issuer":"ci","claims":{"sub":"a"},"allow":{}}""", "allow")]
    [InlineData("""{"issuer":"ci","claims":{"sub":"a"},"allow":[]}""", "allow")]
    [InlineData("""{"issuer":"ci","claims":{"sub":"a"},"allow":{"roles":["Admin"]}}""", "allow.roles")]
    [InlineData("""{"issuer":"ci","claims":{"sub":[]},"allow":{"roles":["admin"]}}""", "claims.sub")]
    [InlineData("""{"issuer":"ci","claims":{"sub":""},"allow":{"roles":["admin"]}}""", "claims.sub")]
    [InlineData("""{"issuer":"ci","claims":{"sub":"a"},"Principal":"x","allow":{"roles":["admin"]}}""", "Principal")]
    [InlineData("""{"issuer":"ci","claims":{"sub":"a"},"principal":"x}","allow":{"roles":["admin"]}}""", "principal")]
    [InlineData("""{"issuer":"ci","claims":{"sub":"a"},"principal":"{}","allow":{"roles":["admin"]}}""", "principal")]
    [InlineData("""{"issuer":"ci","claims":{"sub":"a"},"principal":"{a","allow":{"roles":["admin"]}}""", "principal")]
    public void A_document_with_one_mistake_is_refused_for_that_one(string json, string paths)
    {
        Assert.Equal(paths, string.Join(' ', Mistakes(json).Select(m => m.Path).Order(StringComparer.Ordinal)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("""{"issuer":"a"} x""")]
    [InlineData("""{"issuer":"a","issuer":"b","claims":{"sub":"a"},"allow":{"roles":["admin"]}}""")]
    [InlineData("""{"issuer":"a","claims":{"sub":"a","sub":"b"},"allow":{"roles":["admin"]}}""")]
    [InlineData("""{"issuer":"a","claims":{"sub":"a"},"allow":{"roles":["viewer"],"roles":["admin"]}}""")]
    [InlineData("""{"issuer":"a","claims":{"sub":[[[[[[[[[[["a"]]]]]]]]]]]},"allow":{"roles":["admin"]}}""")]
    public void What_can_be_read_in_two_ways_or_not_at_all_is_refused(string json) => Assert.NotEmpty(Mistakes(json));

    [Fact]
    public void Lists_names_and_claims_are_bounded()
    {
        var claims = string.Join(',', Enumerable.Range(0, ConditionReader.MaxClaims + 1).Select(i => $"\"c{i}\":\"x\""));
        var values = string.Join(',', Enumerable.Range(0, ConditionReader.MaxValues + 1).Select(i => $"\"v{i}\""));
        Assert.Equal("claims", Assert.Single(Mistakes($$$"""{"issuer":"ci","claims":{{{{claims}}}},"allow":{"roles":["viewer"]}}""")).Path);
        Assert.Equal("claims.sub", Assert.Single(Mistakes($$$"""{"issuer":"ci","claims":{"sub":[{{{values}}}]},"allow":{"roles":["viewer"]}}""")).Path);
        Assert.Equal("claims.sub", Assert.Single(Mistakes($$$"""{"issuer":"ci","claims":{"sub":"{{{new string('x', 2000)}}}"},"allow":{"roles":["viewer"]}}""")).Path);
        Assert.Equal("principal", Assert.Single(Mistakes($$$"""{"issuer":"ci","claims":{"sub":"x"},"principal":"{{{new string('x', 256)}}}","allow":{"roles":["viewer"]}}""")).Path);
    }

    [Fact]
    public void A_good_document_gives_everything_that_it_says()
    {
        var (policy, mistakes) = TrustPolicy.Parse(Encoding.UTF8.GetBytes(
            """{"issuer":"github","claims":{"sub":"a"},"allow":{"roles":["operator","viewer"],"audiences":["sts.amazonaws.com"],"introspect":["https://api.example"]}}"""));

        Assert.Empty(mistakes);
        Assert.Equal("github", policy!.Issuer);
        Assert.Equal(["operator", "viewer"], policy.Roles);
        Assert.Equal(["sts.amazonaws.com"], policy.AllowedAudiences);
        Assert.Equal(["https://api.example"], policy.Introspects);
    }

    private static IReadOnlyList<PolicyMistake> Mistakes(string json)
    {
        var (policy, mistakes) = TrustPolicy.Parse(Encoding.UTF8.GetBytes(json));
        Assert.Equal(policy is null, mistakes.Count > 0);
        return mistakes;
    }
}
