using System.IO.Pipelines;
using System.Net;
using Lanyard.Server.Cache.Blobs;
using Lanyard.Server.Cache.Limits;
using Lanyard.Server.Cache.Objects;
using Lanyard.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

[Line("4.4")]
[Needs("npm")]
public sealed class S3StoreTests() : ObjectStoreTests("s3");

[Line("4.4")]
[Needs("npm")]
public sealed class AzureStoreTests() : ObjectStoreTests("azure");

/// <summary>The same promises as with files, on real object stores.</summary>
public abstract class ObjectStoreTests(string kind) : IAsyncLifetime
{
    private static readonly WorkspaceKey Key = new(new byte[32], isEncrypting: false);
    private ForeignStore _store = null!;

    public async ValueTask InitializeAsync() => _store = await ForeignStore.StartAsync(kind);

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task A_body_of_any_size_comes_back_whole_and_in_ranges()
    {
        var blobs = Open();
        foreach (var size in (int[])[0, 1, Leaf.Bytes - 1, ObjectBlobs.PartBytes, ObjectBlobs.PartBytes + 1, (20 << 20) + 7])
        {
            var bytes = CacheServer.Random(size, size);
            var stored = (await blobs.WriteAsync($"blob{size}", new MemoryStream(bytes), size, Key, CancellationToken.None))!;
            var extent = new Extent(0, stored.Segment, size, stored.Digests, stored.Tags);

            Assert.True(await blobs.HasAsync($"blob{size}", () => Task.FromResult(new List<(string, long)> { (stored.Segment, size) }), CancellationToken.None));
            Assert.False(await blobs.HasAsync($"blob{size}", () => Task.FromResult(new List<(string, long)> { (stored.Segment, size + 1) }), CancellationToken.None));
            if (size == 0) continue;
            foreach (var (first, last) in ((long, long)[])[(0, size - 1), (size - 1, size - 1), (size / 2, Math.Min(size - 1, (size / 2) + (2 << 20)))])
                Assert.Equal(bytes[(int)first..((int)last + 1)], await ReadAsync(blobs, $"blob{size}", extent, new ByteRange(first, last)));
        }
    }

    [Fact]
    public async Task A_body_of_another_length_and_one_that_breaks_off_leave_nothing()
    {
        var blobs = Open();
        const int size = (10 << 20) + 1;

        Assert.Null(await blobs.WriteAsync("short", new MemoryStream(new byte[size - 1]), size, Key, CancellationToken.None));
        Assert.Null(await blobs.WriteAsync("long", new MemoryStream(new byte[size + 1]), size, Key, CancellationToken.None));
        await Assert.ThrowsAsync<IOException>(() => blobs.WriteAsync("broken", new BrokenStream(9 << 20), size, Key, CancellationToken.None));

        foreach (var blob in (string[])["short", "long", "broken"]) Assert.False(await blobs.HasAsync(blob, static () => Task.FromResult(new List<(string, long)> { ("x", 1) }), CancellationToken.None));
        var store = StoreOf();
        Assert.Empty(await store.ListAsync("a/b/", CancellationToken.None));
    }

    [Fact]
    public async Task Through_the_whole_server_an_entry_of_blocks_is_saved_restored_and_deleted_with_its_bytes()
    {
        await using var server = await ServerAsync();
        var machine = await server.MachineAsync();
        var content = CacheServer.Random((5 << 20) + 3);
        var url = await server.ReserveAsync(machine, "k");
        var ids = new List<string>();
        foreach (var (block, i) in content.Chunk(1 << 20).Select(static (block, i) => (block, i)))
        {
            ids.Add(CacheServer.BlockId($"{i}"));
            Assert.Equal(HttpStatusCode.Created, (await server.PutAsync(url, block, $"&comp=block&blockid={Uri.EscapeDataString(ids[^1])}")).StatusCode);
        }

        Assert.Equal(HttpStatusCode.Created, (await server.PutAsync(url, CacheServer.Random(100), $"&comp=block&blockid={Uri.EscapeDataString(CacheServer.BlockId("unused"))}")).StatusCode);
        Assert.Equal(HttpStatusCode.Created, (await server.PutListAsync(url, [.. ids])).StatusCode);
        Assert.True((await server.FinalizeAsync(machine, "k", content.Length)).Json.GetProperty("ok").GetBoolean());
        Assert.Empty(server.Files);

        Assert.Equal(content, await server.Client.GetByteArrayAsync(new Uri(await server.DownloadUrlAsync(machine, "k"))));
        var store = StoreOf();
        Assert.Equal(ids.Count, (await store.ListAsync("a/b/", CancellationToken.None)).Count);

        var entry = (await server.Server.GetAsync("/v1/workspaces/acme/cache/entries")).Json.GetProperty("items")[0];
        Assert.True(entry.GetProperty("verified").GetBoolean());

        // Quarantined it is not held for the URL that was given out; a read may be noted for a moment longer than its client sees it.
        await server.Server.SendAsync(HttpMethod.Post, "/v1/workspaces/acme/cache/quarantine", "admin", $$"""{"producer":{"subject":"{{machine}}"} }""");
        await server.Server.DeleteAsync($"/v1/workspaces/acme/cache/entries/{entry.GetProperty("id").GetString()}");
        Assert.Null(await server.FindAsync(machine, "k"));
        await Eventually.HoldsAsync(
            async () =>
            {
                await server.Server.Services.GetRequiredService<CachePurger>().PurgeAsync(CancellationToken.None);
                return (await store.ListAsync("a/b/", CancellationToken.None)).Count == 0;
            },
            "no object of it");
    }

