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

/// <summary>The blob plane, as the Azure SDKs of the clients use it.</summary>
[Line("4.4")]
public sealed class BlobTests : IAsyncLifetime
{
    private readonly ManualTime _time = new(DateTimeOffset.FromUnixTimeSeconds(1_900_000_000));
    private CacheServer _server = null!;
    private string _machine = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await CacheServer.StartAsync(time: _time, configure: options => options with { MaxEntryBytes = 8 << 20 });
        _machine = await _server.MachineAsync();
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Blocks_make_the_blob_in_the_order_of_the_list_whatever_order_they_came_in()
    {
        var url = await _server.ReserveAsync(_machine, "k");
        var parts = Enumerable.Range(0, 5).Select(i => CacheServer.Random((1 << 20) - (i * 1000), i)).ToArray();
        await Task.WhenAll(new[] { 3, 1, 4, 0, 2 }.Select(i => BlockAsync(url, $"b{i}", parts[i])));

        var list = await _server.PutListAsync(url, [.. Enumerable.Range(0, 5).Select(i => CacheServer.BlockId($"b{i}"))]);
        var made = await _server.FinalizeAsync(_machine, "k", parts.Sum(part => part.Length));

        Assert.Equal(HttpStatusCode.Created, list.StatusCode);
        Assert.True(made.Json.GetProperty("ok").GetBoolean(), made.Body);
        Assert.Equal(parts.SelectMany(part => part), await _server.Client.GetByteArrayAsync(await _server.DownloadUrlAsync(_machine, "k")));
    }

    [Fact]
    public async Task A_block_may_stand_twice_in_the_list_and_one_that_was_sent_again_counts_once()
    {
        var url = await _server.ReserveAsync(_machine, "k");
        await BlockAsync(url, "a", [9, 9]);
        await BlockAsync(url, "a", [1, 2]);
        await BlockAsync(url, "b", [3]);
        await BlockAsync(url, "unused", new byte[100]);

        await _server.PutListAsync(url, CacheServer.BlockId("a"), CacheServer.BlockId("b"), CacheServer.BlockId("a"));
        var made = await _server.FinalizeAsync(_machine, "k", 5);

        Assert.True(made.Json.GetProperty("ok").GetBoolean(), made.Body);
        Assert.Equal([1, 2, 3, 1, 2], await _server.Client.GetByteArrayAsync(await _server.DownloadUrlAsync(_machine, "k")));
        Assert.Equal(2, _server.Files.Count);
    }

