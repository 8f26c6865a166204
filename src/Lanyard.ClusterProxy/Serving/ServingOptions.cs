using System.Net;
using System.Net.Security;

namespace Lanyard.ClusterProxy.Serving;

/// <summary>Where and how the proxy listens.</summary>
internal sealed record ServingOptions
{
    /// <summary>Port 0 takes a free one.</summary>
    public required IPEndPoint Listen { get; init; }

    /// <summary>Asked for at each handshake, so that a renewed certificate is served without a restart; null for plain HTTP/1.1.</summary>
    public Func<SslServerAuthenticationOptions>? Certificate { get; init; }

    /// <summary>Bytes of a request's body; null for no limit.</summary>
    public long? MaxBody { get; init; }

    /// <summary>How long a stop waits for requests that run.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(60);
}
