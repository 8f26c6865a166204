using System.Text.Json;
using System.Text.Json.Serialization;
using Lanyard.Server.Http;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Cache.Protocol;

internal sealed record ArtifactCacheEntry(string CacheKey, string Scope, string CacheVersion, DateTimeOffset CreationTime, string? ArchiveLocation);

internal sealed record ArtifactCacheList(int TotalCount, IReadOnlyList<ArtifactCacheEntry> ArtifactCaches);

/// <param name="CacheSize">Absent with some clients.</param>
internal sealed record ReserveCacheRequest(string? Key, string? Version, long? CacheSize);

internal sealed record ReserveCacheResponse(long CacheId);

internal sealed record CommitCacheRequest(long? Size);

internal sealed record ArtifactCacheError(string Message, string TypeName, string TypeKey, int ErrorCode)
{
    /// <summary>For refusals that no endpoint words itself.</summary>
    public static Task WriteAsync(HttpContext context, ErrorAnswer error) =>
        context.Response.WriteAsJsonAsync(Of(error.Status, error.Text), ArtifactCacheJson.Default.ArtifactCacheError, "application/json");

    /// <summary>Clients know a duplicate by the type key.</summary>
    public static ArtifactCacheError Of(int status, string message)
    {
        var key = status switch
        {
            409 => "ArtifactCacheItemAlreadyExistsException",
            401 or 403 => "AccessDeniedException",
            404 => "ArtifactCacheItemNotFoundException",
            < 500 => "InvalidRequestException",
            _ => "ServiceException",
        };
        return new ArtifactCacheError(message, key, key, 0);
    }
}

/// <summary>The dialect of protocol v1: camel case, unknown members passed over, numbers also as text.</summary>
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ArtifactCacheEntry))]
[JsonSerializable(typeof(ArtifactCacheList))]
[JsonSerializable(typeof(ReserveCacheRequest))]
[JsonSerializable(typeof(ReserveCacheResponse))]
[JsonSerializable(typeof(CommitCacheRequest))]
[JsonSerializable(typeof(ArtifactCacheError))]
internal sealed partial class ArtifactCacheJson : JsonSerializerContext;