    [Fact]
    [Line("4.9")]
    public async Task Encrypted_bytes_say_nothing_to_who_has_the_store_come_back_whole_and_are_never_handed_out_by_its_own_URL()
    {
        await using var server = await ServerAsync(direct: true);
        Assert.Equal(HttpStatusCode.OK, (await server.Server.PutAsync("/v1/workspaces/acme/cache/settings", """{"encrypt":true}""")).Status);
        var machine = await server.MachineAsync();
        var content = CacheServer.Random((9 << 20) + 5);
        await server.SaveAsync(machine, "k", content);

        var url = await server.DownloadUrlAsync(machine, "k");
        Assert.StartsWith(server.Url, url, StringComparison.Ordinal);
        Assert.Equal(content, await server.Client.GetByteArrayAsync(new Uri(url)));
        var store = StoreOf();
        await using var stream = (await store.OpenAsync((await store.ListAsync("a/b/", CancellationToken.None)).Keys.Single(), 0, 99, CancellationToken.None))!;
        var stored = new byte[100];
        await stream.ReadExactlyAsync(stored);
        Assert.NotEqual(content[..100], stored);
    }

    /// <summary>Deleted behind us, or misspelt: that an entry's bytes are not there is not what the store has said.</summary>
    [Fact]
    public async Task A_bucket_that_is_not_there_is_an_outage_and_no_object_of_it_counts_as_missing()
    {
        using ObjectStore elsewhere = _store.Url.IsAzure
            ? new AzureStore(new Uri($"{_store.Origin}/devstoreaccount1/elsewhere"), "devstoreaccount1", _store.Key, null, TimeProvider.System)
            : new S3Store("elsewhere", "eu-west-1", new Uri(_store.Origin), TimeProvider.System);

        await Assert.ThrowsAsync<BlobStoreException>(() => elsewhere.OpenAsync("a/b/blob/segment", 0, 9, CancellationToken.None));
        await Assert.ThrowsAsync<BlobStoreException>(() => elsewhere.ListAsync("a/b/", CancellationToken.None));
        await Assert.ThrowsAsync<BlobStoreException>(() => elsewhere.DeleteAsync("a/b/blob/segment", CancellationToken.None));
        using var here = StoreOf();
        Assert.Null(await here.OpenAsync("a/b/blob/segment", 0, 9, CancellationToken.None));
        await here.DeleteAsync("a/b/blob/segment", CancellationToken.None);
    }

    [Fact]
    public async Task Bytes_that_are_missing_or_have_another_length_behind_us_are_a_miss()
    {
        await using var server = await ServerAsync();
        var machine = await server.MachineAsync();
        await server.SaveAsync(machine, "k", CacheServer.Random(3 << 20));
        await server.SaveAsync(machine, "other", CacheServer.Random(1000));
        var store = StoreOf();
        var objects = await store.ListAsync("a/b/", CancellationToken.None);

        await store.PutAsync(objects.Single(static one => one.Value == 1000).Key, new byte[999], CancellationToken.None);
        await store.DeleteAsync(objects.Single(static one => one.Value > 1000).Key, CancellationToken.None);

        Assert.Null(await server.FindAsync(machine, "k"));
        Assert.Null(await server.FindAsync(machine, "other"));
        await server.SaveAsync(machine, "k", CacheServer.Random(500));
        Assert.Equal("k", await server.FindAsync(machine, "k"));
    }

