using System.Globalization;
using Lanyard.Identity;
using Lanyard.Server.Cache.Limits;
using Lanyard.Server.Cache.Protocol;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Cache.Blobs;

/// <summary>
/// The blob plane: what the clients' Azure SDK asks of a block blob. The signed URL is the whole authority; a bearer is not looked at.
/// Any <c>x-ms-version</c> and any further query parameter is taken.
/// </summary>
internal static class BlobEndpoints
{
    /// <summary>Sweeps, which renew what is being read, are closer together.</summary>
    private static readonly TimeSpan Margin = TimeSpan.FromMinutes(11);

    /// <summary>Put Blob, Put Block, Put Block List.</summary>
    public static async Task<IResult> PutAsync(
        string workspace, string blob, HttpContext context, BlobUrls urls, CacheEntryStore entries, BlobUpload upload, SegmentStore segments, ILogger<BlobUpload> logger)
    {
        AzureAnswers.Begin(context);
        if (urls.Check(context.Request, BlobPermission.Write) is { } bad) return NotSigned(bad);
        if (await entries.FindByBlobAsync(workspace, blob, context.RequestAborted) is not { } entry) return Missing();

        Outcome<long> outcome;
        try
        {
            switch (context.Request.Query["comp"].ToString())
            {
                case "blocklist":
                    return await PutListAsync(context, entry, segments);
                case "block":
                    var id = context.Request.Query["blockid"].ToString();
                    if (!BlockList.IsId(id)) return AzureAnswers.Error(400, "InvalidQueryParameterValue", "The block id is not base64 of at most 64 bytes.");
                    outcome = await StoreAsync(context, entry, id, upload);
                    break;
                case "":
                    outcome = await StoreAsync(context, entry, SegmentStore.Whole, upload);
                    break;
                default:
                    return AzureAnswers.Error(400, "InvalidQueryParameterValue", "This operation is not known here.");
            }
        }
        catch (BlobStoreException exception)
        {
            logger.StoreFailed(exception);
            return AzureAnswers.Error(exception.Status, exception.IsFull ? "InsufficientStorage" : "ServerBusy", "The bytes could not be stored.");
        }

        return outcome.TryGet(out _, out var refusal) ? AzureAnswers.Created(context, entry) : Refused(refusal);
    }

    public static async Task<IResult> GetAsync(
        string workspace, string blob, HttpContext context, BlobUrls urls, CacheEntryStore entries, BlobDownload download, BlobReads reads, TimeProvider time)
    {
        AzureAnswers.Begin(context);
        if (urls.Check(context.Request, BlobPermission.Read) is { } bad) return NotSigned(bad);

        // Noted before it is looked up: from here on the bytes stay, on other replicas too.
        using var reading = reads.Begin(blob);
        if (await entries.FindByBlobAsync(workspace, blob, context.RequestAborted) is not { State: CacheStates.Ready } entry
            || (entry.ReadUntil <= time.GetUtcNow() + Margin && !await entries.MarkUsedAsync(entry, time.GetUtcNow() + CacheEvictor.Hold, context.RequestAborted)))
            return Missing();

        var headers = context.Request.Headers;
        var range = ByteRange.Read(headers["x-ms-range"] is [{ } own] ? own : headers.Range.Count == 1 ? headers.Range[0] : null, entry.Size, out var satisfiable);
        if (!satisfiable)
        {
            context.Response.Headers.ContentRange = string.Create(CultureInfo.InvariantCulture, $"bytes */{entry.Size}");
            return AzureAnswers.Error(416, "InvalidRange", "The range lies outside the blob.");
        }

        var wanted = range ?? new ByteRange(0, entry.Size - 1);
        Describe(context, entry, range, wanted);
        if (HttpMethods.IsHead(context.Request.Method) || wanted.Length == 0) return Results.Empty;
        await download.SendAsync(context, entry, wanted);
        return Results.Empty;
    }

    private static void Describe(HttpContext context, CacheEntry entry, ByteRange? range, ByteRange wanted)
    {
        var response = context.Response;
        response.StatusCode = range is null ? StatusCodes.Status200OK : StatusCodes.Status206PartialContent;
        response.ContentType = "application/octet-stream";
        response.ContentLength = wanted.Length;
        response.Headers.AcceptRanges = "bytes";
        response.Headers.ETag = AzureAnswers.ETagOf(entry);
        response.Headers.LastModified = entry.CreatedAt.ToString("R", CultureInfo.InvariantCulture);
        response.Headers.CacheControl = "private, no-store";
        response.Headers["x-ms-blob-type"] = "BlockBlob";
        if (range is { } part) response.Headers.ContentRange = string.Create(CultureInfo.InvariantCulture, $"bytes {part.First}-{part.Last}/{entry.Size}");
    }

    private static async Task<Outcome<long>> StoreAsync(HttpContext context, CacheEntry entry, string block, BlobUpload upload)
    {
        if (context.Request.ContentLength is not { } length) return new Refusal(RefusalReason.PreconditionRequired, "no Content-Length");
        return (await upload.StoreAsync(context, entry, block, length)).TryGet(out var stored, out var refusal) ? stored.Length : refusal;
    }

    private static async Task<IResult> PutListAsync(HttpContext context, CacheEntry entry, SegmentStore segments)
    {
        if (await SmallBody.ReadAsync(context.Request, BlockList.MaxBytes) is not { } body || BlockList.Read(body) is not { } ids)
            return AzureAnswers.Error(400, "InvalidXmlDocument", "The body is not a block list.");
        var outcome = await segments.CommitAsync(entry.Blob, staged => ChunkOrder.Listed(staged, ids), context.RequestAborted);
        if (outcome.TryGet(out _, out var refusal)) return AzureAnswers.Created(context, entry);
        return refusal.Reason switch
        {
            RefusalReason.RequestMalformed => AzureAnswers.Error(400, "InvalidBlockList", "The list names a block that was not uploaded."),
            RefusalReason.RequestTooLarge => AzureAnswers.Error(400, "BlockListTooLong", "The list names too many blocks for so few bytes."),
            _ => Refused(refusal),
        };
    }

    private static IResult Refused(Refusal refusal) => refusal.Reason switch
    {
        RefusalReason.PreconditionRequired => AzureAnswers.Error(411, "MissingContentLengthHeader", "Content-Length is required."),
        RefusalReason.RequestTooLarge => AzureAnswers.Error(413, "RequestBodyTooLarge", "The blob would be too large."),
        RefusalReason.Conflict => AzureAnswers.Error(409, "BlobImmutableDueToPolicy", "The blob can't be written any more."),
        _ => AzureAnswers.Error(400, "InvalidInput", "The body has not the length that was announced."),
    };

    private static IResult NotSigned(Refusal refusal) => refusal.Reason == RefusalReason.ScopeNotAllowed
        ? AzureAnswers.Error(403, "AuthorizationPermissionMismatch", "The URL is not good for this operation.")
        : AzureAnswers.Error(403, "AuthenticationFailed", "The URL's signature is missing, wrong or expired.");

    private static IResult Missing() => AzureAnswers.Error(404, "BlobNotFound", "There is no such blob.");
}
