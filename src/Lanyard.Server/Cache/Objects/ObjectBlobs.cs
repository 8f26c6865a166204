using System.Buffers;
using System.IO.Pipelines;
using System.Security.Cryptography;
using Lanyard.Server.Cache.Blobs;
using Lanyard.Server.Http;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Cache.Objects;

/// <summary>
/// Blobs in an object store: every segment is one object, <c>prefix/blob/segment</c>. A body goes out in parts of <see cref="PartBytes"/>, gathered from whatever
/// pieces it comes in (a store's parts have a least size, clients' blocks have none), and in one request where it fits one. Where a store takes too few of them for the body they are larger.
/// </summary>
/// <param name="prefix">Empty, or ends in a slash.</param>
/// <param name="isDirect">Gives out the store's own URLs.</param>
internal sealed class ObjectBlobs(ObjectStore store, string prefix, bool isDirect, TimeProvider time, ILogger<ObjectBlobs> logger) : BlobStore, IDisposable
{
    /// <summary>A whole number of leaves; an upload holds no more memory than this, but for one of more than 78 GiB, which no store has so many parts for.</summary>
    public const int PartBytes = 8 * Leaf.Bytes;

    private const int AtOnce = 8;

    /// <summary>A store that sends nothing for so long has failed.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(30);

    public override async Task<StoredSegment?> WriteAsync(string blob, Stream body, long length, WorkspaceKey key, CancellationToken cancellationToken)
    {
        var segment = Ids.New("seg", time);
        var digests = new byte[Leaf.CountOf(length) * SHA256.HashSizeInBytes];
        var partBytes = PartBytesOf(length, store.MostParts);
        var buffer = ArrayPool<byte>.Shared.Rent((int)Math.Clamp(length, 1, partBytes));
        using var cipher = key.CipherOf(segment);
        PartUpload? parts = null;
        var done = false;
        try
        {
            for (long at = 0; at < length || at == 0; at += partBytes)
            {
                var wanted = (int)Math.Min(partBytes, length - at);
                if (await body.ReadAtLeastAsync(buffer.AsMemory(0, wanted), wanted, throwOnEndOfStream: false, cancellationToken) < wanted) return null;
                Hash(buffer.AsSpan(0, wanted), digests, at);
                cipher?.Apply(buffer.AsSpan(0, wanted), at);
                if (at + wanted >= length && !await IsOverAsync(body, cancellationToken)) return null;
                if (length <= partBytes)
                {
                    await store.PutAsync(KeyOf(blob, segment), buffer.AsMemory(0, wanted), cancellationToken);
                    break;
                }

                parts ??= await store.BeginAsync(KeyOf(blob, segment), cancellationToken);
                await parts.AddAsync(checked((int)(at / partBytes) + 1), buffer.AsMemory(0, wanted), cancellationToken);
            }

            if (parts is not null) await parts.CompleteAsync(cancellationToken);
            done = true;
            return new StoredSegment(segment, length, digests, []);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            if (!done && parts is not null) await parts.AbortAsync();
        }
    }

    public override async ValueTask<bool> HasAsync(string blob, Func<Task<List<(string Segment, long Length)>>> segments, CancellationToken cancellationToken)
    {
        var wanted = await segments();
        if (wanted.Count == 0) return true;
        var present = await store.ListAsync(FolderOf(blob), cancellationToken);
        return wanted.TrueForAll(part => present.TryGetValue(KeyOf(blob, part.Segment), out var length) && length == part.Length);
    }

