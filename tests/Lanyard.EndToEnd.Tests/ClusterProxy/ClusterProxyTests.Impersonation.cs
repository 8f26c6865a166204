using System.Net;
using Lanyard.Testing;
using Xunit;
using static Lanyard.EndToEnd.Tests.ClusterProxy.AuditFiles;

namespace Lanyard.EndToEnd.Tests.ClusterProxy;

/// <summary>Who asks to be somebody else: on the same cluster, whose start takes longer than all of these.</summary>
public sealed partial class ClusterProxyTests
{
    [Theory]
    [InlineData("--as=someone")]
    [InlineData("--as=system:serviceaccount:kube-system:default")]
    [InlineData("--as=someone --as-group=system:masters")]
    [InlineData("--as=<a&b>")]
    [Line("3.4")]
    public async Task A_denied_as_is_the_same_bytes_as_from_the_API_server_itself(string flags)
    {
        var @namespace = await NewServiceAccountAsync("asker");
        var through = await proxied.Cluster.RequestTokenAsync(@namespace, "asker", [ProxiedCluster.Audience]);
        var direct = await proxied.Cluster.RequestTokenAsync(@namespace, "asker", []);
        if (flags.Contains("--as-group", StringComparison.Ordinal))
        {
            await AllowImpersonationAsync(@namespace, RuleFor("users"));
        }

        using var ours = ClientOf(through);
        using var real = proxied.Cluster.CreateClient(direct);
        foreach (var client in new[] { ours, real })
        {
            foreach (var flag in flags.Split(' '))
            {
                client.DefaultRequestHeaders.TryAddWithoutValidation(flag.StartsWith("--as-group=", StringComparison.Ordinal) ? "Impersonate-Group" : "Impersonate-User", flag[(flag.IndexOf('=', StringComparison.Ordinal) + 1)..]);
            }
        }

        using var answer = await ours.GetAsync(new Uri("/api/v1/pods", UriKind.Relative));
        using var reference = await real.GetAsync(new Uri("/api/v1/pods", UriKind.Relative));

        Assert.Equal(HttpStatusCode.Forbidden, reference.StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        Assert.Equal(await reference.Content.ReadAsStringAsync(), await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    [Line("3.4")]
    public async Task A_holder_of_impersonate_serviceaccounts_becomes_that_account_and_nothing_else()
    {
        var @namespace = await NewServiceAccountAsync("asker");
        var token = await proxied.Cluster.RequestTokenAsync(@namespace, "asker", [ProxiedCluster.Audience]);
        await AllowImpersonationAsync(@namespace, RuleFor("serviceaccounts"));

        var allowed = await proxied.KubectlAsync(token, "auth", "can-i", "get", "pods", "-n", @namespace, $"--as=system:serviceaccount:{@namespace}:default");
        var user = await proxied.KubectlAsync(token, "get", "pods", $"--as=someone");

        Assert.Equal("no", allowed.Output.Trim());
        Assert.DoesNotContain("cannot impersonate", allowed.Errors, StringComparison.Ordinal);
        Assert.Contains("cannot impersonate resource \"users\"", user.Errors, StringComparison.Ordinal);
    }

    [Fact]
    [Line("3.4")]
    [Line("3.8")]
    public async Task Who_may_impersonate_a_user_a_group_and_an_extra_does_so_and_both_audits_name_the_two()
    {
        var @namespace = await NewServiceAccountAsync("asker");
        var account = $"system:serviceaccount:{@namespace}:asker";
        await AllowImpersonationAsync(
            @namespace,
            """{apiGroups: [""], resources: [users], resourceNames: [someone], verbs: [impersonate]}""",
            """{apiGroups: [""], resources: [groups], resourceNames: ["ci:deployers"], verbs: [impersonate]}""",
            "{apiGroups: [authentication.k8s.io], resources: [userextras/example.org/team], resourceNames: [blue], verbs: [impersonate]}");
        var token = await proxied.Cluster.RequestTokenAsync(@namespace, "asker", [ProxiedCluster.Audience]);

        using var allowed = await AskAsync(token, "blue");
        using var refused = await AskAsync(token, "red");

        Assert.Equal(HttpStatusCode.OK, allowed.StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
        var id = allowed.Headers.GetValues("Audit-Id").Single();
        var ours = await EventAsync(proxied.ProxyAudit, e => Text(e, "auditID") == id);
        var theirs = await EventAsync(proxied.ApiServerAudit, e => Text(e, "auditID") == id);
        Assert.Equal((account, "someone"), (Text(ours, "user", "username"), Text(ours, "impersonatedUser", "username")));
        Assert.Equal("someone", Text(theirs, "impersonatedUser", "username"));
        Assert.Equal(account, theirs["impersonatedUser"]!["extra"]!["originaluser.jetstack.io-user"]![0]!.GetValue<string>());
        Assert.Equal("blue", theirs["impersonatedUser"]!["extra"]!["example.org/team"]![0]!.GetValue<string>());
    }

    private async Task<HttpResponseMessage> AskAsync(string token, string team)
    {
        using var client = ClientOf(token);
        client.DefaultRequestHeaders.Add("Impersonate-User", "someone");
        client.DefaultRequestHeaders.Add("Impersonate-Group", "ci:deployers");
        client.DefaultRequestHeaders.Add("Impersonate-Extra-Example.org%2Fteam", team);
        return await client.GetAsync(new Uri($"/api/v1/namespaces/{ProxiedCluster.Namespace}/configmaps", UriKind.Relative));
    }

    /// <summary>All of one kind.</summary>
    private static string RuleFor(string resource) => $$"""{apiGroups: [""], resources: [{{resource}}], verbs: [impersonate]}""";

    private Task AllowImpersonationAsync(string @namespace, params string[] rules) => proxied.ApplyAsync($$"""
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRole
        metadata: {name: {{@namespace}}}
        rules: [{{string.Join(", ", rules)}}]
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRoleBinding
        metadata: {name: {{@namespace}}}
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {{@namespace}}}
        subjects: [{kind: ServiceAccount, name: asker, namespace: {{@namespace}}}]
        """);
}
