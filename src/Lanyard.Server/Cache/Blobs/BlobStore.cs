using System.IO.Pipelines;
using System.Net;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Cache.Blobs;

/// <summary>
/// Where bytes lie. Every uploaded body is a segment, written once under an unguessable name; a blob is a list of them. Drivers hash each leaf while it is
/// written, and check what they send, by its digest or its tag, before its first byte leaves.
/// </summary>
internal abstract class BlobStore
{
    /// <summary>Stores a body of known length as a new segment. Digests are of the plain bytes.</summary>
    /// <returns>Null when the body was shorter or longer.</returns>
    /// <exception cref="BlobStoreException">The store failed or is full. Whatever goes wrong, nothing is left.</exception>
    public abstract Task<StoredSegment?> WriteAsync(string blob, Stream body, long length, WorkspaceKey key, CancellationToken cancellationToken);

    /// <summary>Whether every segment of a blob that is written no more is there in its length; the bytes are not looked at.</summary>
    /// <param name="segments">Asked where the driver does not know without.</param>
    /// <exception cref="BlobStoreException">The store can't be asked.</exception>
    public abstract ValueTask<bool> HasAsync(string blob, Func<Task<List<(string Segment, long Length)>>> segments, CancellationToken cancellationToken);

    /// <summary>Sends a range of a blob; nothing that is not checked leaves.</summary>
    /// <exception cref="BlobDamagedException">A segment is missing, short, or not what was written.</exception>
    /// <exception cref="BlobStoreException">The store failed, which says nothing about the bytes.</exception>
    public abstract Task CopyAsync(string blob, IReadOnlyList<Extent> extents, ByteRange range, WorkspaceKey key, PipeWriter to, CancellationToken cancellationToken);

    /// <summary>Best effort: what is left is cleared away with the whole blob.</summary>
    public abstract ValueTask DeleteAsync(string blob, IReadOnlyList<string> segments);

    /// <summary>How many segments of a blob are stored, begun ones too; 0 where the store can't be asked.</summary>
    public abstract ValueTask<int> CountAsync(string blob);

    /// <summary>Clears away what no list has named, and what a killed server had begun.</summary>
    public abstract ValueTask DeleteAllButAsync(string blob, IReadOnlySet<string> segments);

    /// <exception cref="BlobStoreException">Something is left: ask again.</exception>
    public abstract ValueTask DeleteAsync(string blob);

    /// <summary>The store's own pre-signed URL of a segment, where it is configured to give them out: bytes that come that way are not checked.</summary>
    public virtual ValueTask<string?> DirectUrlAsync(string blob, string segment, TimeSpan life) => ValueTask.FromResult<string?>(null);
}

/// <summary>The store failed or is full.</summary>
internal sealed class BlobStoreException(Exception inner) : Exception(inner.Message, inner)
{
    private const int NoSpace = 28;
    private const int NoQuota = 122;

    /// <summary>Asking again soon is in vain.</summary>
    public bool IsFull => InnerException is IOException { HResult: NoSpace or NoQuota } or HttpRequestException { StatusCode: HttpStatusCode.InsufficientStorage };

    /// <summary>What a client is told of it: 503 is what clients repeat by themselves.</summary>
    public int Status => IsFull ? StatusCodes.Status507InsufficientStorage : StatusCodes.Status503ServiceUnavailable;
}

/// <summary>What is stored is not what was written.</summary>
internal sealed class BlobDamagedException(string message) : Exception(message);
