using Lanyard.Server.Cache.Blobs;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Cache;

/// <summary>The URLs that clients are handed: our own, or by choice the store's, whose bytes nobody checks, so that the entry is marked.</summary>
internal sealed class CacheLinks(BlobUrls urls, BlobStore store, SegmentStore segments, CacheEntryStore entries, CacheOptions options, ILogger<CacheLinks> logger)
{
    public string Upload(HttpContext context, CacheEntry entry) => urls.Sign(Protocol.TwirpEndpoints.Origin(context, options), entry.WorkspaceId, entry.Blob, BlobPermission.Write);

    public async ValueTask<string> DownloadAsync(HttpContext context, CacheEntry entry)
    {
        if (options.DirectReads && await DirectAsync(entry, context.RequestAborted) is { } direct) return direct;
        return urls.Sign(Protocol.TwirpEndpoints.Origin(context, options), entry.WorkspaceId, entry.Blob, BlobPermission.Read);
    }

    /// <summary>Only where one object is the whole entry; marked before the URL is out.</summary>
    private async ValueTask<string?> DirectAsync(CacheEntry entry, CancellationToken cancellationToken)
    {
        if (entry.Encrypted) return null;
        if (await segments.SegmentsAsync(entry.Blob, cancellationToken) is not [var only] || only.Length != entry.Size) return null;
        try
        {
            if (await store.DirectUrlAsync(entry.Blob, only.Segment, BlobUrls.DownloadLife) is not { } url) return null;
            await entries.MarkUnverifiedAsync(entry.Id, cancellationToken);
            return url;
        }
        catch (BlobStoreException exception)
        {
            logger.StoreFailed(exception);
            return null;
        }
    }
}
