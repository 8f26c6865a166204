using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Lanyard.Server.Cache.Blobs;

/// <summary>
/// The keys of bytes at rest: one a workspace, derived from a secret outside the database and the store, and from it one a segment. A secret of another
/// installation, or another workspace's key, gives bytes that match no digest.
/// </summary>
internal sealed class SegmentKeys(byte[] secret)
{
    /// <summary>Of an entry's blob; null: its bytes lie as they are.</summary>
    public WorkspaceKey? Of(CacheEntry entry) => entry.Encrypted ? new WorkspaceKey(Derive(secret, $"workspace {entry.WorkspaceId}")) : null;

    internal static byte[] Derive(byte[] key, string purpose) => HKDF.DeriveKey(HashAlgorithmName.SHA256, key, 32, info: Encoding.UTF8.GetBytes($"lanyard cache bytes: {purpose}"));
}

/// <summary>A workspace's key.</summary>
internal sealed class WorkspaceKey(byte[] key)
{
    public SegmentCipher Of(string segment) => new(SegmentKeys.Derive(key, $"segment {segment}"));
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
    /// <param name="offset">Of the first byte in the segment; a whole number of leaves.</param>
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
