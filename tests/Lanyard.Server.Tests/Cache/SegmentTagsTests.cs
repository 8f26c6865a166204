using System.Security.Cryptography;
using Lanyard.Server.Cache.Blobs;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>Tags by which what is sent is checked.</summary>
[Line("4.8")]
public sealed class SegmentTagsTests
{
    private readonly byte[] _key = RandomNumberGenerator.GetBytes(32);

    [Theory]
    [InlineData(1)]
    [InlineData(SegmentTags.PieceBytes - 1)]
    [InlineData(SegmentTags.PieceBytes)]
    public void A_piece_is_whole_as_it_was_written_and_in_no_other_way(int length)
    {
        var bytes = CacheServer.Random(length);
        var tags = new byte[3 * SegmentTags.TagBytes];
        using var writer = new SegmentTags(_key);
        writer.Write(bytes, 1, tags);
        using var reader = new SegmentTags(_key);
        using var foreign = new SegmentTags(RandomNumberGenerator.GetBytes(32));

        Assert.True(reader.IsWhole(bytes, 1, tags));
        Assert.False(foreign.IsWhole(bytes, 1, tags));
        Assert.False(reader.IsWhole(bytes.AsSpan(..^1), 1, tags));
        Assert.False(reader.IsWhole([.. bytes, 0], 1, tags));
        foreach (var place in (int[])[0, length / 2, length - 1])
        {
            bytes[place] ^= 0x80;
            Assert.False(reader.IsWhole(bytes, 1, tags), $"a bit at {place}");
            bytes[place] ^= 0x80;
        }
    }

    [Fact]
    public void The_tag_of_one_piece_is_good_for_no_other_and_a_missing_one_for_none()
    {
        var bytes = CacheServer.Random(1000);
        var tags = new byte[2 * SegmentTags.TagBytes];
        using var segment = new SegmentTags(_key);
        segment.Write(bytes, 0, tags);
        tags.AsSpan(0, SegmentTags.TagBytes).CopyTo(tags.AsSpan(SegmentTags.TagBytes));

        Assert.True(segment.IsWhole(bytes, 0, tags));
        Assert.False(segment.IsWhole(bytes, 1, tags));
        Assert.False(segment.IsWhole(bytes, 2, tags));
        Assert.False(segment.IsWhole(bytes, 0, []));
    }

    [Fact]
    public void It_is_GMAC_as_the_standard_has_it_under_a_key_of_each_segment_and_workspace()
    {
        var bytes = CacheServer.Random(100);
        var tags = new byte[8 * SegmentTags.TagBytes];
        using (var segment = new SegmentTags(_key)) segment.Write(bytes, 7, tags);
        using var gcm = new AesGcm(_key, 16);
        var expected = new byte[16];
        gcm.Encrypt((byte[])[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7], Array.Empty<byte>(), Array.Empty<byte>(), expected, bytes);
        Assert.Equal(expected, tags[^16..]);

        byte[] TagOf(byte key, string name)
        {
            using var one = new WorkspaceKey([.. Enumerable.Repeat(key, 32)], isEncrypting: false).TagsOf(name);
            var tag = new byte[16];
            one.Write(bytes, 0, tag);
            return tag;
        }

        Assert.Equal(TagOf(1, "seg_1"), TagOf(1, "seg_1"));
        Assert.NotEqual(TagOf(1, "seg_1"), TagOf(1, "seg_2"));
        Assert.NotEqual(TagOf(1, "seg_1"), TagOf(2, "seg_1"));
    }
}
