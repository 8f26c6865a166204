using Lanyard.ClusterProxy.Forwarding;
using Lanyard.ClusterProxy.Upstream;

namespace Lanyard.ClusterProxy.Cluster;

/// <summary>
/// A way to a server, kept as its files say: a changed kubeconfig, CA, client certificate or token holds for the next connection or request; what runs goes on.
/// Files that a changed kubeconfig names are looked at from then on.
/// </summary>
internal sealed class KeptConnection : IDisposable
{
    private readonly Func<ClusterConnection> _load;
    private readonly HashSet<string> _watched = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();
    private ClusterConnection _connection;

    /// <param name="load">Reads the files.</param>
    /// <exception cref="Configuration.ConfigurationException">A file has mistakes.</exception>
    public KeptConnection(Func<ClusterConnection> load, TimeProvider time)
    {
        _load = load;
        First = _connection = load();
        Pool = new UpstreamPool(ClusterTls.OptionsOf(First), time);
        Client = new UpstreamClient(Pool);
        Credential.Set(TokenOf(First));
    }

    /// <summary>As it was at the start.</summary>
    public ClusterConnection First { get; }

    public UpstreamPool Pool { get; }

    public UpstreamClient Client { get; }

    public OwnCredential Credential { get; } = new();

    /// <param name="watch">File, its content as it was read, and what is to be called with another; what that throws refuses the change.</param>
    public void Watch(Action<string, string, Action<string>> watch)
    {
        lock (_gate)
        {
            foreach (var file in _connection.Files)
            {
                See(file, () => Reload(watch));
            }

            if (_connection.TokenFile is { } token)
            {
                See(token, RenewToken);
            }
        }

        void See(string file, Action changed)
        {
            if (!_watched.Contains(file))
            {
                watch(file, File.ReadAllText(file), _ => changed());
                _watched.Add(file);
            }
        }
    }

    public void Dispose() => Pool.Dispose();

    private static string? TokenOf(ClusterConnection connection) => connection.TokenFile is { } file ? File.ReadAllText(file).Trim() : connection.Token;

    private void Reload(Action<string, string, Action<string>> watch)
    {
        lock (_gate)
        {
            var next = _load();
            var options = ClusterTls.OptionsOf(next);
            Credential.Set(TokenOf(next));
            Pool.Replace(options);
            _connection = next;
            Watch(watch);
        }
    }

    private void RenewToken()
    {
        lock (_gate)
        {
            Credential.Set(TokenOf(_connection));
        }
    }
}
