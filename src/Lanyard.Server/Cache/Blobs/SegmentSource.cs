using System.Buffers;
using System.IO.Pipelines;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace Lanyard.Server.Cache.Blobs;

/// <summary>Reads one segment's file in the pieces by which it is checked: those of its tags, or its leaves where it has no tags.</summary>
internal sealed class SegmentSource(SafeFileHandle file, Extent extent, WorkspaceKey key) : IDisposable
{
    private readonly SegmentCipher? _cipher = key.CipherOf(extent.Segment);
    private readonly SegmentTags? _tags = extent.Tags.Length > 0 ? key.TagsOf(extent.Segment) : null;

    public int PieceBytes { get; } = extent.Tags.Length > 0 ? SegmentTags.PieceBytes : Leaf.Bytes;

    /// <summary>What of a piece lies between two places of the segment, once the piece is found to be whole.</summary>
    /// <returns>How many bytes that was.</returns>
    /// <exception cref="BlobDamagedException">It is not what was written.</exception>
    public int Send(int piece, long first, long end, PipeWriter to)
    {
        var at = (long)piece * PieceBytes;
        var length = (int)Math.Min(PieceBytes, extent.Length - at);
        if (first <= at && end >= at + length)
        {
            // Right into the response's own buffer.
            Read(to.GetSpan(length)[..length], piece);
            to.Advance(length);
            return length;
        }

        var scratch = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            Read(scratch.AsSpan(0, length), piece);
            var part = scratch.AsSpan((int)(Math.Max(first, at) - at)..(int)(Math.Min(end, at + length) - at));
            to.Write(part);
            return part.Length;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(scratch);
        }
    }

    public void Dispose()
    {
        _cipher?.Dispose();
        _tags?.Dispose();
        file.Dispose();
    }

    private void Read(Span<byte> bytes, int piece)
    {
        var at = (long)piece * PieceBytes;
        for (var read = 0; read < bytes.Length;)
        {
            var more = ReadSome(bytes[read..], at + read);
            if (more == 0) throw new BlobDamagedException("a segment is shorter than what was written");
            read += more;
        }

        _cipher?.Apply(bytes, at);
        if (!IsWhole(bytes, piece)) throw new BlobDamagedException($"piece {piece} of {extent.Segment} is not what was written");
    }

    private int ReadSome(Span<byte> bytes, long at)
    {
        try
        {
            return RandomAccess.Read(file, bytes, at);
        }
        catch (IOException exception)
        {
            throw new BlobStoreException(exception);
        }
    }

    private bool IsWhole(ReadOnlySpan<byte> bytes, int piece)
    {
        if (_tags is not null) return _tags.IsWhole(bytes, piece, extent.Tags);
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(bytes, digest);
        return digest.SequenceEqual(Leaf.DigestOf(extent.Digests, piece));
    }
}
