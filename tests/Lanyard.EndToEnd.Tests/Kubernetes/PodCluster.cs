using System.Net;
using System.Text.Json.Nodes;
using Lanyard.Testing;
using Lanyard.Testing.Installations;
using Lanyard.Testing.Kube;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Kubernetes;

/// <summary>
/// A real one-node cluster that is registered at a whole installation, with an image of the program as it is published, and a runner with exactly the
/// rights of <c>deploy/kubernetes/runner</c>.
/// </summary>
public sealed class PodCluster : IAsyncLifetime
{
    public const string Namespace = "lanyard";
    public const string Image = "docker.io/lanyard/lanyard:test";
    public const string Busybox = "docker.io/test/busybox:1";
    public const string Audience = "https://sts.example";
    private string _kubeconfig = "";
    private string _tokenFile = "";

    public KubeCluster Cluster { get; } = new() { Node = true };

    public Installation Installation { get; private set; } = null!;

    public ChildProcess Runner { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        await Cluster.InitializeAsync();
        await Cluster.ImportImageAsync(await LanyardImage.GetAsync());
        Installation = await Installation.StartAsync(address: IPAddress.Parse(Cluster.HostAddress));
        await Installation.ApplyAsync(Documents.Workspace("acme"), Documents.Collection("acme", "prod"));
        (await Installation.LanyardAsync(
            "cluster", "register", "--kubeconfig", Cluster.KubeconfigPath, "--workspace", "acme", "--slug", "build", "--create", "--yes",
            "--runner", "pods", "--collection", "prod")).Succeeded();
        foreach (var file in (string[])["service-accounts.yaml", "role.yaml"])
        {
            (await Cluster.KubectlAsync("apply", "-n", Namespace, "-f", Repo.At("deploy", "kubernetes", "runner", file))).Succeeded();
        }

        await WriteCredentialsAsync();
        await StartRunnerAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (Installation is not null)
        {
            await Installation.DisposeAsync();
        }

        await Cluster.DisposeAsync();
    }

    /// <summary>A runner outside the cluster with the runner's service account, for both: Lanyard and the API server.</summary>
    public async Task StartRunnerAsync()
    {
        Runner = Installation.StartRunner(
            "pods", "--ca-file", Installation.CertificateFile!, "--token-file", _tokenFile, "--executor", "kubernetes", "--kubeconfig", _kubeconfig,
            "--namespace", Namespace, "--pod-image", Image, "--pod-image-pull-policy", "Never", "--pod-start-minutes", "2");
        await Runner.WaitForErrorLineAsync("has a session at", TimeSpan.FromSeconds(90));
    }

    /// <param name="steps">YAML of the list of steps.</param>
    /// <param name="pod">YAML of the pod block, in one line; null: the collection's alone.</param>
    /// <param name="more">One more member of the spec.</param>
    /// <param name="audiences">YAML of the list's elements, in one line.</param>
    public async Task<string> StartAsync(string definition, string steps, string? pod = $"{{image: '{Busybox}', imagePullPolicy: Never}}", string more = "", string audiences = $"{{audience: '{Audience}'}}", int graceSeconds = 10)
    {
        await Installation.ApplyAsync($$"""
            kind: Definition
            metadata: {workspace: acme, collection: prod, slug: {{definition}}}
            spec:
              executor: kubernetes
              graceSeconds: {{graceSeconds}}
              audiences: [{{audiences}}]
              {{(pod is null ? "" : $"pod: {pod}")}}
              {{more}}
              steps: {{steps}}
            """);
        return (await Installation.LanyardAsync("run", definition, "-w", "acme", "-c", "prod")).Succeeded().Trim();
    }

    /// <summary>The collection with this pod block (YAML in one line), or without one.</summary>
    public Task CollectionAsync(string? pod) => Installation.ApplyAsync($$"""
        kind: Collection
        metadata: {workspace: acme, slug: prod}
        spec: {{(pod is null ? "{}" : $"{{pod: {pod}}}")}}
        """);

    /// <summary>Waits until a run is over. Where it does not end, the failure shows what the cluster has to say about its pods, too.</summary>
    public async Task<JsonNode> EndAsync(string run)
    {
        try
        {
            return await Installation.WaitForEndAsync("acme", "prod", run, TimeSpan.FromMinutes(3));
        }
        catch (TimeoutException vain)
        {
            var seen = await Cluster.KubectlAsync("get", "nodes,jobs,pods,events", "-n", Namespace, "-o", "wide");
            throw new TimeoutException($"{vain.Message}\n{seen.Output}{seen.Errors}", vain);
        }
    }

    public async Task<string> LogAsync(string run)
    {
        using var client = Installation.CreateClient(await Installation.AdminTokenAsync());
        return await client.GetStringAsync(new Uri($"/v1/workspaces/acme/collections/prod/runs/{run}/logs", UriKind.Relative));
    }

    public async Task<JsonNode> RunAsync(string run)
    {
        using var client = Installation.CreateClient(await Installation.AdminTokenAsync());
        return JsonNode.Parse(await client.GetStringAsync(new Uri($"/v1/workspaces/acme/collections/prod/runs/{run}", UriKind.Relative)))!;
    }

    public Task WaitForLogAsync(string run, string words) => Eventually.HoldsAsync(
        async () => (await LogAsync(run)).Contains(words, StringComparison.Ordinal), () => $"{run} says {words} (runner: {Runner.Errors})", TimeSpan.FromMinutes(2));

    /// <summary>Reasons of what happened to the first attempt.</summary>
    public static IReadOnlyList<string> Reasons(JsonNode view) =>
        [.. (view["attempts"]![0]!["events"] as JsonArray ?? []).Select(static one => one!["reason"]!.GetValue<string>())];

    /// <summary>A command in the steps' container of a run.</summary>
    public async Task InPodAsync(string run, string shell)
    {
        var pod = (await RunAsync(run))["attempts"]![0]!["pod"]!["name"]!.GetValue<string>();
        (await Cluster.KubectlAsync("exec", "-n", Namespace, pod, "-c", "steps", "--", "sh", "-c", shell)).Succeeded();
    }

    private async Task WriteCredentialsAsync()
    {
        _tokenFile = Installation.WriteFile(await Cluster.RequestTokenAsync(Namespace, "lanyard-runner", [Installation.Url]));
        var own = Installation.WriteFile(await Cluster.RequestTokenAsync(Namespace, "lanyard-runner", []));
        _kubeconfig = Installation.WriteFile($$$"""
            apiVersion: v1
            kind: Config
            current-context: c
            clusters: [{name: c, cluster: {server: "{{{Cluster.Issuer}}}", certificate-authority: "{{{Cluster.CaFile}}}"}}]
            users: [{name: u, user: {tokenFile: "{{{own}}}"}}]
            contexts: [{name: c, context: {cluster: c, user: u}}]
            """);
    }
}
