using System.Buffers;
using System.IO.Pipelines;
using System.Security.Cryptography;
using Lanyard.Server.Http;

namespace Lanyard.Server.Cache.Blobs;

/// <summary>
/// The files driver: every uploaded body is one file, <c>root/ab/blob/segment</c>, written once and never copied; a blob is a list of them. Leaves are
/// hashed while they are written, beside the next read, and checked while they are sent. Nothing is synced to disk: what a power cut takes shows as a
/// digest that does not match, and a cache may forget.
/// </summary>
internal sealed class FileBlobs(string root, TimeProvider time) : BlobStore
{
    private const UnixFileMode OwnFolder = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    public override async Task<StoredSegment?> WriteAsync(string blob, Stream body, long length, WorkspaceKey? key, CancellationToken cancellationToken)
    {
        var segment = Ids.New("seg", time);
        CreateFolder(blob);
        var path = PathOf(blob, segment);
        var done = false;
        try
        {
            using var cipher = key?.Of(segment);
            await using var writer = SegmentWriter.Create(path, length, cipher);
            var complete = await writer.CopyAsync(body, length, cancellationToken);
            done = complete;
            return complete ? new StoredSegment(segment, length, writer.Digests) : null;
        }
        finally
        {
            if (!done) DeleteFile(path);
        }
    }

    /// <summary>A look at the directory, not at the bytes.</summary>
    public override ValueTask<bool> HasAsync(string blob, IReadOnlyList<(string Segment, long Length)> segments, CancellationToken cancellationToken) =>
        ValueTask.FromResult(segments.All(part => new FileInfo(PathOf(blob, part.Segment)) is { Exists: true } file && file.Length == part.Length));

    public override async Task CopyAsync(string blob, IReadOnlyList<Extent> extents, ByteRange range, WorkspaceKey? key, PipeWriter to, CancellationToken cancellationToken)
    {
        var scratch = ArrayPool<byte>.Shared.Rent(Leaf.Bytes);
        try
        {
            foreach (var extent in extents)
            {
                using var file = Open(blob, extent.Segment);
                using var cipher = key?.Of(extent.Segment);
                var first = Math.Max(0, range.First - extent.Position);
                var end = Math.Min(extent.Length, range.Last + 1 - extent.Position);
                for (var leaf = first / Leaf.Bytes; leaf * Leaf.Bytes < end; leaf++)
                {
                    SendLeaf(file, cipher, extent, (int)leaf, first, end, scratch, to);
                    if ((await to.FlushAsync(cancellationToken)).IsCompleted) return;
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(scratch);
        }
    }

    public override ValueTask DeleteAsync(string blob, IReadOnlyList<string> segments)
    {
        foreach (var segment in segments) DeleteFile(PathOf(blob, segment));
        return ValueTask.CompletedTask;
    }

    public override ValueTask DeleteAllButAsync(string blob, IReadOnlySet<string> segments)
    {
        var folder = FolderOf(blob);
        if (!Directory.Exists(folder)) return ValueTask.CompletedTask;
        foreach (var path in Directory.EnumerateFiles(folder))
        {
            if (!segments.Contains(Path.GetFileName(path))) File.Delete(path);
        }

        return ValueTask.CompletedTask;
    }

    public override ValueTask DeleteAsync(string blob)
    {
        var folder = FolderOf(blob);
        if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        return ValueTask.CompletedTask;
    }

    private void CreateFolder(string blob)
    {
        try
        {
            Directory.CreateDirectory(FolderOf(blob), OwnFolder);
        }
        catch (IOException exception)
        {
            throw new BlobStoreException(exception);
        }
    }

    private static void SendLeaf(
        Microsoft.Win32.SafeHandles.SafeFileHandle file, SegmentCipher? cipher, Extent extent, int leaf, long first, long end, byte[] scratch, PipeWriter to)
    {
        var at = (long)leaf * Leaf.Bytes;
        var length = (int)Math.Min(Leaf.Bytes, extent.Length - at);
        var whole = first <= at && end >= at + length;

        // A whole leaf is read right into the response's own buffer.
        var bytes = whole ? to.GetSpan(length)[..length] : scratch.AsSpan(0, length);
        ReadExactly(file, bytes, at);
        cipher?.Apply(bytes, at);
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(bytes, digest);
        if (!digest.SequenceEqual(Leaf.DigestOf(extent.Digests, leaf))) throw new BlobDamagedException($"leaf {leaf} of {extent.Segment} is not what was written");
        if (whole)
        {
            to.Advance(length);
            return;
        }

        var from = (int)(Math.Max(first, at) - at);
        to.Write(bytes[from..(int)(Math.Min(end, at + length) - at)]);
    }

    private static void ReadExactly(Microsoft.Win32.SafeHandles.SafeFileHandle file, Span<byte> bytes, long at)
    {
        while (bytes.Length > 0)
        {
            var read = RandomAccess.Read(file, bytes, at);
            if (read == 0) throw new BlobDamagedException("a segment is shorter than what was written");
            bytes = bytes[read..];
            at += read;
        }
    }

    private Microsoft.Win32.SafeHandles.SafeFileHandle Open(string blob, string segment)
    {
        try
        {
            return File.OpenHandle(PathOf(blob, segment));
        }
        catch (IOException exception)
        {
            throw new BlobDamagedException($"segment {segment} can't be opened: {exception.Message}");
        }
    }

    private string FolderOf(string blob) => Path.Combine(root, blob[..2], blob);

    private string PathOf(string blob, string segment) => Path.Combine(FolderOf(blob), segment);

    private static void DeleteFile(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (DirectoryNotFoundException)
        {
            // The whole blob was cleared away meanwhile.
        }
    }
}
