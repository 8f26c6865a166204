using Lanyard.Server.Audit;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Cache.Blobs;

/// <summary>
/// Sends bytes of an entry that are announced already. It ends with the client, with the first byte that is not what was written, and after <see cref="CacheOptions.ReadLife"/>: what is being
/// sent is not evicted, and a reader that takes a few bytes now and then would keep it for days.
/// </summary>
internal sealed class BlobDownload(BlobStore files, SegmentStore segments, SegmentKeys keys, DamagedEntries damaged, CacheOptions options, TimeProvider time, ILogger<BlobDownload> logger)
{
    public async Task SendAsync(HttpContext context, CacheEntry entry, ByteRange wanted)
    {
        var extents = await segments.ExtentsAsync(entry.Blob, wanted, context.RequestAborted);

        // Of HTTP/2 the server watches what goes out on the whole connection.
        if (HttpProtocol.IsHttp11(context.Request.Protocol) && context.Features.Get<IHttpMinResponseDataRateFeature>() is { } pace) pace.MinDataRate = new MinDataRate(BlobUpload.SlowestBytes, options.UploadPatience);
        using var limit = new CancellationTokenSource(options.ReadLife, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, context.RequestAborted);
        try
        {
            await context.Response.StartAsync(either.Token);
            await files.CopyAsync(entry.Blob, extents, wanted, keys.Of(entry), context.Response.BodyWriter, either.Token);
        }
        catch (BlobDamagedException exception)
        {
            // The length is announced already: only a broken connection tells the client that these bytes are not to be used.
            await damaged.TakeOutAsync(entry, AuditEvent.Of(context, "cache.damaged"), exception.Message);
            context.Abort();
        }
        catch (BlobStoreException exception)
        {
            logger.StoreFailed(exception);
            context.Abort();
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !context.RequestAborted.IsCancellationRequested)
        {
            logger.ReadTooLong(entry.Id, options.ReadLife);
            context.Abort();
        }
    }
}
