namespace Lanyard.ClusterProxy.Cluster;

/// <summary>How the proxy itself reaches its cluster, as read from a kubeconfig or from the pod's service account.</summary>
internal sealed record ClusterConnection
{
    /// <summary>Scheme, host and port; several for one cluster are allowed.</summary>
    public required IReadOnlyList<Uri> Addresses { get; init; }

    /// <summary>Of the server's URL; without a slash at its end.</summary>
    public string PathPrefix { get; init; } = "";

    /// <summary>PEM; null takes the system's roots.</summary>
    public string? CertificateAuthority { get; init; }

    public bool SkipVerification { get; init; }

    /// <summary>Checked against the certificate instead of the host.</summary>
    public string? TlsServerName { get; init; }

    /// <summary>Files that it was read from; a change of one is a change of the connection.</summary>
    public IReadOnlyList<string> Files { get; init; } = [];

    public string? Token { get; init; }

    /// <summary>Read again when it changes; wins over <see cref="Token"/>.</summary>
    public string? TokenFile { get; init; }

    /// <summary>PEM of certificate and key.</summary>
    public (string Certificate, string Key)? ClientCertificate { get; init; }
}
