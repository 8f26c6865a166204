using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Lanyard.Server.Cache.Blobs;

/// <summary>
/// By what reads are checked: GMAC (NIST SP 800-38D §3) of each piece of a segment, under a key of that segment's own, with the piece's number as the nonce. A segment is written
/// once, so no nonce is used twice with a key. Who can change bytes and rows but has not the installation's secret can make no tag; and it costs a quarter of SHA-256,
/// which is why not the digests are looked at. Used by one thread at a time.
/// </summary>
internal sealed class SegmentTags(byte[] key) : IDisposable
{
    /// <summary>A whole number of pieces makes a leaf.</summary>
    public const int PieceBytes = 256 * 1024;

    public const int TagBytes = 16;

    private readonly AesGcm _gcm = new(key, TagBytes);

    public static int CountOf(long length) => checked((int)((length + PieceBytes - 1) / PieceBytes));

    /// <param name="bytes">As they were sent to us, not as they lie there.</param>
    /// <param name="tags">Those of the segment.</param>
    public void Write(ReadOnlySpan<byte> bytes, int piece, Span<byte> tags)
    {
        Span<byte> nonce = stackalloc byte[12];
        nonce.Clear();
        BinaryPrimitives.WriteInt32BigEndian(nonce[8..], piece);
        _gcm.Encrypt(nonce, default, default, tags.Slice(piece * TagBytes, TagBytes), bytes);
    }

    public bool IsWhole(ReadOnlySpan<byte> bytes, int piece, ReadOnlySpan<byte> tags)
    {
        if (tags.Length < (piece + 1) * TagBytes) return false;
        Span<byte> nonce = stackalloc byte[12];
        nonce.Clear();
        BinaryPrimitives.WriteInt32BigEndian(nonce[8..], piece);
        Span<byte> tag = stackalloc byte[TagBytes];
        _gcm.Encrypt(nonce, default, default, tag, bytes);
        return CryptographicOperations.FixedTimeEquals(tag, tags.Slice(piece * TagBytes, TagBytes));
    }

    public void Dispose() => _gcm.Dispose();
}
