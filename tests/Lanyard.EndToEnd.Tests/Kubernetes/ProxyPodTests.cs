using Lanyard.Testing;
using Lanyard.Testing.Kube;
using Lanyard.Testing.Processes;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Kubernetes;

/// <summary>The overlay of <c>deploy/kubernetes/cluster-proxy</c>, running: its pods become ready as they are, walled in and on a read-only root, and kubectl goes through them.</summary>
[Needs("kube")]
[Line("3.10")]
public sealed class ProxyPodTests : IAsyncLifetime
{
    private readonly KubeCluster _cluster = new() { Node = true };
    private readonly string _folder = Directory.CreateTempSubdirectory("lanyard-pod-").FullName;

    public async ValueTask InitializeAsync()
    {
        await _cluster.InitializeAsync();
        await _cluster.ImportImageAsync(await LanyardImage.GetAsync());
    }

    public async ValueTask DisposeAsync()
    {
        await _cluster.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task The_overlay_runs_as_it_is_and_kubectl_goes_through_it()
    {
        await WriteOverlayAsync();
        (await _cluster.KubectlAsync("apply", "-k", _folder)).Succeeded();
        (await _cluster.KubectlAsync("create", "secret", "tls", "cluster-proxy-tls", "-n", "lanyard", "--cert", At("tls.crt"), "--key", At("tls.key"))).Succeeded();
        (await _cluster.KubectlAsync("apply", "-f", At("rbac.yaml"))).Succeeded();
        await RolledOutAsync();
        await using var forward = ChildProcess.Start("kubectl", ["--kubeconfig", _cluster.KubeconfigPath, "port-forward", "-n", "lanyard", "deployment/cluster-proxy", ":8443"]);
        var said = await forward.WaitForLineAsync("Forwarding from 127.0.0.1:");
        var port = said.Split("127.0.0.1:")[1].Split(' ')[0];
        await File.WriteAllTextAsync(At("token"), await TokenAsync("https://kubernetes.example"), TestContext.Current.CancellationToken);

        Assert.Contains("configmap/hello created", (await PipelineAsync(port, "create", "configmap", "hello", "-n", "shop")).Succeeded(), StringComparison.Ordinal);
        Assert.Contains("User \"ci:system:serviceaccount:shop:pipeline\" cannot list", (await PipelineAsync(port, "get", "configmaps", "-n", "lanyard")).Errors, StringComparison.Ordinal);
        await File.WriteAllTextAsync(At("token"), await TokenAsync("https://elsewhere.example"), TestContext.Current.CancellationToken);
        Assert.Contains("Unauthorized", (await PipelineAsync(port, "get", "configmaps", "-n", "shop")).Errors, StringComparison.Ordinal);
    }

    private Task<string> TokenAsync(string audience) => _cluster.RequestTokenAsync("shop", "pipeline", [audience]);

    private async Task RolledOutAsync()
    {
        var rolled = await Command.RunAsync(
            "kubectl", ["--kubeconfig", _cluster.KubeconfigPath, "rollout", "status", "deployment/cluster-proxy", "-n", "lanyard", "--timeout=150s"], deadline: TimeSpan.FromMinutes(3));
        var pods = rolled.ExitCode == 0 ? "" : (await _cluster.KubectlAsync("describe", "pods", "-n", "lanyard")).Output + (await _cluster.KubectlAsync("logs", "-n", "lanyard", "deployment/cluster-proxy")).Output;
        Assert.True(rolled.ExitCode == 0, rolled.Errors + pods);
    }

    private Task<CommandResult> PipelineAsync(string port, params string[] arguments)
    {
        File.WriteAllText(At("kubeconfig"), $$"""
            apiVersion: v1
            kind: Config
            current-context: p
            contexts: [{name: p, context: {cluster: p, user: p} }]
            clusters: [{name: p, cluster: {server: "https://127.0.0.1:{{port}}", certificate-authority: {{At("tls.crt")}} } }]
            users: [{name: p, user: {tokenFile: {{At("token")}} } }]
            """);
        return Command.RunAsync("kubectl", ["--kubeconfig", At("kubeconfig"), .. arguments], deadline: TimeSpan.FromMinutes(1));
    }

    /// <summary>What an operator changes: whose tokens, which image; and here the API server's address, since no kube-proxy serves the one in the pods' environment.</summary>
    private async Task WriteOverlayAsync()
    {
        using (var certificate = TestCertificates.Create())
        {
            await File.WriteAllTextAsync(At("tls.crt"), certificate.ExportCertificatePem());
            await File.WriteAllTextAsync(At("tls.key"), System.Security.Cryptography.X509Certificates.ECDsaCertificateExtensions.GetECDsaPrivateKey(certificate)!.ExportPkcs8PrivateKeyPem());
        }

        var image = PodCluster.Image.Split(':');
        await File.WriteAllTextAsync(At("kustomization.yaml"), $$"""
            apiVersion: kustomize.config.k8s.io/v1beta1
            kind: Kustomization
            namespace: lanyard
            bases: ["{{Path.GetRelativePath(_folder, Repo.At("deploy", "kubernetes", "cluster-proxy", "overlays", "clusterip"))}}"]
            images: [{name: lanyard, newName: {{image[0]}}, newTag: {{image[1]}} }]
            configMapGenerator: [{name: cluster-proxy, behavior: replace, files: [authentication.yaml]}]
            patchesStrategicMerge: [address.yaml]
            """);
        await File.WriteAllTextAsync(At("address.yaml"), $$"""
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: cluster-proxy, namespace: lanyard}
            spec:
              template:
                spec:
                  containers:
                  - name: cluster-proxy
                    env: [{name: KUBERNETES_SERVICE_HOST, value: "{{_cluster.Server.Host}}"}, {name: KUBERNETES_SERVICE_PORT, value: "{{_cluster.Server.Port}}"}]
            """);
        var authority = string.Join('\n', (await File.ReadAllLinesAsync(_cluster.CaFile)).Select(static l => "      " + l));
        await File.WriteAllTextAsync(At("authentication.yaml"), $$"""
            apiVersion: apiserver.config.k8s.io/v1
            kind: AuthenticationConfiguration
            jwt:
            - issuer:
                url: {{_cluster.Issuer}}
                audiences: ["https://kubernetes.example"]
                certificateAuthority: |
            {{authority}}
              claimMappings:
                username: {claim: sub, prefix: "ci:"}
            """);
        await File.WriteAllTextAsync(At("rbac.yaml"), """
            apiVersion: v1
            kind: Namespace
            metadata: {name: shop}
            ---
            apiVersion: v1
            kind: ServiceAccount
            metadata: {name: pipeline, namespace: shop}
            ---
            apiVersion: rbac.authorization.k8s.io/v1
            kind: RoleBinding
            metadata: {name: pipeline, namespace: shop}
            roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
            subjects: [{kind: User, name: "ci:system:serviceaccount:shop:pipeline", apiGroup: rbac.authorization.k8s.io}]
            ---
            apiVersion: rbac.authorization.k8s.io/v1
            kind: ClusterRoleBinding
            metadata: {name: issuer-discovery}
            roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:service-account-issuer-discovery"}
            subjects: [{kind: Group, name: "system:unauthenticated", apiGroup: rbac.authorization.k8s.io}]
            """);
    }

    private string At(string name) => Path.Combine(_folder, name);
}
