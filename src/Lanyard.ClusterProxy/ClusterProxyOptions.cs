using System.Net;
using Lanyard.ClusterProxy.AccessEntries;
using Lanyard.ClusterProxy.Authentication;
using Lanyard.ClusterProxy.Configuration;
using Lanyard.ClusterProxy.Hygiene;
using Lanyard.ClusterProxy.Impersonation;
using Lanyard.ClusterProxy.Limits;

namespace Lanyard.ClusterProxy;

/// <summary>The command line, read. kube-oidc-proxy's flag names are taken where they exist.</summary>
internal sealed record ClusterProxyOptions
{
    public static readonly IReadOnlyList<Flag> Flags =
    [
        new("--help", "Print this and exit.", IsSwitch: true),
        new("--kubeconfig", "The proxy's own way to the API server; in a pod its service account is the default."),
        new("--api-server-address", "HOST:PORT to connect to instead of the kubeconfig's server, whose name is still what certificates must have; several share the load.", Repeats: true),
        new("--authentication-config", "AuthenticationConfiguration file (apiserver.config.k8s.io/v1 or v1beta1); read again when it changes."),
        .. AccessEntryFlags.Flags,
        .. IntrospectionFlags.Flags,
        new("--listen", "Address and port, such as 127.0.0.1:8443; port 0 takes a free one."),
        new("--bind-address", "Address to listen on when --listen is not given (default 0.0.0.0)."),
        new("--secure-port", "Port to listen on when --listen is not given (default 6443)."),
        new("--health-listen", "Address and port of /healthz, /livez, /readyz and /metrics, plain and without a token; none by default."),
        new("--tls-cert-file", "Serving certificate, PEM; read again when it changes."),
        new("--tls-private-key-file", "Its key, PEM."),
        new("--plain-http", "Serve without TLS; only on a loopback address.", IsSwitch: true),
        new("--trusted-proxies", "Networks whose X-Forwarded-For is believed, such as 10.0.0.0/8.", Repeats: true),
        new("--token-passthrough", "Ask the API server (TokenReview) about tokens that no configured issuer vouches for, and pass them on.", IsSwitch: true),
        new("--token-passthrough-audiences", "Audiences one of which such tokens must have, with commas between; default: the API server's own.", Repeats: true),
        new("--allow-reserved-users", "User names beginning with system: that tokens may become; * at the end.", Repeats: true),
        new("--allow-reserved-groups", "Groups beginning with system: that tokens may bring; * at the end.", Repeats: true),
        .. ExtraHeaderFlags.Flags,
        .. ObservationFlags.Flags,
        .. LimitFlags.Flags,
        .. OidcFlags.Flags,
    ];

    public required string? Kubeconfig { get; init; }

    /// <summary>Where to connect; empty for where the kubeconfig says.</summary>
    public required IReadOnlyList<string> ApiServerAddresses { get; init; }

    public required string? AuthenticationConfig { get; init; }

    public required string? AccessEntries { get; init; }

    /// <summary>What <see cref="AccessEntries"/> is kept equal to; null for nothing.</summary>
    public required EntrySourceOptions? EntrySource { get; init; }

    /// <summary>Which issuers are asked about their tokens; null for none.</summary>
    public required IntrospectionOptions? Introspection { get; init; }

    /// <summary>Of the <c>--oidc-…</c> flags, when they are used instead of a file.</summary>
    public required JwtAuthenticator? Oidc { get; init; }

    public required IPEndPoint Listen { get; init; }

    /// <summary>Null for none.</summary>
    public required IPEndPoint? HealthListen { get; init; }

    /// <summary>Null for plain HTTP.</summary>
    public required (string Certificate, string Key)? Tls { get; init; }

    public required TrustedProxies TrustedProxies { get; init; }

    public required ReservedNames Reserved { get; init; }

    /// <summary>Extras that every user gets.</summary>
    public required IReadOnlyList<ExtraValue> Extras { get; init; }

    public required bool TellClientAddress { get; init; }

    public required ObservationOptions Observation { get; init; }

    public required LimitOptions Limits { get; init; }

    /// <summary>Audiences of tokens that are passed on; null where none are.</summary>
    public required IReadOnlyList<string>? PassthroughAudiences { get; init; }

