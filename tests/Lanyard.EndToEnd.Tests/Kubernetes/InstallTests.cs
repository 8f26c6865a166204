using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Kubernetes;

/// <summary>One command registers a cluster and puts a runner into it: kubectl's own Kustomize applies the base, the runner's pod does the rest.</summary>
[Needs("kube")]
[Line("5.1")]
public sealed class InstallTests(PodCluster pods) : IClassFixture<PodCluster>
{
    [Fact]
    public async Task Register_with_install_puts_a_runner_into_the_cluster_and_a_run_runs_there()
    {
        await pods.Installation.ApplyAsync(Documents.Collection("acme", "inside"));
        var registered = await pods.Installation.LanyardAsync(
            "cluster", "register", "--kubeconfig", pods.Cluster.KubeconfigPath, "--ca-file", pods.Installation.CertificateFile!, "--workspace", "acme",
            "--slug", "inside", "--namespace", "inside", "--create", "--yes", "--runner", "inside", "--collection", "inside", "--install",
            "--image", PodCluster.Image, "--step-image", PodCluster.Busybox, "--keys", "uploaded", "--pusher", "lanyard-keys", "--review-tokens");
        registered.Succeeded();

        // The test cluster has no kube-proxy, so the API server's service address leads nowhere in it.
        (await pods.Cluster.KubectlAsync(
            "set", "env", "-n", "inside", "deployment/lanyard-runner", $"KUBERNETES_SERVICE_HOST={pods.Cluster.Server.Host}", $"KUBERNETES_SERVICE_PORT={pods.Cluster.Server.Port}")).Succeeded();
        Assert.DoesNotContain("eyJ", registered.Output + registered.Errors, StringComparison.Ordinal);
        await pods.Installation.ApplyAsync("""
            kind: Definition
            metadata: {workspace: acme, collection: inside, slug: hello}
            spec: {executor: kubernetes, steps: [{name: main, script: "echo hello from $HOME"}]}
            """);
        var run = (await pods.Installation.LanyardAsync("run", "hello", "-w", "acme", "-c", "inside")).Succeeded().Trim();
        var view = await pods.Installation.WaitForEndAsync("acme", "inside", run, TimeSpan.FromMinutes(3));

        Assert.True(view["state"]!.GetValue<string>() == "succeeded", $"{view}\n{await RunnerSaysAsync()}");
        Assert.Equal("inside", view["attempts"]![0]!["pod"]!["namespace"]!.GetValue<string>());
        Assert.DoesNotContain("eyJ", await RunnerSaysAsync(), StringComparison.Ordinal);

        // Two replicas, one of which speaks; when it is gone the other one does.
        var holder = await HolderAsync();
        var second = (await pods.Installation.LanyardAsync("run", "hello", "-w", "acme", "-c", "inside")).Succeeded().Trim();
        (await pods.Cluster.KubectlAsync("delete", "pod", "-n", "inside", holder.Split('_')[0], "--grace-period=0", "--force")).Succeeded();
        Assert.Equal("succeeded", (await pods.Installation.WaitForEndAsync("acme", "inside", second, TimeSpan.FromMinutes(3)))["state"]!.GetValue<string>());
        await Eventually.HoldsAsync(async () => await HolderAsync() is { Length: > 0 } now && now != holder, "another replica leads", TimeSpan.FromMinutes(1));

        // It tells of the cluster's keys by itself, and lends its eyes for reviews.
        await Eventually.HoldsAsync(async () => (await pods.Installation.LanyardAsync("audit")).Succeeded().Contains("\"keys.push\"", StringComparison.Ordinal), "the keys are pushed", TimeSpan.FromMinutes(2));
        var said = "";
        await Eventually.HoldsAsync(
            async () => (said = await RunnerSaysAsync()).Contains("keys were pushed", StringComparison.Ordinal), () => $"the runner has pushed the keys; it says {said}", TimeSpan.FromMinutes(2));

        // What the runner may do is what the Role says, and no more.
        foreach (var (verb, resource, may) in new[]
        {
            ("create", "jobs", "yes"), ("get", "secrets", "no"), ("create", "pods", "no"), ("create", "pods/exec", "no"),
            ("create", "serviceaccounts/lanyard-keys --subresource=token", "yes"), ("create", "serviceaccounts/lanyard-run --subresource=token", "no"), ("create", "tokenreviews.authentication.k8s.io", "yes"),
        })
        {
            var asked = await pods.Cluster.KubectlAsync(["auth", "can-i", verb, .. resource.Split(' '), "-n", "inside", "--as", "system:serviceaccount:inside:lanyard-runner"]);
            Assert.True(may == asked.Output.Trim(), $"{verb} {resource}: {asked.Output}{asked.Errors}");
        }
    }

    private async Task<string> HolderAsync() =>
        (await pods.Cluster.KubectlAsync("get", "lease", "-n", "inside", "lanyard-runner", "-o", "jsonpath={.spec.holderIdentity}")).Output.Trim();

    /// <summary>All replicas: which of them did something is not for a test to know, and of a deployment kubectl shows one.</summary>
    private async Task<string> RunnerSaysAsync()
    {
        var said = await pods.Cluster.KubectlAsync("logs", "-n", "inside", "--selector", "app.kubernetes.io/name=lanyard-runner", "--tail", "-1", "--prefix");
        return said.Output + said.Errors;
    }
}
