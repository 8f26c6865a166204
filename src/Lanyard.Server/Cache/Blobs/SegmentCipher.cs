using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Lanyard.Server.Cache.Blobs;

/// <summary>
/// The keys of bytes at rest: one a workspace, derived from a secret outside the database and the store, and from it those of a segment. A secret of another
/// installation, or another workspace's key, gives bytes that match no digest and no tag.
/// </summary>
internal sealed class SegmentKeys(byte[] secret)
{
    private const int Most = 10_000;

    private readonly ConcurrentDictionary<string, byte[]> _known = new(StringComparer.Ordinal);

    /// <summary>Of an entry's blob.</summary>
    public WorkspaceKey Of(CacheEntry entry)
    {
        if (_known.Count > Most) _known.Clear();
        return new(_known.GetOrAdd(entry.WorkspaceId, static (workspace, from) => Derive(from, $"workspace {workspace}"), secret), entry.Encrypted);
    }

    internal static byte[] Derive(byte[] key, string purpose) => HKDF.DeriveKey(HashAlgorithmName.SHA256, key, 32, info: Encoding.UTF8.GetBytes($"lanyard cache bytes: {purpose}"));
}

/// <summary>A workspace's key.</summary>
/// <param name="isEncrypting">Whether the bytes lie encrypted.</param>
internal sealed class WorkspaceKey(byte[] key, bool isEncrypting)
{
    /// <summary>Null: the bytes lie as they are.</summary>
    public SegmentCipher? CipherOf(string segment) => isEncrypting ? new(SegmentKeys.Derive(key, $"segment {segment}")) : null;

    public SegmentTags TagsOf(string segment) => new(SegmentKeys.Derive(key, $"tags {segment}"));
}

/// <summary>
/// AES-256 in counter mode (NIST SP 800-38A §6.5), under a key that encrypts one segment and nothing else, so that the counter may begin at zero. The length stays and any
/// place is read by itself. It keeps a secret and no integrity: that is the digests', taken of the plain bytes and kept elsewhere.
/// </summary>
internal sealed class SegmentCipher(byte[] key) : IDisposable
{
    private const int BlockBytes = 16;
    private const int ChunkBytes = 4096;

    private readonly Aes _aes = Create(key);

    /// <summary>Encrypts or decrypts in place.</summary>
    /// <param name="offset">Of the first byte in the segment; a whole number of pieces.</param>
    public void Apply(Span<byte> bytes, long offset)
    {
        Span<byte> counters = stackalloc byte[ChunkBytes];
        Span<byte> stream = stackalloc byte[ChunkBytes];
        counters.Clear();
        var block = offset / BlockBytes;
        for (var at = 0; at < bytes.Length; at += ChunkBytes)
        {
            for (var i = 0; i < ChunkBytes; i += BlockBytes) BinaryPrimitives.WriteInt64BigEndian(counters[(i + 8)..], block++);
            _aes.EncryptEcb(counters, stream, PaddingMode.None);
            Mix(bytes[at..Math.Min(bytes.Length, at + ChunkBytes)], stream);
        }
    }

    public void Dispose() => _aes.Dispose();

    private static Aes Create(byte[] key)
    {
        var aes = Aes.Create();
        aes.Key = key;
        return aes;
    }

    private static void Mix(Span<byte> bytes, ReadOnlySpan<byte> stream)
    {
        var words = MemoryMarshal.Cast<byte, ulong>(bytes);
        var keys = MemoryMarshal.Cast<byte, ulong>(stream);
        for (var i = 0; i < words.Length; i++) words[i] ^= keys[i];
        for (var i = words.Length * sizeof(ulong); i < bytes.Length; i++) bytes[i] ^= stream[i];
    }
}