    /// <exception cref="ConfigurationException">The command line has mistakes.</exception>
    public static ClusterProxyOptions Parse(IReadOnlyList<string> arguments)
    {
        var line = CommandLine.Parse(arguments, Flags);
        var listen = ReadListen(line);
        var tls = ReadTls(line, listen);
        var oidc = OidcFlags.Read(line);
        if (line.Has("--authentication-config") == OidcFlags.AreUsed(line))
        {
            line.Mistakes.Add("--authentication-config", "give either it or the --oidc-… flags");
        }

        var health = ReadHealth(line);
        var networks = line.List("--trusted-proxies").Select(text => ReadNetwork(line, text)).OfType<IPNetwork>().ToList();
        var addresses = line.List("--api-server-address");
        foreach (var address in addresses.Where(a => !Uri.TryCreate($"https://{a}", UriKind.Absolute, out var uri) || !$"{uri.Host}:{uri.Port}".Equals(a, StringComparison.OrdinalIgnoreCase)))
        {
            line.Mistakes.Add("--api-server-address", $"{address} is not HOST:PORT");
        }

        var passthrough = line.Switch("--token-passthrough") ? line.List("--token-passthrough-audiences") : null;
        if (passthrough is null && line.Has("--token-passthrough-audiences"))
        {
            line.Mistakes.Add("--token-passthrough-audiences", "only with --token-passthrough");
        }

        var source = AccessEntryFlags.Read(line);
        var introspection = IntrospectionFlags.Read(line);
        var extras = ExtraHeaderFlags.Read(line);
        var observation = ObservationFlags.Read(line);
        var limits = LimitFlags.Read(line);
        return line.Mistakes.Any ? throw new ConfigurationException("the command line", line.Mistakes) : new ClusterProxyOptions
        {
            Kubeconfig = line.Text("--kubeconfig"),
            ApiServerAddresses = addresses,
            AuthenticationConfig = line.Text("--authentication-config"),
            AccessEntries = line.Text("--access-entries"),
            EntrySource = source,
            Introspection = introspection,
            Oidc = oidc,
            Listen = listen!,
            HealthListen = health,
            Tls = tls,
            TrustedProxies = new TrustedProxies(networks),
            Reserved = new ReservedNames(line.List("--allow-reserved-users"), line.List("--allow-reserved-groups")),
            Extras = extras,
            TellClientAddress = line.Switch("--extra-user-header-client-ip"),
            Observation = observation,
            Limits = limits,
            PassthroughAudiences = passthrough,
        };
    }

    private static IPEndPoint? ReadEndPoint(CommandLine line, string name) =>
        line.Read(name, t => t.Contains(':', StringComparison.Ordinal) && IPEndPoint.TryParse(t, out var e) ? e : null, "an address and a port");

    private static IPEndPoint? ReadHealth(CommandLine line)
    {
        if (!line.Has("--readiness-probe-port"))
        {
            return ReadEndPoint(line, "--health-listen");
        }

        return line.Has("--health-listen") ? Fail(line, "--readiness-probe-port", "not with --health-listen")
            : ushort.TryParse(line.Text("--readiness-probe-port"), out var port) ? new IPEndPoint(IPAddress.Any, port)
            : Fail(line, "--readiness-probe-port", "must be a port");
    }

    private static IPEndPoint? ReadListen(CommandLine line)
    {
        if (line.Has("--listen"))
        {
            return ReadEndPoint(line, "--listen");
        }

        var address = line.Read("--bind-address", t => IPAddress.TryParse(t, out var a) ? a : null, "an IP address") ?? IPAddress.Any;
        var port = line.Text("--secure-port") ?? "6443";
        return line.Mistakes.Any || ushort.TryParse(port, out _) ? new IPEndPoint(address, ushort.TryParse(port, out var p) ? p : 0) : Fail(line, "--secure-port", "must be a port");
    }

    private static (string, string)? ReadTls(CommandLine line, IPEndPoint? listen)
    {
        var certificate = line.Text("--tls-cert-file");
        var key = line.Text("--tls-private-key-file");
        if (line.Switch("--plain-http"))
        {
            if (certificate is not null || key is not null || (listen is not null && !IPAddress.IsLoopback(listen.Address)))
            {
                line.Mistakes.Add("--plain-http", "only on a loopback address and without --tls-… files: tokens would be readable on the network");
            }

            return null;
        }

        if (certificate is null || key is null)
        {
            line.Mistakes.Add("--tls-cert-file", "needed, with --tls-private-key-file");
            return null;
        }

        return (certificate, key);
    }

    private static IPNetwork? ReadNetwork(CommandLine line, string text)
    {
        if (IPNetwork.TryParse(text, out var network))
        {
            return network;
        }

        line.Mistakes.Add("--trusted-proxies", $"{text} is no network such as 10.0.0.0/8");
        return null;
    }

    private static IPEndPoint? Fail(CommandLine line, string name, string text)
    {
        line.Mistakes.Add(name, text);
        return null;
    }
}
