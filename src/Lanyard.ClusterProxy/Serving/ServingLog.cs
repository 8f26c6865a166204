using System.Net;
using Lanyard.Identity;
using Microsoft.Extensions.Logging;

namespace Lanyard.ClusterProxy.Serving;

internal static partial class ServingLog
{
    [LoggerMessage(LogLevel.Information, "Refused at {Stage}: {Reason}: {Detail} (from {Peer})")]
    public static partial void Refused(this ILogger logger, Stage stage, RefusalReason reason, string detail, IPAddress? peer);
}
