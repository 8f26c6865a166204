namespace Lanyard.ClusterProxy.Upstream;

internal enum UpstreamFault
{
    /// <summary>No API server address accepted a connection (or a TLS handshake).</summary>
    Unreachable,

    /// <summary>The connection ended before the answer did.</summary>
    Cut,

    /// <summary>The answer is not strict HTTP/1.1.</summary>
    Malformed,
}

/// <summary>An outage of the API server's side. The text is for the operator, never for the caller.</summary>
internal sealed class UpstreamException(UpstreamFault fault, string message, Exception? inner = null) : Exception(message, inner)
{
    public UpstreamFault Fault { get; } = fault;

    public static UpstreamException Malformed(string what) => new(UpstreamFault.Malformed, what);
}
