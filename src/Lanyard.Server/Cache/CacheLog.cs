using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Cache;

internal static partial class CacheLog
{
    [LoggerMessage(LogLevel.Error, "The bytes of cache entry {Entry} (blob {Blob}) are missing; the entry is out of service")]
    public static partial void BytesMissing(this ILogger logger, long entry, string blob);

    [LoggerMessage(LogLevel.Error, "The bytes of cache entry {Entry} (blob {Blob}) are not what was written; the entry is out of service: {What}")]
    public static partial void BytesDamaged(this ILogger logger, long entry, string blob, string what);

    [LoggerMessage(LogLevel.Information, "{Count} cache entries of workspace {Workspace} were evicted: {Why}")]
    public static partial void Evicted(this ILogger logger, int count, string workspace, string why);

    [LoggerMessage(LogLevel.Error, "The cache's store failed")]
    public static partial void StoreFailed(this ILogger logger, Exception exception);

    [LoggerMessage(LogLevel.Error, "The bytes of {Count} cache entries (one is blob {Blob}) could not be deleted; they are tried again later")]
    public static partial void NotDeleted(this ILogger logger, Exception exception, int count, string blob);

    [LoggerMessage(LogLevel.Information, "{Count} abandoned cache reservations were cleared away")]
    public static partial void Swept(this ILogger logger, int count);

    [LoggerMessage(LogLevel.Warning, "A client that had not read all of cache entry {Entry} after {Limit} was cut off")]
    public static partial void ReadTooLong(this ILogger logger, long entry, TimeSpan limit);

    [LoggerMessage(LogLevel.Error, "Whether the reservation of an upload still stands can't be asked; the upload is cut off")]
    public static partial void WatchFailed(this ILogger logger, Exception exception);
}
