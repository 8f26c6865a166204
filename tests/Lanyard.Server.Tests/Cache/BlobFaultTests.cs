using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Lanyard.Server.Cache;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>What breaks off, is too much, or was changed behind the server: none of it reaches a client as good.</summary>
[Line("4.4")]
public sealed class BlobFaultTests : BlobServerTests
{
    [Fact]
    public async Task A_pending_blob_is_not_readable()
    {
        var url = await Cache.ReserveAsync(Machine, "k");
        await Cache.PutAsync(url, [1]);

        Assert.False((await Cache.LookUpAsync(Machine, "k")).Json.GetProperty("ok").GetBoolean());
    }

    [Fact]
    public async Task More_than_an_entry_may_have_is_refused_and_leaves_nothing()
    {
        var url = await Cache.ReserveAsync(Machine, "k");

        var whole = await Cache.PutAsync(url, new byte[(8 << 20) + 1]);
        await BlockAsync(url, "a", new byte[5 << 20]);
        var second = await Cache.PutAsync(url, new byte[5 << 20], $"&comp=block&blockid={CacheServer.BlockId("b")}");

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, whole.StatusCode);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, second.StatusCode);
        Assert.Single(Cache.Files);
    }

    [Fact]
    public async Task An_upload_that_breaks_off_leaves_no_file_and_may_be_done_again()
    {
        var url = new Uri(await Cache.ReserveAsync(Machine, "k"));
        using (var client = new System.Net.Sockets.TcpClient())
        {
            await client.ConnectAsync(url.Host, url.Port);
            await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"PUT {url.PathAndQuery} HTTP/1.1\r\nHost: {url.Authority}\r\nContent-Length: 5000000\r\n\r\n"));
            await client.GetStream().WriteAsync(new byte[3_000_000]);
            await Eventually.HoldsAsync(() => Task.FromResult(Cache.Files.Count == 1), "the upload's file");
        }

        await Eventually.HoldsAsync(() => Task.FromResult(Cache.Files.Count == 0), "no file of the broken upload");
        await Cache.SaveAsync(Machine, "k", [1, 2]);
        Assert.Equal([1, 2], await Cache.Client.GetByteArrayAsync(await Cache.DownloadUrlAsync(Machine, "k")));
    }

    /// <param name="wasFound">And its folder is old: then the server remembers that it is whole.</param>
    [Theory]
    [Line("4.5")]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_blob_that_is_missing_behind_the_server_is_a_miss_and_can_be_saved_again(bool wasFound)
    {
        await Cache.SaveAsync(Machine, "k", [1, 2]);
        var folder = Path.GetDirectoryName(Cache.Files.Single())!;
        if (wasFound) Directory.SetLastWriteTimeUtc(folder, TimeProvider.System.GetUtcNow().UtcDateTime - TimeSpan.FromMinutes(5));
        for (var i = 0; wasFound && i < 2; i++) Assert.Equal("k", await Cache.FindAsync(Machine, "k"));
        File.Delete(Cache.Files.Single());

        Assert.Null(await Cache.FindAsync(Machine, "k"));
        Assert.Contains("\"what\":\"missing\"", Assert.Single(await DamageToldAsync()), StringComparison.Ordinal);
        await Cache.SaveAsync(Machine, "k", [3]);
        Assert.Equal("k", await Cache.FindAsync(Machine, "k"));
    }

    [Fact]
    [Line("4.8")]
    public async Task Bytes_that_were_changed_behind_the_server_never_reach_a_client_as_good()
    {
        var content = CacheServer.Random(3 << 20);
        await Cache.SaveAsync(Machine, "k", content);
        var url = await Cache.DownloadUrlAsync(Machine, "k");
        var file = Cache.Files.Single();
        await using (var stream = File.OpenWrite(file))
        {
            stream.Seek(2_500_000, SeekOrigin.Begin);
            stream.WriteByte((byte)(content[2_500_000] ^ 1));
        }

        // A part that is untouched is good; the leaf with the change is not, by a range neither.
        using var range = new HttpRequestMessage(HttpMethod.Get, url);
        range.Headers.Range = new RangeHeaderValue(0, 99);
        Assert.Equal(content[..100], await (await Cache.Client.SendAsync(range)).Content.ReadAsByteArrayAsync());
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => Cache.Client.GetByteArrayAsync(url));

        Assert.Null(await Cache.FindAsync(Machine, "k"));
        Assert.Equal(HttpStatusCode.NotFound, (await Cache.Client.GetAsync(url)).StatusCode);
        Assert.Contains("is not what was written", Assert.Single(await DamageToldAsync()), StringComparison.Ordinal);
    }

    [Fact]
    [Line("4.8")]
    public async Task What_was_written_before_there_were_tags_is_checked_by_its_digests()
    {
        var content = CacheServer.Random((2 << 20) + 5);
        await Cache.SaveAsync(Machine, "k", content);
        await Cache.Server.Database.ExecuteAsync($"update cache_segments set tags = null");
        var url = await Cache.DownloadUrlAsync(Machine, "k");
        Assert.Equal(content, await Cache.Client.GetByteArrayAsync(new Uri(url)));

        await using (var stream = File.OpenWrite(Cache.Files.Single()))
        {
            stream.Seek(2_000_000, SeekOrigin.Begin);
            stream.WriteByte((byte)(content[2_000_000] ^ 1));
        }

        await Assert.ThrowsAnyAsync<HttpRequestException>(() => Cache.Client.GetByteArrayAsync(new Uri(url)));
        Assert.Null(await Cache.FindAsync(Machine, "k"));
    }

    [Fact]
    [Line("4.5")]
    public async Task Abandoned_reservations_are_cleared_away_with_their_bytes_and_finished_ones_stay()
    {
        await Cache.SaveAsync(Machine, "kept", [1]);
        await Cache.PutAsync(await Cache.ReserveAsync(Machine, "k"), new byte[100]);
        var sweeper = Cache.Server.Services.GetServices<IHostedService>().OfType<CacheSweeper>().Single();

        Assert.Equal(0, await sweeper.SweepAsync(TestContext.Current.CancellationToken));
        Time.Advance(TimeSpan.FromMinutes(61));
        await Eventually.HoldsAsync(async () => await Cache.Server.Database.ScalarAsync($"select count(*) from cache_entries") == 1, "the abandoned one gone");

        await Eventually.HoldsAsync(() => Task.FromResult(Cache.Files.Count == 1), "its bytes gone");
    }

    [Fact]
    public async Task Without_a_length_a_put_is_411()
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, await Cache.ReserveAsync(Machine, "k")) { Content = new StreamContent(new MemoryStream([1])) };
        request.Headers.TransferEncodingChunked = true;

        using var answer = await Cache.Client.SendAsync(request);

        Assert.Equal(HttpStatusCode.LengthRequired, answer.StatusCode);
    }

    private async Task<IEnumerable<string>> DamageToldAsync() =>
        (await Cache.Server.GetAsync("/v1/workspaces/acme/audit?limit=100")).Body.Split('\n').Where(static line => line.Contains("\"cache.damaged\"", StringComparison.Ordinal));
}
