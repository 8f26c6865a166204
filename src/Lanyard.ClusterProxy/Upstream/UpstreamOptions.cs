using System.Net.Security;

namespace Lanyard.ClusterProxy.Upstream;

/// <summary>Where the API server is and how it is trusted. Immutable; a reload makes a new one.</summary>
internal sealed record UpstreamOptions
{
    /// <summary>One or more addresses of one cluster's API server, all http or all https.</summary>
    public required IReadOnlyList<Uri> Addresses { get; init; }

    /// <summary>Null for plain HTTP.</summary>
    public SslClientAuthenticationOptions? Tls { get; init; }

    /// <summary>For TCP and TLS together, per address.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long an address that refused is tried last.</summary>
    public TimeSpan DownTime { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Idle connections older than this are not used again. The API server closes them after three minutes.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromSeconds(90);

    public int MaxIdle { get; init; } = 1024;
}
