using Lanyard.ClusterProxy.Forwarding;
using Lanyard.ClusterProxy.Upstream;
using Microsoft.Extensions.Logging;

namespace Lanyard.ClusterProxy.Cluster;

/// <summary>
/// The proxy's own way to the cluster, kept as its files say: a changed kubeconfig, CA, client certificate or token holds for the next connection or
/// request; what runs goes on. Where to and under which name stays as it was at the start.
/// </summary>
internal sealed class ClusterAccess : IDisposable
{
    private readonly ClusterProxyOptions _options;
    private readonly OwnCredential _credential = new();
    private readonly UpstreamPool _pool;
    private readonly UpstreamHealth? _health;

    /// <exception cref="Configuration.ConfigurationException">A file has mistakes.</exception>
    public ClusterAccess(ClusterProxyOptions options, TimeProvider time, Action<string, string, Action<string>> watch, ILogger log)
    {
        _options = options;
        var connection = Load();
        var server = ServerOf(connection);
        _pool = new UpstreamPool(ClusterTls.OptionsOf(At(connection, server)), time);
        Client = new UpstreamClient(_pool);
        Target = new UpstreamTarget(server.Authority, connection.PathPrefix, _credential);
        _health = options.ApiServerAddresses.Count > 1 ? new UpstreamHealth(_pool, HealthHead, time, log) : null;
        WatchToken(connection, watch);
        foreach (var file in connection.Files)
        {
            watch(file, File.ReadAllText(file), _ => Reload(server));
        }
    }

    public UpstreamClient Client { get; }

    public UpstreamTarget Target { get; }

    public void Dispose()
    {
        _health?.Dispose();
        _pool.Dispose();
    }

    private static Uri ServerOf(ClusterConnection connection) => connection.Addresses[0];

    private ClusterConnection Load() => _options.Kubeconfig is { } file ? Kubeconfig.Load(file) : Kubeconfig.InCluster();

    private ClusterConnection At(ClusterConnection connection, Uri server) => _options.ApiServerAddresses.Count == 0 ? connection : connection with
    {
        Addresses = [.. _options.ApiServerAddresses.Select(a => new Uri($"{server.Scheme}://{a}"))],
        TlsServerName = connection.TlsServerName ?? server.IdnHost,
    };

    private void WatchToken(ClusterConnection connection, Action<string, string, Action<string>> watch)
    {
        if (connection.TokenFile is { } file)
        {
            var token = File.ReadAllText(file);
            _credential.Set(token.Trim());
            watch(file, token, text => _credential.Set(text.Trim()));
        }
        else
        {
            _credential.Set(connection.Token);
        }
    }

    private void Reload(Uri server)
    {
        var connection = Load();
        _pool.Replace(ClusterTls.OptionsOf(At(connection, server)));
        _credential.Set(connection.TokenFile is { } file ? File.ReadAllText(file).Trim() : connection.Token);
    }

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