    public override async Task CopyAsync(string blob, IReadOnlyList<Extent> extents, ByteRange range, WorkspaceKey key, PipeWriter to, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(Leaf.Bytes);
        await using var ahead = new ReadAhead(extents, extent => OpenAsync(blob, extent, range, cancellationToken));
        try
        {
            foreach (var extent in extents)
            {
                using var cipher = key.CipherOf(extent.Segment);
                await using var stream = await ahead.NextAsync();
                if (!await CopyAsync(stream, extent, range, cipher, to, buffer, cancellationToken)) return;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    public override async ValueTask DeleteAsync(string blob, IReadOnlyList<string> segments)
    {
        try
        {
            await DeleteAsync(segments.Select(segment => KeyOf(blob, segment)));
        }
        catch (BlobStoreException exception)
        {
            logger.StoreFailed(exception);
        }
    }

    public override async ValueTask<int> CountAsync(string blob)
    {
        try
        {
            return (await store.ListAsync(FolderOf(blob), CancellationToken.None)).Count;
        }
        catch (BlobStoreException exception)
        {
            logger.StoreFailed(exception);
            return 0;
        }
    }

    public override async ValueTask DeleteAllButAsync(string blob, IReadOnlySet<string> segments)
    {
        try
        {
            var keep = segments.Select(segment => KeyOf(blob, segment)).ToHashSet(StringComparer.Ordinal);
            await DeleteAsync((await store.ListAsync(FolderOf(blob), CancellationToken.None)).Keys.Where(key => !keep.Contains(key)));
        }
        catch (BlobStoreException exception)
        {
            logger.StoreFailed(exception);
        }
    }

    public override async ValueTask DeleteAsync(string blob) => await DeleteAsync((await store.ListAsync(FolderOf(blob), CancellationToken.None)).Keys);

    public override ValueTask<string?> DirectUrlAsync(string blob, string segment, TimeSpan life) =>
        isDirect ? store.SignAsync(KeyOf(blob, segment), life) : ValueTask.FromResult<string?>(null);

    public void Dispose() => store.Dispose();

    /// <summary>Whole leaves, so that none is in two parts.</summary>
    internal static int PartBytesOf(long length, int mostParts)
    {
        var leaves = (Leaf.CountOf(length) + mostParts - 1) / mostParts;
        return checked(Math.Max(PartBytes, leaves * Leaf.Bytes));
    }

    private static void Hash(ReadOnlySpan<byte> bytes, byte[] digests, long at)
    {
        for (var offset = 0; offset < bytes.Length; offset += Leaf.Bytes)
            SHA256.HashData(bytes[offset..Math.Min(bytes.Length, offset + Leaf.Bytes)], Leaf.DigestOf(digests, (int)((at + offset) / Leaf.Bytes)));
    }

    private static async ValueTask<bool> IsOverAsync(Stream body, CancellationToken cancellationToken) => await body.ReadAsync(new byte[1], cancellationToken) == 0;

    /// <summary>What of a segment must be read: whole leaves.</summary>
    private async Task<Stream> OpenAsync(string blob, Extent extent, ByteRange range, CancellationToken cancellationToken)
    {
        var (first, end) = Within(extent, range);
        var last = Math.Min(extent.Length, ((end + Leaf.Bytes - 1) / Leaf.Bytes) * Leaf.Bytes) - 1;
        return await store.OpenAsync(KeyOf(blob, extent.Segment), (first / Leaf.Bytes) * Leaf.Bytes, last, cancellationToken)
            ?? throw new BlobDamagedException($"segment {extent.Segment} is missing or too short");
    }

    private static (long First, long End) Within(Extent extent, ByteRange range) =>
        (Math.Max(0, range.First - extent.Position), Math.Min(extent.Length, range.Last + 1 - extent.Position));

    /// <returns>False where the reader has gone.</returns>
    private async Task<bool> CopyAsync(Stream stream, Extent extent, ByteRange range, SegmentCipher? cipher, PipeWriter to, byte[] buffer, CancellationToken cancellationToken)
    {
        var (first, end) = Within(extent, range);
        var leaf = (int)(first / Leaf.Bytes);
        for (var at = (long)leaf * Leaf.Bytes; at < end; at += Leaf.Bytes, leaf++)
        {
            var length = (int)Math.Min(Leaf.Bytes, extent.Length - at);
            await ReadAsync(stream, buffer.AsMemory(0, length), cancellationToken);
            cipher?.Apply(buffer.AsSpan(0, length), at);
            if (!IsWhole(buffer.AsSpan(0, length), extent, leaf)) throw new BlobDamagedException($"leaf {leaf} of {extent.Segment} is not what was written");
            var from = (int)(Math.Max(first, at) - at);
            if ((await to.WriteAsync(buffer.AsMemory(from..(int)(Math.Min(end, at + length) - at)), cancellationToken)).IsCompleted) return false;
        }

        return true;
    }

    private static bool IsWhole(ReadOnlySpan<byte> bytes, Extent extent, int leaf)
    {
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(bytes, digest);
        return digest.SequenceEqual(Leaf.DigestOf(extent.Digests, leaf));
    }

    /// <summary>An end before its time is the connection's, not the object's: the store has said how long it is.</summary>
    private async Task ReadAsync(Stream stream, Memory<byte> bytes, CancellationToken cancellationToken)
    {
        using var silence = new CancellationTokenSource(Silence, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(silence.Token, cancellationToken);
        try
        {
            if (await stream.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, either.Token) < bytes.Length) throw new EndOfStreamException("the store's answer broke off");
        }
        catch (Exception exception) when (exception is IOException or HttpRequestException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw new BlobStoreException(exception);
        }
    }

    private Task DeleteAsync(IEnumerable<string> keys) => Parallel.ForEachAsync(
        keys, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (key, cancellationToken) => await store.DeleteAsync(key, cancellationToken));

    private string FolderOf(string blob) => $"{prefix}{blob}/";

    private string KeyOf(string blob, string segment) => $"{prefix}{blob}/{segment}";
}