    [Fact]
    public async Task Bytes_that_were_changed_behind_us_never_arrive_whole_and_take_the_entry_out_of_service()
    {
        await using var server = await ServerAsync();
        var machine = await server.MachineAsync();
        var content = CacheServer.Random(3 << 20);
        await server.SaveAsync(machine, "k", content);
        var store = StoreOf();
        var changed = content.ToArray();
        changed[(2 << 20) + 5] ^= 1;
        await store.PutAsync((await store.ListAsync("a/b/", CancellationToken.None)).Keys.Single(), changed, CancellationToken.None);

        var url = await server.DownloadUrlAsync(machine, "k");
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => server.Client.GetByteArrayAsync(new Uri(url)));

        Assert.Null(await server.FindAsync(machine, "k"));
    }

    [Fact]
    public async Task While_the_store_is_down_nothing_is_found_and_nothing_is_lost()
    {
        await using var server = await ServerAsync();
        var machine = await server.MachineAsync();
        await server.SaveAsync(machine, "k", CacheServer.Random(2 << 20));
        var download = await server.DownloadUrlAsync(machine, "k");
        var upload = await server.ReserveAsync(machine, "new");

        await _store.StopAsync();
        Assert.Null(await server.FindAsync(machine, "k"));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await server.PutAsync(upload, new byte[1000])).StatusCode);
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => server.Client.GetByteArrayAsync(new Uri(download)));

        await _store.ResumeAsync();
        Assert.Equal("k", await server.FindAsync(machine, "k"));
        Assert.Equal(2 << 20, (await server.Client.GetByteArrayAsync(new Uri(download))).Length);
        Assert.Equal(HttpStatusCode.Created, (await server.PutAsync(upload, new byte[1000])).StatusCode);
    }

    [Fact]
    public async Task The_stores_own_URL_is_handed_out_by_choice_alone_for_entries_of_one_object_which_are_marked()
    {
        await using var server = await ServerAsync(direct: true);
        var machine = await server.MachineAsync();
        var content = CacheServer.Random(2 << 20);
        await server.SaveAsync(machine, "whole", content);
        var blocks = await server.ReserveAsync(machine, "blocks");
        foreach (var id in (string[])["1", "2"])
            await server.PutAsync(blocks, CacheServer.Random(10), $"&comp=block&blockid={Uri.EscapeDataString(CacheServer.BlockId(id))}");
        await server.PutListAsync(blocks, CacheServer.BlockId("1"), CacheServer.BlockId("2"));
        await server.FinalizeAsync(machine, "blocks", 20);

        var direct = await server.DownloadUrlAsync(machine, "whole");
        var own = await server.DownloadUrlAsync(machine, "blocks");

        Assert.StartsWith(_store.Origin, direct, StringComparison.Ordinal);
        Assert.StartsWith(server.Url, own, StringComparison.Ordinal);
        using var stranger = new HttpClient();
        Assert.Equal(content, await stranger.GetByteArrayAsync(new Uri(direct)));

        // It reads, and neither writes nor reads anything else. (S3 signs the method too; s3rver does not look at it.)
        if (_store.Url.IsAzure) using (var put = await stranger.PutAsync(new Uri(direct), new ByteArrayContent(new byte[5]))) Assert.False(put.IsSuccessStatusCode);
        var entries = (await server.Server.GetAsync("/v1/workspaces/acme/cache/entries")).Json.GetProperty("items").EnumerateArray()
            .ToDictionary(static entry => entry.GetProperty("key").GetString()!, static entry => entry.GetProperty("verified").GetBoolean());
        Assert.Equal((false, true), (entries["whole"], entries["blocks"]));
    }

    private Task<CacheServer> ServerAsync(bool direct = false) =>
        CacheServer.StartAsync(configure: options => options with { Store = _store.Url, StoreKey = _store.Key, DirectReads = direct });

    private BlobStore Open() => _store.Url.Open(_store.Key, isDirect: false, TimeProvider.System, NullLoggerFactory.Instance);

    private ObjectStore StoreOf() => _store.Url.IsAzure
        ? new AzureStore(new Uri($"{_store.Origin}/devstoreaccount1/cache"), "devstoreaccount1", _store.Key, null, TimeProvider.System)
        : new S3Store("cache", "eu-west-1", new Uri(_store.Origin), TimeProvider.System);

    private static async Task<byte[]> ReadAsync(BlobStore blobs, string blob, Extent extent, ByteRange range)
    {
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 0));
        await blobs.CopyAsync(blob, [extent], range, Key, pipe.Writer, CancellationToken.None);
        await pipe.Writer.CompleteAsync();
        using var content = new MemoryStream();
        await pipe.Reader.CopyToAsync(content);
        return content.ToArray();
    }
}
