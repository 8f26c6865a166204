using System.Text;
using Lanyard.ClusterProxy.Configuration;

namespace Lanyard.ClusterProxy.Cluster;

/// <summary>
/// Reads the current context of a kubeconfig. Unknown members are passed over, as kubectl does; ways in that a long-running proxy can't or
/// must not use (passwords, exec plugins, impersonation) are refused by name.
/// </summary>
internal sealed class Kubeconfig
{
    private const string ServiceAccount = "/var/run/secrets/kubernetes.io/serviceaccount";

    private static readonly string[] Unusable = ["username", "password", "auth-provider", "exec", "as", "as-uid", "as-groups", "as-user-extra"];

    private readonly Mistakes _mistakes = new();
    private readonly List<string> _files = [];
    private readonly string _folder;

    private Kubeconfig(string folder) => _folder = folder;

    /// <exception cref="ConfigurationException">Something is missing or can't be used.</exception>
    public static ClusterConnection Load(string file)
    {
        var reader = new Kubeconfig(Path.GetDirectoryName(Path.GetFullPath(file))!);
        var root = YamlMap.Parse(File.ReadAllText(file), reader._mistakes);
        var connection = root is null ? null : reader.Read(root);
        return connection is null || reader._mistakes.Any ? throw new ConfigurationException(file, reader._mistakes) : connection with { Files = [Path.GetFullPath(file), .. reader._files] };
    }

    /// <summary>The pod's own service account, as in-cluster clients do it.</summary>
    /// <exception cref="ConfigurationException">This is no pod.</exception>
    public static ClusterConnection InCluster()
    {
        var host = Environment.GetEnvironmentVariable("KUBERNETES_SERVICE_HOST");
        var port = Environment.GetEnvironmentVariable("KUBERNETES_SERVICE_PORT");
        var authority = Path.Combine(ServiceAccount, "ca.crt");
        if (string.IsNullOrEmpty(host) || string.IsNullOrEmpty(port) || !File.Exists(authority))
        {
            var mistakes = new Mistakes();
            mistakes.Add("--kubeconfig", "not given, and this is no pod with a service account");
            throw new ConfigurationException("the command line", mistakes);
        }

        var name = host.Contains(':', StringComparison.Ordinal) ? $"[{host}]" : host;
        return new ClusterConnection
        {
            Addresses = [new Uri($"https://{name}:{port}")],
            CertificateAuthority = File.ReadAllText(authority),
            TokenFile = Path.Combine(ServiceAccount, "token"),
            Files = [authority],
        };
    }

    private ClusterConnection? Read(YamlMap root)
    {
        var current = root.RequiredText("current-context");
        var context = Named(root, "contexts", current, "context");
        var cluster = Named(root, "clusters", context?.RequiredText("cluster"), "cluster");
        var user = Named(root, "users", context?.RequiredText("user"), "user");
        if (cluster is null || user is null)
        {
            root.Wrong("current-context", "needs a context with a cluster and a user");
            return null;
        }

        foreach (var name in Unusable.Where(user.Has))
        {
            user.Wrong(name, "not usable by the proxy; give it a token, a tokenFile or a client certificate");
        }

        if (cluster.Has("proxy-url"))
        {
            cluster.Wrong("proxy-url", "not supported");
        }

        return ReadServer(cluster) is { } server ? WithCredentials(Connection(cluster, server), user) : null;
    }

    private ClusterConnection Connection(YamlMap cluster, Uri server) => new()
    {
        Addresses = [new Uri(server.GetLeftPart(UriPartial.Authority))],
        PathPrefix = server.AbsolutePath.TrimEnd('/'),
        CertificateAuthority = Pem(cluster, "certificate-authority"),
        SkipVerification = cluster.Bool("insecure-skip-tls-verify") ?? false,
        TlsServerName = cluster.Text("tls-server-name"),
    };

    private ClusterConnection WithCredentials(ClusterConnection connection, YamlMap user)
    {
        var certificate = Pem(user, "client-certificate");
        var key = Pem(user, "client-key");
        if (certificate is null != key is null)
        {
            user.Wrong("client-certificate", "certificate and key belong together");
        }

        return connection with
        {
            Token = user.Text("token"),
            TokenFile = user.Text("tokenFile") is { } file ? Absolute(file) : null,
            ClientCertificate = certificate is not null && key is not null ? (certificate, key) : null,
        };
    }

    private static Uri? ReadServer(YamlMap cluster)
    {
        var text = cluster.RequiredText("server");
        if (text is null)
        {
            return null;
        }

        var usable = Uri.TryCreate(text, UriKind.Absolute, out var server)
            && (server.Scheme == Uri.UriSchemeHttps || (server.Scheme == Uri.UriSchemeHttp && server.IsLoopback));
        if (!usable)
        {
            cluster.Wrong("server", "must be an https URL (http only on loopback)");
        }

        return usable ? server : null;
    }

    private static YamlMap? Named(YamlMap root, string list, string? name, string member) =>
        name is null ? null : root.Maps(list).FirstOrDefault(m => m.Text("name") == name)?.Map(member);

    /// <summary>Inline (<c>…-data</c>, base64) or from a file beside the kubeconfig.</summary>
    private string? Pem(YamlMap map, string name)
    {
        if (map.Text(name + "-data") is { } data)
        {
            var bytes = new byte[data.Length];
            if (Convert.TryFromBase64String(data, bytes, out var length))
            {
                return Encoding.ASCII.GetString(bytes, 0, length);
            }

            map.Wrong(name + "-data", "is not base64");
            return null;
        }

        if (map.Text(name) is not { } file)
        {
            return null;
        }

        if (File.Exists(Absolute(file)))
        {
            _files.Add(Absolute(file));
            return File.ReadAllText(Absolute(file));
        }

        map.Wrong(name, $"no file {file}");
        return null;
    }

    private string Absolute(string file) => Path.GetFullPath(file, _folder);
}