    [Theory]
    [InlineData("<BlockList><Latest>{unknown}</Latest></BlockList>", "InvalidBlockList")]
    [InlineData("<BlockList><Latest>{a}</Latest>", "InvalidXmlDocument")]
    [InlineData("<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><BlockList><Latest>&e;</Latest></BlockList>", "InvalidXmlDocument")]
    [InlineData("<Other/>", "InvalidXmlDocument")]
    [InlineData("", "InvalidXmlDocument")]
    public async Task A_list_that_is_none_or_names_an_unknown_block_is_refused(string xml, string code)
    {
        var url = await _server.ReserveAsync(_machine, "k");
        await BlockAsync(url, "a", [1]);
        xml = xml.Replace("{a}", CacheServer.BlockId("a"), StringComparison.Ordinal).Replace("{unknown}", CacheServer.BlockId("u"), StringComparison.Ordinal);

        var answer = await _server.PutAsync(url, Encoding.UTF8.GetBytes(xml), "&comp=blocklist");

        Assert.Equal((HttpStatusCode.BadRequest, code), (answer.StatusCode, answer.Headers.GetValues("x-ms-error-code").Single()));
        Assert.Contains($"<Code>{code}</Code>", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.False((await _server.FinalizeAsync(_machine, "k", 1)).Json.GetProperty("ok").GetBoolean());
    }

    [Fact]
    public async Task The_older_tags_of_other_clients_are_taken_too()
    {
        var url = await _server.ReserveAsync(_machine, "k");
        await BlockAsync(url, "a", [7]);

        var answer = await _server.PutAsync(url, Encoding.UTF8.GetBytes($"<BlockList><Uncommitted>{CacheServer.BlockId("a")}</Uncommitted></BlockList>"), "&comp=blocklist");

        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
    }

    [Fact]
    public async Task A_put_is_answered_with_201_and_what_the_sdks_read()
    {
        var url = await _server.ReserveAsync(_machine, "k");
        using var request = new HttpRequestMessage(HttpMethod.Put, url + "&timeout=30") { Content = new ByteArrayContent([1]) };
        request.Headers.Add("x-ms-client-request-id", "abc");

        using var answer = await _server.Client.SendAsync(request);

        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        Assert.NotNull(answer.Headers.ETag);
        Assert.Equal("abc", answer.Headers.GetValues("x-ms-client-request-id").Single());
        Assert.NotEmpty(answer.Headers.GetValues("x-ms-request-id").Single());
        Assert.NotNull(answer.Content.Headers.LastModified);
    }

    [Theory]
    [InlineData("bytes=0-0", 0, 1)]
    [InlineData("bytes=1048570-1048590", 1_048_570, 21)]
    [InlineData("bytes=3000000-", 3_000_000, 145_728)]
    [InlineData("bytes=-10", 3_145_718, 10)]
    [InlineData("bytes=1048576-2097151", 1_048_576, 1_048_576)]
    [InlineData("bytes=0-99999999", 0, 3_145_728)]
    public async Task Any_range_is_read_by_either_header(string range, int from, int length)
    {
        var content = CacheServer.Random(3 << 20);
        await _server.SaveAsync(_machine, "k", content);
        var url = await _server.DownloadUrlAsync(_machine, "k");

        foreach (var header in (string[])["Range", "x-ms-range"])
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, url);
            request.Headers.TryAddWithoutValidation(header, range);
            using var answer = await _server.Client.SendAsync(request);

            Assert.Equal(HttpStatusCode.PartialContent, answer.StatusCode);
            Assert.NotNull(answer.Headers.ETag);
            Assert.Equal(new ContentRangeHeaderValue(from, from + length - 1, content.Length), answer.Content.Headers.ContentRange);
            Assert.Equal(content.AsSpan(from, length).ToArray(), await answer.Content.ReadAsByteArrayAsync());
        }
    }

    [Fact]
    public async Task A_range_over_many_blocks_is_put_together()
    {
        var url = await _server.ReserveAsync(_machine, "k");
        var parts = Enumerable.Range(0, 6).Select(i => CacheServer.Random(100_000 + i, i)).ToArray();
        for (var i = 0; i < parts.Length; i++) await BlockAsync(url, $"b{i}", parts[i]);
        await _server.PutListAsync(url, [.. Enumerable.Range(0, parts.Length).Select(i => CacheServer.BlockId($"b{i}"))]);
        await _server.FinalizeAsync(_machine, "k", parts.Sum(part => part.Length));

        using var request = new HttpRequestMessage(HttpMethod.Get, await _server.DownloadUrlAsync(_machine, "k"));
        request.Headers.Range = new RangeHeaderValue(150_000, 450_000);
        using var answer = await _server.Client.SendAsync(request);

        Assert.Equal(parts.SelectMany(part => part).Skip(150_000).Take(300_001), await answer.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task Outside_the_blob_is_416_and_head_tells_the_size_without_a_body()
    {
        await _server.SaveAsync(_machine, "k", new byte[10]);
        var url = await _server.DownloadUrlAsync(_machine, "k");

        using var outside = new HttpRequestMessage(HttpMethod.Get, url);
        outside.Headers.Range = new RangeHeaderValue(10, 20);
        using var refused = await _server.Client.SendAsync(outside);
        using var head = await _server.Client.SendAsync(new HttpRequestMessage(HttpMethod.Head, url));

        Assert.Equal(HttpStatusCode.RequestedRangeNotSatisfiable, refused.StatusCode);
        Assert.Equal((HttpStatusCode.OK, 10L), (head.StatusCode, head.Content.Headers.ContentLength));
    }

    [Fact]
    public async Task A_url_is_good_for_its_path_its_permission_and_its_time_only()
    {
        await _server.SaveAsync(_machine, "k", [1, 2, 3]);
        var read = await _server.DownloadUrlAsync(_machine, "k");
        var write = await _server.ReserveAsync(_machine, "other");
        var swapped = new Uri(write).GetLeftPart(UriPartial.Path) + new Uri(read).Query;

        Assert.Equal(HttpStatusCode.Forbidden, (await _server.PutAsync(read, [1])).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await _server.Client.GetAsync(write)).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await _server.Client.GetAsync(swapped)).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await _server.Client.GetAsync(read.Replace("sp=r", "sp=w", StringComparison.Ordinal))).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await _server.Client.GetAsync(read.Replace("se=19", "se=29", StringComparison.Ordinal))).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await _server.Client.GetAsync(read[..^2])).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await _server.Client.GetAsync(new Uri(read).GetLeftPart(UriPartial.Path))).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await _server.Client.GetAsync(read + "&timeout=30&x=1")).StatusCode);

        _time.Advance(TimeSpan.FromMinutes(11));
        Assert.Equal(HttpStatusCode.Forbidden, (await _server.Client.GetAsync(read)).StatusCode);
    }

    [Fact]
    public async Task A_url_of_the_day_before_is_good_after_midnight_for_the_rest_of_its_life()
    {
        _time.Advance(TimeSpan.FromSeconds(86_400 - (_time.GetUtcNow().ToUnixTimeSeconds() % 86_400) - 60));
        var machine = await _server.MachineAsync();
        await _server.SaveAsync(machine, "k", [1, 2, 3]);
        var url = await _server.DownloadUrlAsync(machine, "k");

        _time.Advance(TimeSpan.FromMinutes(2));

        Assert.Equal([1, 2, 3], await _server.Client.GetByteArrayAsync(url));
    }

    [Fact]
    public async Task A_pending_blob_is_not_readable()
    {
        var url = await _server.ReserveAsync(_machine, "k");
        await _server.PutAsync(url, [1]);

        Assert.False((await _server.LookUpAsync(_machine, "k")).Json.GetProperty("ok").GetBoolean());
    }

    [Fact]
    public async Task More_than_an_entry_may_have_is_refused_and_leaves_nothing()
    {
        var url = await _server.ReserveAsync(_machine, "k");

        var whole = await _server.PutAsync(url, new byte[(8 << 20) + 1]);
        await BlockAsync(url, "a", new byte[5 << 20]);
        var second = await _server.PutAsync(url, new byte[5 << 20], $"&comp=block&blockid={CacheServer.BlockId("b")}");

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, whole.StatusCode);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, second.StatusCode);
        Assert.Single(_server.Files);
    }

    [Fact]
    public async Task An_upload_that_breaks_off_leaves_no_file_and_may_be_done_again()
    {
        var url = new Uri(await _server.ReserveAsync(_machine, "k"));
        using (var client = new System.Net.Sockets.TcpClient())
        {
            await client.ConnectAsync(url.Host, url.Port);
            await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"PUT {url.PathAndQuery} HTTP/1.1\r\nHost: {url.Authority}\r\nContent-Length: 5000000\r\n\r\n"));
            await client.GetStream().WriteAsync(new byte[3_000_000]);
            await Eventually.HoldsAsync(() => Task.FromResult(_server.Files.Count == 1), "the upload's file");
        }

        await Eventually.HoldsAsync(() => Task.FromResult(_server.Files.Count == 0), "no file of the broken upload");
        await _server.SaveAsync(_machine, "k", [1, 2]);
        Assert.Equal([1, 2], await _server.Client.GetByteArrayAsync(await _server.DownloadUrlAsync(_machine, "k")));
    }

    /// <param name="wasFound">And its folder is old: then the server remembers that it is whole.</param>
    [Theory]
    [Line("4.5")]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_blob_that_is_missing_behind_the_server_is_a_miss_and_can_be_saved_again(bool wasFound)
    {
        await _server.SaveAsync(_machine, "k", [1, 2]);
        var folder = Path.GetDirectoryName(_server.Files.Single())!;
        if (wasFound) Directory.SetLastWriteTimeUtc(folder, TimeProvider.System.GetUtcNow().UtcDateTime - TimeSpan.FromMinutes(5));
        for (var i = 0; wasFound && i < 2; i++) Assert.Equal("k", await _server.FindAsync(_machine, "k"));
        File.Delete(_server.Files.Single());

        Assert.Null(await _server.FindAsync(_machine, "k"));
        await _server.SaveAsync(_machine, "k", [3]);
        Assert.Equal("k", await _server.FindAsync(_machine, "k"));
    }

    [Fact]
    [Line("4.8")]
    public async Task Bytes_that_were_changed_behind_the_server_never_reach_a_client_as_good()
    {
        var content = CacheServer.Random(3 << 20);
        await _server.SaveAsync(_machine, "k", content);
        var url = await _server.DownloadUrlAsync(_machine, "k");
        var file = _server.Files.Single();
        await using (var stream = File.OpenWrite(file))
        {
            stream.Seek(2_500_000, SeekOrigin.Begin);
            stream.WriteByte((byte)(content[2_500_000] ^ 1));
        }

        // A part that is untouched is good; the leaf with the change is not, by a range neither.
        using var range = new HttpRequestMessage(HttpMethod.Get, url);
        range.Headers.Range = new RangeHeaderValue(0, 99);
        Assert.Equal(content[..100], await (await _server.Client.SendAsync(range)).Content.ReadAsByteArrayAsync());
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => _server.Client.GetByteArrayAsync(url));

        Assert.Null(await _server.FindAsync(_machine, "k"));
        Assert.Equal(HttpStatusCode.NotFound, (await _server.Client.GetAsync(url)).StatusCode);
    }

    [Fact]
    [Line("4.8")]
    public async Task What_was_written_before_there_were_tags_is_checked_by_its_digests()
    {
        var content = CacheServer.Random((2 << 20) + 5);
        await _server.SaveAsync(_machine, "k", content);
        await _server.Server.Database.ExecuteAsync($"update cache_segments set tags = null");
        var url = await _server.DownloadUrlAsync(_machine, "k");
        Assert.Equal(content, await _server.Client.GetByteArrayAsync(new Uri(url)));

        await using (var stream = File.OpenWrite(_server.Files.Single()))
        {
            stream.Seek(2_000_000, SeekOrigin.Begin);
            stream.WriteByte((byte)(content[2_000_000] ^ 1));
        }

        await Assert.ThrowsAnyAsync<HttpRequestException>(() => _server.Client.GetByteArrayAsync(new Uri(url)));
        Assert.Null(await _server.FindAsync(_machine, "k"));
    }

    [Fact]
    [Line("4.5")]
    public async Task Abandoned_reservations_are_cleared_away_with_their_bytes_and_finished_ones_stay()
    {
        await _server.SaveAsync(_machine, "kept", [1]);
        await _server.PutAsync(await _server.ReserveAsync(_machine, "k"), new byte[100]);
        var sweeper = _server.Server.Services.GetServices<IHostedService>().OfType<CacheSweeper>().Single();

        Assert.Equal(0, await sweeper.SweepAsync(TestContext.Current.CancellationToken));
        _time.Advance(TimeSpan.FromMinutes(61));
        await Eventually.HoldsAsync(async () => await _server.Server.Database.ScalarAsync($"select count(*) from cache_entries") == 1, "the abandoned one gone");

        await Eventually.HoldsAsync(() => Task.FromResult(_server.Files.Count == 1), "its bytes gone");
    }

    [Fact]
    public async Task Without_a_length_a_put_is_411()
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, await _server.ReserveAsync(_machine, "k")) { Content = new StreamContent(new MemoryStream([1])) };
        request.Headers.TransferEncodingChunked = true;

        using var answer = await _server.Client.SendAsync(request);

        Assert.Equal(HttpStatusCode.LengthRequired, answer.StatusCode);
    }

    private async Task BlockAsync(string url, string name, byte[] content)
    {
        var answer = await _server.PutAsync(url, content, $"&comp=block&blockid={Uri.EscapeDataString(CacheServer.BlockId(name))}");
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
    }
}
