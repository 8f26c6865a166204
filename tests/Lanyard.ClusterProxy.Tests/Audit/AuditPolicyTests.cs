using Lanyard.ClusterProxy.Audit;
using Lanyard.ClusterProxy.Configuration;
using Lanyard.ClusterProxy.Requests;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Audit;

[Line("3.8")]
public sealed class AuditPolicyTests
{
    private const string Good = """
        apiVersion: audit.k8s.io/v1
        kind: Policy
        omitStages: [RequestReceived]
        rules:
        - {level: None, users: [quiet], verbs: [get]}
        - {level: None, userGroups: [machines]}
        - level: Request
          resources:
          - {group: "", resources: [secrets, "pods/*", "*/status"]}
          - {group: apps, resources: [deployments], resourceNames: [one]}
          namespaces: [prod]
        - {level: RequestResponse, nonResourceURLs: ["/healthz*", /version], omitStages: [ResponseStarted]}
        - {level: Metadata, verbs: [create]}
        """;

    [Theory]
    [InlineData("GET", "/api/v1/pods", "quiet", "None")]
    [InlineData("GET", "/version", "machine", "None")]
    [InlineData("GET", "/api/v1/namespaces/prod/secrets/s", "x", "Request")]
    [InlineData("GET", "/api/v1/namespaces/test/secrets/s", "x", "None")]
    [InlineData("GET", "/api/v1/namespaces/prod%2Fsecrets%2Fs", "x", "Request")]
    [InlineData("GET", "/%68ealthz/etcd", "x", "RequestResponse")]
    [InlineData("GET", "/api/v1/namespaces/prod/pods/p/log", "x", "Request")]
    [InlineData("GET", "/api/v1/namespaces/prod/pods/p", "x", "Request")]
    [InlineData("GET", "/api/v1/namespaces/prod/configmaps/p", "x", "None")]
    [InlineData("PUT", "/api/v1/namespaces/prod/services/s/status", "x", "Request")]
    [InlineData("GET", "/apis/apps/v1/namespaces/prod/deployments/one", "x", "Request")]
    [InlineData("GET", "/apis/apps/v1/namespaces/prod/deployments/two", "x", "None")]
    [InlineData("GET", "/healthz/etcd", "x", "RequestResponse")]
    [InlineData("GET", "/version", null, "RequestResponse")]
    [InlineData("GET", "/versions", "x", "None")]
    [InlineData("POST", "/api/v1/namespaces/test/pods", "quiet", "Metadata")]
    public void The_first_rule_that_matches_decides(string method, string target, string? user, string level)
    {
        var groups = user == "machine" ? new[] { "machines" } : [];

        Assert.Equal(level, AuditPolicyFile.Parse(Good, "file").Judge(RequestInfo.Parse(method, target), user, groups).Level.ToString());
    }

    [Fact]
    public void Stages_are_left_out_by_rule_and_by_policy() =>
        Assert.Equal(AuditStages.RequestReceived | AuditStages.ResponseStarted, AuditPolicyFile.Parse(Good, "file").Judge(RequestInfo.Parse("GET", "/version"), "x", []).Omit);

    [Theory]
    [InlineData("audit.k8s.io/v1", "audit.k8s.io/v1beta1", "apiVersion: must be")]
    [InlineData("kind: Policy", "kind: Rules", "kind: must be Policy")]
    [InlineData("level: Metadata", "level: Everything", "rules[4].level: must be")]
    [InlineData("level: Metadata, ", "", "rules[4].level: required")]
    [InlineData("[ResponseStarted]", "[Response]", "rules[3].omitStages: \"Response\" is none of")]
    [InlineData("/version]", "version]", "rules[3].nonResourceURLs: \"version\" must begin")]
    [InlineData("/version]", "\"/a*b\"]", "rules[3].nonResourceURLs: \"/a*b\" must begin")]
    [InlineData("verbs: [create]", "verb: [create]", "rules[4].verb: unknown field")]
    [InlineData("resources: [deployments], ", "", "rules[2].resources[1].resourceNames: needs resources")]
    [InlineData("group: apps", "group: apps/v1", "rules[2].resources[1].group: is a group")]
    [InlineData("nonResourceURLs:", "namespaces: [a], nonResourceURLs:", "rules[3].nonResourceURLs: not together")]
    public void Mistakes_are_named_with_their_place(string old, string @new, string expected)
    {
        var yaml = Good.Replace(old, @new, StringComparison.Ordinal);
        Assert.NotEqual(Good, yaml);

        Assert.Contains(expected, Assert.Throws<ConfigurationException>(() => AuditPolicyFile.Parse(yaml, "file")).Message, StringComparison.Ordinal);
    }

    /// <summary>As the API server's own policy checker (<c>apiserver/pkg/audit/policy</c>): <c>*</c> is a wildcard of resources and URLs; a verb is compared, and every verb is an empty list.</summary>
    [Theory]
    [InlineData("verbs: [\"*\"]", "None")]
    [InlineData("verbs: [\"*\", get]", "Metadata")]
    [InlineData("verbs: []", "Metadata")]
    [InlineData("users: [\"*\"]", "None")]
    [InlineData("userGroups: [\"*\"]", "None")]
    [InlineData("namespaces: [\"*\"]", "None")]
    [InlineData("resources: [{group: \"*\", resources: [pods]}]", "None")]
    [InlineData("resources: [{group: \"\", resources: [\"*\"]}]", "Metadata")]
    [InlineData("resources: [{group: \"\", resources: [\"*\"], resourceNames: [\"*\"]}]", "None")]
    public void A_star_stands_for_all_only_where_it_does_for_the_API_server(string condition, string level)
    {
        var policy = AuditPolicyFile.Parse($"apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Metadata\n  {condition}", "file");

        Assert.Equal(level, policy.Judge(RequestInfo.Parse("GET", "/api/v1/namespaces/prod/pods/p"), "x", ["g"]).Level.ToString());
    }

    [Fact]
    public void A_policy_without_rules_is_a_mistake() =>
        Assert.Throws<ConfigurationException>(() => AuditPolicyFile.Parse("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: []", "file"));
}
