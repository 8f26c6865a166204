using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Lanyard.Identity;
using Lanyard.Server.Cache.Blobs;
using Lanyard.Server.Http;
using Lanyard.Server.Runtime;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Cache.Protocol;

/// <summary>Protocol v1: <c>…/_apis/artifactcache/</c>, for clients and servers that do not know v2.</summary>
internal static class ArtifactCacheEndpoints
{
    private const int MaxBody = 64 * 1024;

    public static async Task<IResult> FindAsync(HttpContext context, RuntimeCaller caller, CacheService cache, CacheLinks links)
    {
        if (!(await caller.RequireAsync(context)).TryGet(out var subject, out var refusal)) return new Refused(refusal);
        var (keys, version) = (context.Request.Query["keys"].ToString().Split(','), context.Request.Query["version"].ToString());
        if ((await cache.MatchAsync(context, subject, keys, version)).TryGet(out var entry, out refusal))
        {
            var url = await links.DownloadAsync(context, entry);
            return Results.Json(ViewOf(entry, url), ArtifactCacheJson.Default.ArtifactCacheEntry);
        }

        return refusal.Reason switch
        {
            RefusalReason.NotFound => Results.NoContent(),
            RefusalReason.Forbidden => Error(403, TwirpEndpoints.ReadDenied),
            _ => Answer(refusal),
        };
    }

    /// <summary>What there is of a key in other versions: a client that looks for faults asks after a miss.</summary>
    public static async Task<IResult> ListAsync(HttpContext context, RuntimeCaller caller, CacheService cache)
    {
        if (!(await caller.RequireAsync(context)).TryGet(out var subject, out var refusal)) return new Refused(refusal);
        if ((await cache.ListAsync(context, subject, context.Request.Query["key"].ToString())).TryGet(out var found, out refusal))
            return Results.Json(new ArtifactCacheList(found.Count, [.. found.Select(static entry => ViewOf(entry, null))]), ArtifactCacheJson.Default.ArtifactCacheList);
        return refusal.Reason == RefusalReason.Forbidden ? Error(403, TwirpEndpoints.ReadDenied) : Answer(refusal);
    }

    public static async Task<IResult> ReserveAsync(HttpContext context, RuntimeCaller caller, CacheService cache)
    {
        if (!(await caller.RequireAsync(context)).TryGet(out var subject, out var refusal)) return new Refused(refusal);
        if (await ReadAsync(context.Request, ArtifactCacheJson.Default.ReserveCacheRequest) is not { } request) return Error(400, "the body is not a reservation");
        if (request.CacheSize < 0) return Error(400, "cacheSize must not be negative");
        if ((await cache.ReserveAsync(context, subject, request.Key ?? "", request.Version ?? "", request.CacheSize ?? 0)).TryGet(out var entry, out refusal))
            return Results.Json(new ReserveCacheResponse(entry.Id), ArtifactCacheJson.Default.ReserveCacheResponse, statusCode: 201);
        return refusal.Reason switch
        {
            RefusalReason.Forbidden => Error(403, TwirpEndpoints.WriteDenied),
            RefusalReason.Conflict => Error(409, $"Cache already exists. Key: {request.Key}, Version: {request.Version}"),
            RefusalReason.RequestTooLarge => Error(400, refusal.Detail),
            _ => Answer(refusal),
        };
    }

    /// <summary>A chunk, at any time in any order; its place is in <c>Content-Range</c>, its length often nowhere else.</summary>
    public static async Task<IResult> UploadAsync(
        string id, HttpContext context, RuntimeCaller caller, CacheEntryStore entries, BlobUpload upload, ILogger<BlobUpload> logger)
    {
        if (!(await OwnAsync(id, context, caller, entries)).TryGet(out var own, out var refusal)) return Answer(refusal);
        if (ByteRange.ReadContentRange(context.Request.Headers.ContentRange.ToString()) is not { } range) return Error(400, "Content-Range is missing or malformed");
        try
        {
            return (await upload.StoreAsync(context, own.Entry, ChunkOrder.NameOf(range.First), range.Length)).TryGet(out _, out refusal)
                ? Results.NoContent()
                : Answer(refusal);
        }
        catch (BlobStoreException exception)
        {
            logger.StoreFailed(exception);
            return Error(exception.Status, "the bytes could not be stored");
        }
    }

    public static async Task<IResult> CommitAsync(
        string id, HttpContext context, RuntimeCaller caller, CacheEntryStore entries, SegmentStore segments, CacheService cache)
    {
        if (!(await OwnAsync(id, context, caller, entries)).TryGet(out var own, out var refusal)) return Answer(refusal);
        if (await ReadAsync(context.Request, ArtifactCacheJson.Default.CommitCacheRequest) is not { Size: { } size }) return Error(400, "the size is missing");
        var (entry, subject) = own;
        if (entry.State == CacheStates.Pending
            && !(await segments.CommitAsync(entry.Blob, ChunkOrder.Of, context.RequestAborted)).TryGet(out _, out refusal)) return Answer(refusal);
        return (await cache.FinalizeAsync(context, subject, entry.Name, size)).TryGet(out _, out refusal) ? Results.NoContent() : refusal.Reason switch
        {
            RefusalReason.RequestTooLarge => Error(400, refusal.Detail),
            RefusalReason.Conflict => Error(400, "the chunks do not make a cache of that size"),
            _ => Answer(refusal),
        };
    }

    public static IResult Unknown() => Error(404, "no such path");

    /// <summary>An entry that the caller itself has reserved; whatever else is the same 404.</summary>
    private static async Task<Outcome<OwnEntry>> OwnAsync(string id, HttpContext context, RuntimeCaller caller, CacheEntryStore entries)
    {
        if (!(await caller.RequireAsync(context)).TryGet(out var subject, out var refusal)) return refusal;
        return long.TryParse(id, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var number)
            && subject.Repository is { } repository
            && await entries.FindByIdAsync(number, subject.WorkspaceId, repository, context.RequestAborted) is { } entry
            && entry.Subject == subject.Key
            ? new OwnEntry(entry, subject)
            : new Refusal(RefusalReason.NotFound, $"{subject.Id} has no reservation {id}");
    }

    private static async Task<T?> ReadAsync<T>(HttpRequest request, JsonTypeInfo<T> shape)
        where T : class
    {
        try
        {
            return await SmallBody.ReadAsync(request, MaxBody) is { } body ? JsonSerializer.Deserialize(body, shape) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static IResult Answer(Refusal refusal) => refusal.Reason switch
    {
        RefusalReason.RequestMalformed => Error(400, refusal.Detail),
        _ => new Refused(refusal),
    };

    private static ArtifactCacheEntry ViewOf(CacheEntry entry, string? url) => new(entry.Key, entry.Scope, entry.Version, entry.CreatedAt, url);

    private static IResult Error(int status, string message) =>
        Results.Json(ArtifactCacheError.Of(status, message), ArtifactCacheJson.Default.ArtifactCacheError, statusCode: status);

    private sealed record OwnEntry(CacheEntry Entry, RuntimeSubject Subject);
}
