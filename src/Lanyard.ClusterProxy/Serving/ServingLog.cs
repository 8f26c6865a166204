using System.Net;
using Lanyard.Identity;
using Microsoft.Extensions.Logging;

namespace Lanyard.ClusterProxy.Serving;

internal static partial class ServingLog
{
    [LoggerMessage(LogLevel.Information, "Refused at {Stage}: {Reason}: {Detail} (from {Peer})")]
    public static partial void Refused(this ILogger logger, Stage stage, RefusalReason reason, string detail, IPAddress? peer);

    [LoggerMessage(LogLevel.Information, "The cluster denied {User} an impersonation: {Detail}")]
    public static partial void ImpersonationDenied(this ILogger logger, string user, string detail);

    [LoggerMessage(LogLevel.Information, "Reloaded {File}")]
    public static partial void Reloaded(this ILogger logger, string file);

    [LoggerMessage(LogLevel.Error, "The new content of {File} is not used, the old goes on: {Detail}")]
    public static partial void ReloadRefused(this ILogger logger, string file, string detail);
}
