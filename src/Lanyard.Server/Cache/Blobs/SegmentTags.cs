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

    /// <summary>Smaller pieces are done before the powers of a hash key are.</summary>
    private const int LargeBytes = 16 * 1024;

    private readonly AesGcm _gcm = new(key, TagBytes);
    private Ghash? _ghash;

    public static int CountOf(long length) => checked((int)((length + PieceBytes - 1) / PieceBytes));

    /// <param name="bytes">As they were sent to us, not as they lie there.</param>
    /// <param name="tags">Those of the segment.</param>
    public void Write(ReadOnlySpan<byte> bytes, int piece, Span<byte> tags) => Make(bytes, piece, tags.Slice(piece * TagBytes, TagBytes));

    public bool IsWhole(ReadOnlySpan<byte> bytes, int piece, ReadOnlySpan<byte> tags)
    {
        if (tags.Length < (piece + 1) * TagBytes) return false;
        Span<byte> tag = stackalloc byte[TagBytes];
        Make(bytes, piece, tag);
        return CryptographicOperations.FixedTimeEquals(tag, tags.Slice(piece * TagBytes, TagBytes));
    }

    private void Make(ReadOnlySpan<byte> bytes, int piece, Span<byte> tag)
    {
        Span<byte> nonce = stackalloc byte[12];
        nonce.Clear();
        BinaryPrimitives.WriteInt32BigEndian(nonce[8..], piece);
        var isLarge = Ghash.IsSupported && bytes.Length >= LargeBytes;
        _gcm.Encrypt(nonce, default, default, tag, isLarge ? default : bytes);
        if (isLarge) AddHash(bytes, tag);
    }

    /// <summary>A tag is the hash of the data plus what the nonce enciphers to (§7.1), and that alone is the tag of no data at all: its hash is zero.</summary>
    private void AddHash(ReadOnlySpan<byte> bytes, Span<byte> tag)
    {
        Span<byte> hash = stackalloc byte[Ghash.BlockBytes];
        (_ghash ??= new Ghash(HashKey())).Hash(bytes, hash);
        for (var i = 0; i < tag.Length; i++) tag[i] ^= hash[i];
    }

    private byte[] HashKey()
    {
        using var aes = Aes.Create();
        aes.SetKey(key);
        return aes.EncryptEcb(new byte[Ghash.BlockBytes], PaddingMode.None);
    }

    public void Dispose() => _gcm.Dispose();
}
