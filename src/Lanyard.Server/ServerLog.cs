using Microsoft.Extensions.Logging;

namespace Lanyard.Server;

internal static partial class ServerLog
{
    [LoggerMessage(LogLevel.Error, "The certificate files can't be used; the old certificate stays in service")]
    public static partial void CertificateUnusable(this ILogger logger, Exception exception);
}
