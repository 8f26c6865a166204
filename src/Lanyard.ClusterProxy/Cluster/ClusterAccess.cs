using Lanyard.ClusterProxy.Forwarding;
using Lanyard.ClusterProxy.Upstream;
using Microsoft.Extensions.Logging;

namespace Lanyard.ClusterProxy.Cluster;

/// <summary>The proxy's own way to the cluster. Under which name stays as it was at the start; credentials and trust are those of the files' last good state.</summary>
internal sealed class ClusterAccess : IDisposable
{
    private readonly ClusterProxyOptions _options;
    private readonly KeptConnection _kept;
    private readonly UpstreamHealth? _health;

    /// <exception cref="Configuration.ConfigurationException">A file has mistakes.</exception>
    public ClusterAccess(ClusterProxyOptions options, TimeProvider time, Action<string, string, Action<string>> watch, ILogger log)
    {
        _options = options;
        var first = Load();
        var server = first.Addresses[0];
        _kept = new KeptConnection(() => At(Load(), server), time);
        Target = new UpstreamTarget(server.Authority, first.PathPrefix, _kept.Credential);
        _health = options.ApiServerAddresses.Count > 1 ? new UpstreamHealth(_kept.Pool, HealthHead, time, log) : null;
        _kept.Watch(watch);
    }

    public UpstreamClient Client => _kept.Client;

    public UpstreamTarget Target { get; }

    public void Dispose()
    {
        _health?.Dispose();
        _kept.Dispose();
    }

    private ClusterConnection Load() => _options.Kubeconfig is { } file ? Kubeconfig.Load(file) : Kubeconfig.InCluster();

    private ClusterConnection At(ClusterConnection connection, Uri server) => _options.ApiServerAddresses.Count == 0 ? connection : connection with
    {
        Addresses = [.. _options.ApiServerAddresses.Select(a => new Uri($"{server.Scheme}://{a}"))],
        TlsServerName = connection.TlsServerName ?? server.IdnHost,
    };

    private byte[] HealthHead()
    {
        using var head = new HeadBuffer();
        head.Latin1($"GET {Target.PathPrefix}/readyz HTTP/1.1\r\n");
        head.Raw(Target.HostLine);
        head.Raw(Target.Credential.AuthorizationLine);
        head.Raw("Connection: close\r\nUser-Agent: lanyard-cluster-proxy\r\n\r\n"u8);
        return head.Written.ToArray();
    }
}
