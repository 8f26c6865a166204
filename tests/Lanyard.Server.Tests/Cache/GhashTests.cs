using System.Security.Cryptography;
using Lanyard.Server.Cache.Blobs;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>Tags of large pieces, whose hash is our own where the processor can: an entry that was written on one machine is read on another, which may not.</summary>
[Line("4.8")]
public sealed class GhashTests
{
    private const int Large = 16 * 1024;

    /// <summary>Around the first that are done so, around a block, around a step of 64 blocks.</summary>
    public static TheoryData<int> Lengths =>
        [.. Enumerable.Range(Large - 2, 70), Large + 1007, Large + 1008, Large + 1023, Large + 1024, Large + 1025, Large + 1040, Large + 2047, SegmentTags.PieceBytes - 1, SegmentTags.PieceBytes];

    [Theory]
    [MemberData(nameof(Lengths))]
    public void A_large_piece_of_any_length_has_the_tag_that_the_systems_library_makes(int length)
    {
        foreach (var key in (byte[][])[new byte[32], Ones(32), RandomNumberGenerator.GetBytes(32), RandomNumberGenerator.GetBytes(32)])
        {
            foreach (var data in (byte[][])[new byte[length], Ones(length), RandomNumberGenerator.GetBytes(length)])
                Assert.Equal(Expected(key, data), Made(key, data));
        }
    }

    [Fact]
    public void Each_block_of_a_large_piece_counts_and_so_does_its_place()
    {
        var key = RandomNumberGenerator.GetBytes(32);
        var seen = new HashSet<string>();
        for (var place = 0; place < Large; place += 16)
        {
            var data = new byte[Large];
            data[place] = 1;
            Assert.True(seen.Add(Convert.ToHexString(Made(key, data))), $"the block at {place}");
        }
    }

    private static byte[] Ones(int length) => [.. Enumerable.Repeat<byte>(0xff, length)];

    private static byte[] Made(byte[] key, byte[] data)
    {
        var tag = new byte[SegmentTags.TagBytes];
        using var tags = new SegmentTags(key);
        tags.Write(data, 0, tag);
        return tag;
    }

    private static byte[] Expected(byte[] key, byte[] data)
    {
        var tag = new byte[SegmentTags.TagBytes];
        using var gcm = new AesGcm(key, SegmentTags.TagBytes);
        gcm.Encrypt(new byte[12], Array.Empty<byte>(), Array.Empty<byte>(), tag, data);
        return tag;
    }
}
