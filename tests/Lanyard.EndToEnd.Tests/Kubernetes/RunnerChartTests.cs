using System.Text.Json.Nodes;
using Lanyard.EndToEnd.Tests.ClusterProxy;
using Lanyard.Testing;
using Lanyard.Testing.Kube;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Kubernetes;

/// <summary>The runner by Helm and by Kustomize, with every kubectl.</summary>
[Needs("kube")]
[Needs("kubectl-1.20")]
[Line("5.1")]
public sealed class RunnerChartTests(KubeCluster cluster) : IClassFixture<KubeCluster>
{
    private static string Overlay => Repo.At("deploy", "kubernetes", "runner-example");

    [Fact]
    [Needs("golang")]
    public async Task The_Helm_chart_makes_the_same_objects_as_the_overlay_whatever_kubectl_renders_it()
    {
        var chart = (await Rendered.HelmAsync("lanyard-runner", "workspace=acme")).Order(StringComparer.Ordinal);

        Assert.Equal(6, chart.Count());
        foreach (var kubectl in await KubectlOnPath.AllAsync())
        {
            Assert.Equal((await Rendered.KustomizeAsync(cluster, kubectl, Overlay)).Order(StringComparer.Ordinal), chart);
        }
    }

    [Fact]
    [Needs("golang")]
    public async Task Values_say_the_instance_its_authorities_and_what_the_runner_allows()
    {
        var chart = await Rendered.HelmAsync(
            "lanyard-runner", "server=https://lanyard.acme.example", "workspace=acme-platform", "image=registry.acme.example/lanyard:2", "stepImage=busybox:1", "authorities=PEM", "replicas=3",
            "allowServiceAccounts=[deployer]", "extraArguments=['--concurrency=20']");
        var deployment = Assert.Single(chart, o => o.StartsWith("Deployment ", StringComparison.Ordinal));
        var settings = Assert.Single(chart, o => o.StartsWith("ConfigMap ", StringComparison.Ordinal));

        foreach (var text in (string[])["\"audience\":\"https://lanyard.acme.example\"", "\"--allow-service-account=deployer\"", "\"--concurrency=20\"", "\"replicas\":3", "\"image\":\"registry.acme.example/lanyard:2\""])
        {
            Assert.Contains(text, deployment, StringComparison.Ordinal);
        }

        foreach (var text in (string[])["https://lanyard.acme.example", "\"LANYARD_WORKSPACE\":\"acme-platform\"", "registry.acme.example/lanyard:2", "busybox:1", "PEM", "LANYARD_CA_FILE"])
        {
            Assert.Contains(text, settings, StringComparison.Ordinal);
        }
    }

    [Fact]
    [Needs("golang")]
    public async Task A_value_that_the_runner_reads_at_its_start_makes_another_pod_and_no_other_value_does()
    {
        var usual = await PodOfAsync("workspace=acme", "authorities=one");

        foreach (var value in (string[])["workspace=other", "stepImage=busybox:1", "server=https://lanyard.acme.example", "authorities=", "pushKeys=lanyard-keys"])
        {
            Assert.NotEqual(usual, await PodOfAsync("workspace=acme", "authorities=one", value));
        }

        foreach (var value in (string[])["replicas=7", "authorities=two"])
        {
            Assert.Equal(usual, await PodOfAsync("workspace=acme", "authorities=one", value));
        }
    }

    [Theory]
    [Needs("golang")]
    [InlineData("keys-only", "false", "lanyard-keys", "yes", "no")]
    [InlineData("keys-and-reviews", "true", "lanyard-keys", "yes", "yes")]
    [InlineData("neither", "false", "", "no", "no")]
    public async Task A_runner_that_is_to_push_keys_or_to_review_tokens_is_told_and_allowed_that_and_no_more(string space, string reviews, string pusher, string mayPush, string mayReview)
    {
        await cluster.CreateNamespaceAsync(space);
        var objects = await RenderAsync(space, $"pushKeys={pusher}", $"reviewTokens={reviews}");
        var list = new JsonObject { ["apiVersion"] = "v1", ["kind"] = "List", ["items"] = objects.DeepClone() };
        (await Command.RunAsync("kubectl", ["--kubeconfig", cluster.KubeconfigPath, "apply", "-f", "-"], input: list.ToJsonString())).Succeeded();

        var told = objects.Single(static one => one!["kind"]!.GetValue<string>() == "ConfigMap")!["data"]!;
        Assert.Equal(pusher.Length > 0 ? $"{space}/{pusher}" : null, told["LANYARD_PUSH_KEYS"]?.GetValue<string>());
        Assert.Equal(mayReview == "yes" ? "true" : null, told["LANYARD_REVIEW_TOKENS"]?.GetValue<string>());
        foreach (var (what, may) in new[]
        {
            ("serviceaccounts/lanyard-keys --subresource=token", mayPush), ("serviceaccounts/lanyard-run --subresource=token", "no"), ("serviceaccounts --subresource=token", "no"),
            ("tokenreviews.authentication.k8s.io", mayReview),
        })
        {
            var asked = await cluster.KubectlAsync(["auth", "can-i", "create", .. what.Split(' '), "-n", space, "--as", $"system:serviceaccount:{space}:lanyard-runner"]);
            Assert.True(may == asked.Output.Trim(), $"{what}: {asked.Output}{asked.Errors}");
        }
    }

    [Fact]
    [Needs("golang")]
    public async Task Reviews_with_no_account_to_ask_as_are_a_mistake_that_the_chart_tells()
    {
        var said = await Command.RunAsync(Repo.At("eng", "helm-render", "run"), [Repo.At("deploy", "helm", "lanyard-runner"), "lanyard", "reviewTokens=true"], deadline: TimeSpan.FromMinutes(5));

        Assert.NotEqual(0, said.ExitCode);
        Assert.Contains("reviewTokens: only with pushKeys", said.Errors, StringComparison.Ordinal);
    }

    private static async Task<string> PodOfAsync(params string[] values) =>
        (await RenderAsync("lanyard", values)).Single(static one => one!["kind"]!.GetValue<string>() == "Deployment")!["spec"]!["template"]!.ToJsonString();

    private static async Task<JsonArray> RenderAsync(string space, params string[] values)
    {
        var said = await Command.RunAsync(Repo.At("eng", "helm-render", "run"), [Repo.At("deploy", "helm", "lanyard-runner"), space, .. values], deadline: TimeSpan.FromMinutes(5));
        return JsonNode.Parse(said.Succeeded())!.AsArray();
    }

    [Fact]
    public async Task Every_kubectl_applies_the_overlay_for_real()
    {
        await cluster.CreateNamespaceAsync("lanyard");
        foreach (var kubectl in await KubectlOnPath.AllAsync())
        {
            var said = await Command.RunAsync(kubectl, ["--kubeconfig", cluster.KubeconfigPath, "apply", "-k", Overlay], deadline: TimeSpan.FromMinutes(2));
            Assert.Contains("lanyard-runner", said.Succeeded(), StringComparison.Ordinal);
        }
    }
}
