using System.Net;
using System.Security.Cryptography;
using System.Text;
using Lanyard.Server.Cache.Blobs;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>Bytes at rest, with a key of their workspace, where it asks for that.</summary>
[Line("4.9")]
public sealed class CacheEncryptionTests : IAsyncLifetime
{
    private CacheServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await CacheServer.StartAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task What_lies_on_the_disk_says_nothing_and_what_is_restored_is_what_was_saved()
    {
        await EncryptAsync("acme");
        var machine = await _server.MachineAsync();
        var content = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("a secret of acme; ", 150_000)));

        await _server.SaveAsync(machine, "whole", content);
        var url = await _server.ReserveAsync(machine, "blocks");
        await _server.PutAsync(url, content[..1_500_000], $"&comp=block&blockid={Uri.EscapeDataString(CacheServer.BlockId("1"))}");
        await _server.PutAsync(url, content[1_500_000..], $"&comp=block&blockid={Uri.EscapeDataString(CacheServer.BlockId("2"))}");
        await _server.PutListAsync(url, CacheServer.BlockId("1"), CacheServer.BlockId("2"));
        Assert.True((await _server.FinalizeAsync(machine, "blocks", content.Length)).Json.GetProperty("ok").GetBoolean());

        Assert.Equal(3, _server.Files.Count);
        Assert.All(_server.Files, static file => Assert.False(File.ReadAllBytes(file).AsSpan().IndexOf("secret"u8) >= 0));
        foreach (var key in (string[])["whole", "blocks"])
        {
            var download = await _server.DownloadUrlAsync(machine, key);
            Assert.Equal(content, await _server.Client.GetByteArrayAsync(new Uri(download)));
            using var request = new HttpRequestMessage(HttpMethod.Get, download) { Headers = { { "Range", "bytes=1400003-2200001" } } };
            using var part = await _server.Client.SendAsync(request);
            Assert.Equal(content[1_400_003..2_200_002], await part.Content.ReadAsByteArrayAsync());
        }
    }

    [Fact]
    public async Task The_same_bytes_never_lie_there_twice_in_the_same_way_and_one_file_is_not_good_for_another()
    {
        await EncryptAsync("acme");
        var machine = await _server.MachineAsync();
        var content = CacheServer.Random(100_000);
        foreach (var key in (string[])["one", "two"]) await _server.SaveAsync(machine, key, content);
        var files = _server.Files.Select(File.ReadAllBytes).ToList();

        Assert.NotEqual(files[0], files[1]);
        Assert.DoesNotContain(files, file => file.AsSpan().SequenceEqual(content));
        await File.WriteAllBytesAsync(_server.Files[0], files[1]);
        await File.WriteAllBytesAsync(_server.Files[1], files[0]);
        await Assert.ThrowsAnyAsync<HttpRequestException>(async () => await _server.Client.GetByteArrayAsync(new Uri(await _server.DownloadUrlAsync(machine, "one"))));
        Assert.Null(await _server.FindAsync(machine, "one"));
    }

    [Fact]
    public async Task The_setting_is_for_what_is_reserved_from_then_on_and_for_that_workspace_alone()
    {
        var machine = await _server.MachineAsync();
        var content = CacheServer.Random(50_000);
        await _server.SaveAsync(machine, "before", content);
        await EncryptAsync("acme");
        await _server.SaveAsync(machine, "after", content);
        await _server.Server.MakeWorkspaceAsync("other");
        var other = await _server.MachineAsync(workspace: "other");
        await _server.SaveAsync(other, "plain", content);

        Assert.Equal(2, _server.Files.Count(file => File.ReadAllBytes(file).AsSpan().SequenceEqual(content)));
        foreach (var (bearer, key) in ((string, string)[])[(machine, "before"), (machine, "after"), (other, "plain")])
            Assert.Equal(content, await _server.Client.GetByteArrayAsync(new Uri(await _server.DownloadUrlAsync(bearer, key))));
    }

    [Fact]
    public void The_key_stream_is_counter_mode_at_any_offset_and_length_and_each_segment_has_its_own()
    {
        var key = new WorkspaceKey(RandomNumberGenerator.GetBytes(32), isEncrypting: true);
        var plain = RandomNumberGenerator.GetBytes(Leaf.Bytes + 37);
        var whole = plain.ToArray();
        using (var cipher = key.CipherOf("seg_1")!) cipher.Apply(whole, 0);

        // A leaf by itself is as it is in the whole, and comes back.
        var last = plain[Leaf.Bytes..].ToArray();
        using (var cipher = key.CipherOf("seg_1")!) cipher.Apply(last, Leaf.Bytes);
        Assert.Equal(whole[Leaf.Bytes..], last);
        using (var cipher = key.CipherOf("seg_1")!) cipher.Apply(whole, 0);
        Assert.Equal(plain, whole);

        var (one, two) = (new byte[64], new byte[64]);
        using (var cipher = key.CipherOf("seg_1")!) cipher.Apply(one, 0);
        using (var cipher = key.CipherOf("seg_2")!) cipher.Apply(two, 0);
        Assert.NotEqual(one, two);
        Assert.NotEqual(one[..16], one[16..32]);

        // Block by block as SP 800-38A §6.5 has it.
        var raw = RandomNumberGenerator.GetBytes(32);
        using var aes = Aes.Create();
        aes.Key = raw;
        var expected = new byte[48];
        for (var i = 0; i < 3; i++)
        {
            var counter = new byte[16];
            counter[15] = (byte)i;
            aes.EncryptEcb(counter, PaddingMode.None).CopyTo(expected, i * 16);
        }

        var stream = new byte[48];
        using (var cipher = new SegmentCipher(raw)) cipher.Apply(stream, 0);
        Assert.Equal(expected, stream);
    }

    private async Task EncryptAsync(string workspace) =>
        Assert.Equal(HttpStatusCode.OK, (await _server.Server.PutAsync($"/v1/workspaces/{workspace}/cache/settings", """{"encrypt":true}""")).Status);
}
