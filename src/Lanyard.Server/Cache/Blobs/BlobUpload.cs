using Lanyard.Identity;
using Lanyard.Server.Audit;
using Lanyard.Server.Cache.Limits;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Cache.Blobs;

/// <summary>Takes an uploaded body: checks, stores, enters it. Both protocols upload through it.</summary>
internal sealed class BlobUpload(
    BlobStore files, SegmentStore segments, CacheEntryStore entries, CacheSettingsDirectory settings, UnfinishedUploads unfinished, CacheTally tally, CacheRefusals refusals, CacheOptions options, SegmentKeys keys,
    TimeProvider time, ILogger<BlobUpload> logger)
{
    /// <summary>A second: whoever sends holds buffers meanwhile, and a URL of an hour would let one hold them for a day.</summary>
    public const double SlowestBytes = 4096;

    /// <param name="block">Under which name it is staged; <see cref="SegmentStore.Whole"/> is the whole blob at once.</param>
    /// <param name="length">What the body must have, in bytes.</param>
    /// <returns>Its bytes; or RequestTooLarge, RequestMalformed (another length), Conflict (not pending any more).</returns>
    /// <exception cref="BlobStoreException">The store failed or is full.</exception>
    public async Task<Outcome<StoredSegment>> StoreAsync(HttpContext context, CacheEntry entry, string block, long length)
    {
        var outcome = await JudgeAsync(context, entry, block, length);
        if (!outcome.TryGet(out _, out var refusal) && refusal.Reason == RefusalReason.RequestTooLarge)
            await refusals.TellAsync(AuditEvent.Of(context, "cache.write") with { WorkspaceId = entry.WorkspaceId, Refusal = refusal, Target = entry.Repository, Details = entry.Details }, entry.Subject);
        return outcome;
    }

    private async Task<Outcome<StoredSegment>> JudgeAsync(HttpContext context, CacheEntry entry, string block, long length)
    {
        if (entry.State != CacheStates.Pending || entry.PendingUntil <= time.GetUtcNow()) return new Refusal(RefusalReason.Conflict, $"entry {entry.Id} is {entry.State} until {entry.PendingUntil:O}");
        var limits = await settings.LimitsAsync(entry.WorkspaceId, context.RequestAborted);
        var most = limits.EntryBytes(entry.Repository);
        if (length > most) return TooLarge(entry);
        if (tally.IsFull(entry.WorkspaceId, entry.Repository)) return new Refusal(RefusalReason.RequestTooLarge, $"{entry.Repository} or its workspace holds twice its quota, all of it given out by look-ups or being read");
        if (!await unfinished.TryBeginAsync(entry, length, limits, context.RequestAborted))
            return new Refusal(RefusalReason.RequestTooLarge, $"with entry {entry.Id} more would be unfinished than the quota of {entry.Repository} or of its workspace");
        var isStaged = false;
        try
        {
            var outcome = await StoreAsync(context, entry, block, length, most);
            isStaged = !outcome.IsRefused;
            return outcome;
        }
        finally
        {
            unfinished.End(entry, length, isStaged);
        }
    }

    private async Task<Outcome<StoredSegment>> StoreAsync(HttpContext context, CacheEntry entry, string block, long length, long most)
    {
        if (!(await WriteAsync(context, entry, length, most)).TryGet(out var stored, out var bad)) return bad;
        var done = false;
        try
        {
            // What is on disk is entered even if the caller has gone: it may ask for the commit on another connection.
            var outcome = await segments.StageAsync(entry.Blob, block, stored, most, CancellationToken.None);
            if (!outcome.TryGet(out var replaced, out var refusal)) return refusal;
            done = true;
            await files.DeleteAsync(entry.Blob, replaced);
            return stored;
        }
        catch (TooMuchException)
        {
            return TooLarge(entry);
        }
        finally
        {
            if (!done) await files.DeleteAsync(entry.Blob, [stored.Segment]);
        }
    }

    private async Task<Outcome<StoredSegment>> WriteAsync(HttpContext context, CacheEntry entry, long length, long most)
    {
        // The server's general limit is for requests that are read into memory.
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = most;
        await using var reservation = new ReservationWatch(entries, entry, time, logger, context.RequestAborted);
        try
        {
            return await files.WriteAsync(entry.Blob, BodyOf(context), length, keys.Of(entry), reservation.Token) is { } stored
                ? stored
                : new Refusal(RefusalReason.RequestMalformed, $"the body has not the {length} bytes that were announced");
        }
        catch (OperationCanceledException) when (reservation.IsOver && !context.RequestAborted.IsCancellationRequested)
        {
            return new Refusal(RefusalReason.Conflict, $"the reservation of entry {entry.Id} ended while {length} bytes were uploaded");
        }
    }

    private Stream BodyOf(HttpContext context)
    {
        if (!HttpProtocol.IsHttp11(context.Request.Protocol)) return new PacedBody(context.Request.Body, SlowestBytes, options.UploadPatience, time);
        if (context.Features.Get<IHttpMinRequestBodyDataRateFeature>() is { } pace) pace.MinDataRate = new MinDataRate(SlowestBytes, options.UploadPatience);
        return context.Request.Body;
    }

    private static Refusal TooLarge(CacheEntry entry) => new(RefusalReason.RequestTooLarge, $"entry {entry.Id} would be too large");
}
