using Lanyard.Cli.Connection;

namespace Lanyard.Cli.Clusters;

/// <summary>The way to the API server for who is not asked anything: a kubeconfig, or in a pod the pod's own service account.</summary>
internal static class KubeAccess
{
    private const string PodFolder = "/var/run/secrets/kubernetes.io/serviceaccount";

    /// <summary>In a pod without a kubeconfig: the pod's own service account may read the key set (<c>system:service-account-issuer-discovery</c>).</summary>
    public static async Task<KubeApi> OpenAsync(string? kubeconfig, string? contextName, CliConsole console, CancellationToken cancellationToken)
    {
        if (kubeconfig is null && contextName is null && console.Variable("KUBECONFIG") is null && console.Variable("KUBERNETES_SERVICE_HOST") is { } host)
        {
            var http = Transport.Create(Path.Combine(PodFolder, "ca.crt"));
            http.DefaultRequestHeaders.Authorization = new("Bearer", (await File.ReadAllTextAsync(Path.Combine(PodFolder, "token"), cancellationToken)).Trim());
            var name = host.Contains(':', StringComparison.Ordinal) ? $"[{host}]" : host;
            return new KubeApi($"https://{name}:{console.Variable("KUBERNETES_SERVICE_PORT") ?? "443"}", http);
        }

        var kube = Kubeconfig.Load(kubeconfig, contextName, console);
        return new KubeApi(kube.Server, await KubeTransport.CreateAsync(kube, cancellationToken));
    }
}
