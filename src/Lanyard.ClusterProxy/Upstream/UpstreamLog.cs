using Microsoft.Extensions.Logging;

namespace Lanyard.ClusterProxy.Upstream;

internal static partial class UpstreamLog
{
    [LoggerMessage(LogLevel.Information, "The API server at {Address} is well again")]
    public static partial void AddressUp(this ILogger logger, string address);

    [LoggerMessage(LogLevel.Warning, "The API server at {Address} is not well and is used last: {Detail}")]
    public static partial void AddressDown(this ILogger logger, string address, string detail);
}
