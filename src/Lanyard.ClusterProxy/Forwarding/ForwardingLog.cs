using Lanyard.ClusterProxy.Upstream;
using Microsoft.Extensions.Logging;

namespace Lanyard.ClusterProxy.Forwarding;

internal static partial class ForwardingLog
{
    [LoggerMessage(LogLevel.Error, "The API server failed: {Fault}: {Detail}")]
    public static partial void UpstreamFailed(this ILogger logger, UpstreamFault fault, string detail);

    [LoggerMessage(LogLevel.Error, "The API server does not accept the proxy's own credential (401)")]
    public static partial void OwnCredentialRefused(this ILogger logger);
}
