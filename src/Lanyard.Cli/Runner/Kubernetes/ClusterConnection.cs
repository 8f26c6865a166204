using Lanyard.Cli.Clusters;
using Lanyard.Cli.Connection;
using Lanyard.Identity;
using Microsoft.Extensions.Logging;

namespace Lanyard.Cli.Runner.Kubernetes;

/// <summary>Finds the API server: by a kubeconfig, or by what Kubernetes puts into every pod.</summary>
internal static class ClusterConnection
{
    private const string ServiceAccount = "/var/run/secrets/kubernetes.io/serviceaccount";

    public static async Task<Outcome<ClusterApi>> OpenAsync(KubernetesSettings settings, TimeProvider time, ILogger log, CancellationToken cancellationToken)
    {
        try
        {
            return settings.Kubeconfig is { } file ? await ByKubeconfigAsync(settings, file, time, log, cancellationToken) : InCluster(settings);
        }
        catch (CommandStopped stopped)
        {
            return new Refusal(RefusalReason.RequestMalformed, stopped.Message);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return new Refusal(RefusalReason.RequestMalformed, $"the pod's own service account: {exception.Message}");
        }
    }

    private static async Task<ClusterApi> ByKubeconfigAsync(KubernetesSettings settings, string file, TimeProvider time, ILogger log, CancellationToken cancellationToken)
    {
        var context = Kubeconfig.Load(file, null, CliConsole.System());
        var http = await ClusterClient.OpenAsync(cancellation => KubeTransport.CreateAsync(Kubeconfig.Load(file, null, CliConsole.System()), cancellation), time, log, cancellationToken);
        var tokenFile = HttpCall.Text(context.User["tokenFile"]) is { Length: > 0 } name ? context.Resolve(name) : null;
        return new ClusterApi(http, context.Server, settings.Namespace ?? "default", tokenFile);
    }

    private static Outcome<ClusterApi> InCluster(KubernetesSettings settings)
    {
        if (Environment.GetEnvironmentVariable("KUBERNETES_SERVICE_HOST") is not { Length: > 0 } host
            || Environment.GetEnvironmentVariable("KUBERNETES_SERVICE_PORT") is not { Length: > 0 } port)
        {
            return new Refusal(RefusalReason.RequestMalformed, "this is no pod of a cluster: give --kubeconfig");
        }

        var server = $"https://{(host.Contains(':', StringComparison.Ordinal) ? $"[{host}]" : host)}:{port}";
        var own = File.ReadAllText(Path.Combine(ServiceAccount, "namespace")).Trim();
        return new ClusterApi(Transport.Create(caFile: null, Authorities.InFile(Path.Combine(ServiceAccount, "ca.crt")).Guard), server, settings.Namespace ?? own, Path.Combine(ServiceAccount, "token"));
    }
}
