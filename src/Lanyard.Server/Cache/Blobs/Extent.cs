using System.Security.Cryptography;

namespace Lanyard.Server.Cache.Blobs;

/// <summary>A segment at its place in a blob.</summary>
/// <param name="Position">Of its first byte in the blob.</param>
/// <param name="Digests">SHA-256 of each <see cref="Leaf.Bytes"/>.</param>
/// <param name="Tags">Of each <see cref="SegmentTags.PieceBytes"/>; empty where the driver makes none.</param>
internal sealed record Extent(long Position, string Segment, long Length, byte[] Digests, byte[] Tags);

/// <summary>What a driver has stored.</summary>
internal sealed record StoredSegment(string Segment, long Length, byte[] Digests, byte[] Tags);

/// <summary>
/// The unit of digests. The digest of an entry is SHA-256 over <c>lanyard-tree-1</c>, NUL, and the leaves' digests in order: computed
/// without reading anything again, whichever order the blocks came in.
/// </summary>
internal static class Leaf
{
    public const int Bytes = 1024 * 1024;

    public static int CountOf(long length) => checked((int)((length + Bytes - 1) / Bytes));

    /// <summary>Where the digest of a leaf stands among a segment's.</summary>
    public static Span<byte> DigestOf(byte[] digests, int leaf) => digests.AsSpan(leaf * SHA256.HashSizeInBytes, SHA256.HashSizeInBytes);

    public static byte[] DigestOf(IEnumerable<byte[]> digestsInOrder)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData("lanyard-tree-1\0"u8);
        foreach (var digests in digestsInOrder) hash.AppendData(digests);
        return hash.GetHashAndReset();
    }
}
