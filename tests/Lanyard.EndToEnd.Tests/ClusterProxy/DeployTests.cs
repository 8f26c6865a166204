using System.Text.Json.Nodes;
using Lanyard.EndToEnd.Tests.Kubernetes;
using Lanyard.Testing.Kube;
using Lanyard.Testing.Processes;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.EndToEnd.Tests.ClusterProxy;

/// <summary>The manifests of <c>deploy/</c>, with every kubectl, on a real API server.</summary>
[Needs("kube")]
[Needs("kubectl-1.20")]
[Line("3.10")]
public sealed class DeployTests(KubeCluster cluster) : IClassFixture<KubeCluster>
{
    private const string Authentication = "authentication.k8s.io";

    private static string Folder(string name) => Repo.At("deploy", "kubernetes", "cluster-proxy", name);

    [Theory]
    [InlineData("overlays/clusterip")]
    [InlineData("overlays/nodeport")]
    [InlineData("overlays/ingress")]
    [InlineData("overlays/egress")]
    [InlineData("client-impersonation")]
    [InlineData("token-passthrough")]
    public async Task Every_kubectl_applies_it_for_real(string overlay)
    {
        foreach (var kubectl in await KubectlOnPath.AllAsync())
        {
            var said = await Command.RunAsync(kubectl, ["--kubeconfig", cluster.KubeconfigPath, "apply", "-k", Folder(overlay)], deadline: TimeSpan.FromMinutes(2));

            Assert.Contains("lanyard-cluster-proxy", said.Succeeded(), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("clusterip")]
    [InlineData("nodeport")]
    [InlineData("ingress")]
    [InlineData("gateway")]
    [InlineData("egress")]
    public async Task Every_kubectl_renders_the_same_objects(string overlay)
    {
        var rendered = new List<string>();
        foreach (var kubectl in await KubectlOnPath.AllAsync())
        {
            rendered.Add(string.Join('\n', (await RenderAsync(kubectl, overlay)).Order(StringComparer.Ordinal)));
        }

        Assert.Single(rendered.Distinct());
        Assert.True(overlay != "gateway" || rendered[0].Contains("TLSRoute", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_proxys_account_may_impersonate_and_nothing_else()
    {
        (await cluster.KubectlAsync("delete", "clusterrole", "lanyard-cluster-proxy-as", "lanyard-cluster-proxy-passthrough", "--ignore-not-found")).Succeeded();
        await ApplyAsync("overlays/clusterip");
        var token = await cluster.RequestTokenAsync("lanyard", "cluster-proxy", []);

        Assert.True(await CanAsync(token, "impersonate", "", "users"));
        Assert.True(await CanAsync(token, "impersonate", "", "groups"));
        Assert.True(await CanAsync(token, "impersonate", Authentication, "userextras", "authentication.kubernetes.io/credential-id"));
        Assert.False(await CanAsync(token, "impersonate", Authentication, "userextras", "example.org/other"));
        Assert.False(await CanAsync(token, "impersonate", "", "serviceaccounts"));
        foreach (var resource in (string[])["secrets", "pods", "nodes", "configmaps"])
        {
            Assert.False(await CanAsync(token, "list", "", resource));
        }

        Assert.False(await CanAsync(token, "create", "authorization.k8s.io", "subjectaccessreviews"));
        Assert.False(await CanAsync(token, "create", Authentication, "tokenreviews"));
        await ApplyAsync("client-impersonation");
        await ApplyAsync("token-passthrough");
        Assert.True(await CanAsync(token, "create", "authorization.k8s.io", "subjectaccessreviews"));
        Assert.True(await CanAsync(token, "impersonate", "", "serviceaccounts"));
        Assert.True(await CanAsync(token, "create", Authentication, "tokenreviews"));
    }

    /// <summary>The printed role has the name of the overlay's, and takes its place.</summary>
    [Fact]
    [Line("3.2")]
    public async Task With_the_printed_RBAC_the_proxys_account_becomes_nobody_but_whom_the_entries_name()
    {
        (await cluster.KubectlAsync("delete", "clusterrole", "lanyard-cluster-proxy-as", "lanyard-cluster-proxy-passthrough", "--ignore-not-found")).Succeeded();
        await ApplyAsync("overlays/clusterip");
        await ApplyPrintedAsync(
            "--access-entries",
            "apiVersion: lanyard/v1\nkind: AccessEntries\nentries:\n- {name: shop, issuer: \"https://issuer.example\", claims: {repository_id: \"1\"}, username: \"shop:{repository_id}\"}\n");
        var token = await cluster.RequestTokenAsync("lanyard", "cluster-proxy", []);

        Assert.True(await CanAsync(token, "impersonate", "", "users", name: "shop:1"));
        Assert.False(await CanAsync(token, "impersonate", "", "users", name: "shop:2"));
        Assert.False(await CanAsync(token, "impersonate", "", "groups", name: "system:masters"));
        Assert.True(await CanAsync(token, "impersonate", Authentication, "userextras", "authentication.kubernetes.io/credential-id"));
    }

    [Fact]
    public async Task With_the_RBAC_printed_of_claim_mappings_the_proxys_account_becomes_whom_they_make_with_uid_and_extras()
    {
        await ApplyAsync("overlays/clusterip");
        await ApplyPrintedAsync(
            "--authentication-config",
            "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt:\n- issuer: {url: \"https://issuer.example\", audiences: [k8s]}\n"
            + "  claimMappings: {username: {claim: sub, prefix: \"ci:\"}, uid: {claim: id}, extra: [{key: example.org/ref, valueExpression: claims.ref}]}\n",
            "--extra-user-header-client-ip");
        var token = await cluster.RequestTokenAsync("lanyard", "cluster-proxy", []);

        Assert.True(await CanAsync(token, "impersonate", "", "users", name: "ci:1"));
        Assert.False(await CanAsync(token, "impersonate", "", "groups", name: "system:masters"));
        Assert.True(await CanAsync(token, "impersonate", Authentication, "uids"));
        foreach (var key in (string[])["example.org/ref", "remote-client-ip", "authentication.kubernetes.io/credential-id"])
        {
            Assert.True(await CanAsync(token, "impersonate", Authentication, "userextras", key));
        }

        Assert.False(await CanAsync(token, "impersonate", Authentication, "userextras", "example.org/other"));
    }

    [Fact]
    public async Task The_pod_is_no_root_writes_nothing_and_is_walled_in()
    {
        await ApplyAsync("overlays/clusterip");
        var pod = (await GetAsync("deployment"))["spec"]!["template"]!["spec"]!;
        var container = pod["containers"]![0]!["securityContext"]!;
        var policy = (await GetAsync("networkpolicy"))["spec"]!;

        Assert.True(pod["securityContext"]!["runAsNonRoot"]!.GetValue<bool>());
        Assert.True(container["readOnlyRootFilesystem"]!.GetValue<bool>());
        Assert.False(container["allowPrivilegeEscalation"]!.GetValue<bool>());
        Assert.Equal("[\"ALL\"]", container["capabilities"]!["drop"]!.ToJsonString());
        Assert.Equal("[\"Ingress\",\"Egress\"]", policy["policyTypes"]!.ToJsonString());
        Assert.Equal([53, 53, 443, 6443], PortsOut(policy));
        Assert.Equal("restricted", JsonNode.Parse((await cluster.KubectlAsync("get", "namespace", "lanyard", "-o", "json")).Succeeded())!["metadata"]!["labels"]!["pod-security.kubernetes.io/enforce"]!.GetValue<string>());
    }

    [Fact]
    public async Task Further_ports_are_let_out_beside_the_usual_ones()
    {
        await ApplyAsync("overlays/egress");

        Assert.Equal([53, 53, 443, 6443, 7700, 4318], PortsOut((await GetAsync("networkpolicy"))["spec"]!));
    }

    /// <summary>Helm's own program is not needed: its templates are Go's, with sprig.</summary>
    [Theory]
    [Needs("golang")]
    [InlineData("clusterip")]
    [InlineData("nodeport", "service.type=NodePort")]
    [InlineData("ingress", "ingress.enabled=true")]
    [InlineData("gateway", "gateway.enabled=true")]
    [InlineData("egress", "extraEgressPorts=[7700, 4318]")]
    public async Task The_Helm_chart_makes_the_same_objects_as_the_overlay(string overlay, params string[] values)
    {
        var chart = await HelmAsync(values);
        var kustomized = await RenderAsync("kubectl", overlay);

        Assert.Equal(kustomized.Where(o => !o.StartsWith("Namespace ", StringComparison.Ordinal)).Order(StringComparer.Ordinal), chart.Order(StringComparer.Ordinal));
    }

    [Fact]
    [Needs("golang")]
    public async Task The_Helm_charts_switches_add_what_the_overlays_extra_folders_have()
    {
        var chart = await HelmAsync("clientImpersonation=true", "tokenPassthrough=true");

        foreach (var folder in (string[])["client-impersonation", "token-passthrough"])
        {
            Assert.Empty((await RenderAsync("kubectl", "../" + folder)).Except(chart));
        }

        Assert.Contains(chart, o => o.StartsWith("Deployment ", StringComparison.Ordinal) && o.Contains("\"--token-passthrough\"", StringComparison.Ordinal));
    }

    [Fact]
    [Needs("golang")]
    [Line("3.2")]
    public async Task The_Helm_chart_brings_further_files_arguments_and_volumes_and_leaves_the_role_to_the_printed_one()
    {
        var chart = await HelmAsync(
            "files={access-entries.yaml: \"kind: AccessEntries\\nentries: []\\n\", audit-policy.yaml: x}", "extraArguments=[--access-entries=/etc/lanyard/access-entries.yaml]",
            "volumes=[{name: hook, secret: {secretName: audit-hook}}]", "volumeMounts=[{name: hook, mountPath: /etc/hook}]", "rbac=false", "tokenPassthrough=true");
        var deployment = Assert.Single(chart, o => o.StartsWith("Deployment ", StringComparison.Ordinal));

        Assert.Contains("ConfigMap access-entries.yaml,audit-policy.yaml,authentication.yaml", chart);
        Assert.Contains("\"--access-entries=/etc/lanyard/access-entries.yaml\"", deployment, StringComparison.Ordinal);
        Assert.Contains("{\"mountPath\":\"/etc/hook\",\"name\":\"hook\"}", deployment, StringComparison.Ordinal);
        Assert.Contains("{\"name\":\"hook\",\"secret\":{\"secretName\":\"audit-hook\"}}", deployment, StringComparison.Ordinal);
        Assert.Contains(chart, o => o.StartsWith("ServiceAccount ", StringComparison.Ordinal));
        Assert.Equal(2, chart.Count(o => o.StartsWith("ClusterRole", StringComparison.Ordinal) && o.Contains("lanyard-cluster-proxy-passthrough", StringComparison.Ordinal)));
        Assert.Equal(2, chart.Count(o => o.StartsWith("ClusterRole", StringComparison.Ordinal)));
    }

    private static IEnumerable<int> PortsOut(JsonNode policy) => policy["egress"]!.AsArray().SelectMany(static rule => rule!["ports"]!.AsArray()).Select(static port => port!["port"]!.GetValue<int>());

    private static Task<List<string>> HelmAsync(params string[] values) => Rendered.HelmAsync("lanyard-cluster-proxy", values);

    private Task<List<string>> RenderAsync(string kubectl, string overlay) => Rendered.KustomizeAsync(cluster, kubectl, Folder($"overlays/{overlay}"));

    private async Task ApplyPrintedAsync(string source, string text, params string[] more)
    {
        var folder = Directory.CreateTempSubdirectory("lanyard-rbac-");
        var (file, rbac) = (Path.Combine(folder.FullName, "source.yaml"), Path.Combine(folder.FullName, "rbac.yaml"));
        await File.WriteAllTextAsync(file, text);
        await File.WriteAllTextAsync(rbac, (await Command.RunAsync(Repo.Lanyard, ["access-entry", "rbac", source, file, .. more])).Succeeded());
        (await cluster.KubectlAsync("apply", "-f", rbac)).Succeeded();
        folder.Delete(recursive: true);
    }

    private async Task ApplyAsync(string overlay) => (await cluster.KubectlAsync("apply", "-k", Folder(overlay))).Succeeded();

    private async Task<JsonNode> GetAsync(string kind) => JsonNode.Parse((await cluster.KubectlAsync("get", kind, "cluster-proxy", "-n", "lanyard", "-o", "json")).Succeeded())!;

    private async Task<bool> CanAsync(string token, string verb, string group, string resource, string subresource = "", string name = "")
    {
        using var client = cluster.CreateClient(token);
        var attributes = new JsonObject { ["verb"] = verb, ["group"] = group, ["resource"] = resource, ["subresource"] = subresource, ["name"] = name };
        var review = new JsonObject
        {
            ["apiVersion"] = "authorization.k8s.io/v1",
            ["kind"] = "SelfSubjectAccessReview",
            ["spec"] = new JsonObject { ["resourceAttributes"] = attributes },
        };
        using var content = new StringContent(review.ToJsonString(), System.Text.Encoding.UTF8, "application/json");
        using var answer = await client.PostAsync(new Uri("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", UriKind.Relative), content);
        return JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["status"]!["allowed"]!.GetValue<bool>();
    }
}
