using Microsoft.Extensions.Logging;

namespace Lanyard.ClusterProxy.Audit;

internal static partial class AuditLog
{
    [LoggerMessage(LogLevel.Warning, "The {Backend} can't be written, it will be tried again: {Detail}")]
    public static partial void AuditDelayed(this ILogger logger, string backend, string detail);

    [LoggerMessage(LogLevel.Error, "The {Backend} has lost {Count} lines so far: {Detail}")]
    public static partial void AuditLost(this ILogger logger, string backend, long count, string detail);
}
