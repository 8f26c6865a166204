using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Federation;

internal static partial class FederationLog
{
    [LoggerMessage(LogLevel.Error, "Trust record {Record} can't be used and believes nobody: {Mistakes}")]
    public static partial void RecordUnusable(this ILogger logger, string record, string mistakes);

    [LoggerMessage(LogLevel.Warning, "Keys of {Record} changed by {Action}: now {State}; trusted anew: {Added}; leaving: {Removed}")]
    public static partial void KeysChanged(this ILogger logger, string record, string action, string state, string added, string removed);

    [LoggerMessage(LogLevel.Warning, "Keys of {Record} may be out of date: {Reason}")]
    public static partial void KeysStale(this ILogger logger, string record, string reason);

    [LoggerMessage(LogLevel.Warning, "Nobody asks the API server of {Record} about tokens; they are refused")]
    public static partial void ReviewsUnanswered(this ILogger logger, string record);

    [LoggerMessage(LogLevel.Error, "Trust policy {Policy} can't be used and matches nobody: {Mistakes}")]
    public static partial void PolicyUnusable(this ILogger logger, string policy, string mistakes);
}
