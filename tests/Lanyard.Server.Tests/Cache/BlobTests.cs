using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>The blob plane, as the Azure SDKs of the clients use it.</summary>
[Line("4.4")]
public sealed class BlobTests : BlobServerTests
{
    [Fact]
    public async Task Blocks_make_the_blob_in_the_order_of_the_list_whatever_order_they_came_in()
    {
        var url = await Cache.ReserveAsync(Machine, "k");
        var parts = Enumerable.Range(0, 5).Select(i => CacheServer.Random((1 << 20) - (i * 1000), i)).ToArray();
        await Task.WhenAll(new[] { 3, 1, 4, 0, 2 }.Select(i => BlockAsync(url, $"b{i}", parts[i])));

        var list = await Cache.PutListAsync(url, [.. Enumerable.Range(0, 5).Select(i => CacheServer.BlockId($"b{i}"))]);
        var made = await Cache.FinalizeAsync(Machine, "k", parts.Sum(part => part.Length));

        Assert.Equal(HttpStatusCode.Created, list.StatusCode);
        Assert.True(made.Json.GetProperty("ok").GetBoolean(), made.Body);
        Assert.Equal(parts.SelectMany(part => part), await Cache.Client.GetByteArrayAsync(await Cache.DownloadUrlAsync(Machine, "k")));
    }

    [Fact]
    public async Task A_block_may_stand_twice_in_the_list_and_one_that_was_sent_again_counts_once()
    {
        var url = await Cache.ReserveAsync(Machine, "k");
        await BlockAsync(url, "a", [9, 9]);
        await BlockAsync(url, "a", [1, 2]);
        await BlockAsync(url, "b", [3]);
        await BlockAsync(url, "unused", new byte[100]);

        await Cache.PutListAsync(url, CacheServer.BlockId("a"), CacheServer.BlockId("b"), CacheServer.BlockId("a"));
        var made = await Cache.FinalizeAsync(Machine, "k", 5);

        Assert.True(made.Json.GetProperty("ok").GetBoolean(), made.Body);
        Assert.Equal([1, 2, 3, 1, 2], await Cache.Client.GetByteArrayAsync(await Cache.DownloadUrlAsync(Machine, "k")));
        Assert.Equal(2, Cache.Files.Count);
    }

    [Theory]
    [InlineData("<BlockList><Latest>{unknown}</Latest></BlockList>", "InvalidBlockList")]
    [InlineData("<BlockList><Latest>{a}</Latest>", "InvalidXmlDocument")]
    [InlineData("<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><BlockList><Latest>&e;</Latest></BlockList>", "InvalidXmlDocument")]
    [InlineData("<Other/>", "InvalidXmlDocument")]
    [InlineData("", "InvalidXmlDocument")]
    public async Task A_list_that_is_none_or_names_an_unknown_block_is_refused(string xml, string code)
    {
        var url = await Cache.ReserveAsync(Machine, "k");
        await BlockAsync(url, "a", [1]);
        xml = xml.Replace("{a}", CacheServer.BlockId("a"), StringComparison.Ordinal).Replace("{unknown}", CacheServer.BlockId("u"), StringComparison.Ordinal);

        var answer = await Cache.PutAsync(url, Encoding.UTF8.GetBytes(xml), "&comp=blocklist");

        Assert.Equal((HttpStatusCode.BadRequest, code), (answer.StatusCode, answer.Headers.GetValues("x-ms-error-code").Single()));
        Assert.Contains($"<Code>{code}</Code>", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.False((await Cache.FinalizeAsync(Machine, "k", 1)).Json.GetProperty("ok").GetBoolean());
    }

    [Fact]
    public async Task The_older_tags_of_other_clients_are_taken_too()
    {
        var url = await Cache.ReserveAsync(Machine, "k");
        await BlockAsync(url, "a", [7]);

        var answer = await Cache.PutAsync(url, Encoding.UTF8.GetBytes($"<BlockList><Uncommitted>{CacheServer.BlockId("a")}</Uncommitted></BlockList>"), "&comp=blocklist");

        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
    }

    [Fact]
    public async Task A_put_is_answered_with_201_and_what_the_sdks_read()
    {
        var url = await Cache.ReserveAsync(Machine, "k");
        using var request = new HttpRequestMessage(HttpMethod.Put, url + "&timeout=30") { Content = new ByteArrayContent([1]) };
        request.Headers.Add("x-ms-client-request-id", "abc");

        using var answer = await Cache.Client.SendAsync(request);

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
        await Cache.SaveAsync(Machine, "k", content);
        var url = await Cache.DownloadUrlAsync(Machine, "k");

        foreach (var header in (string[])["Range", "x-ms-range"])
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, url);
            request.Headers.TryAddWithoutValidation(header, range);
            using var answer = await Cache.Client.SendAsync(request);

            Assert.Equal(HttpStatusCode.PartialContent, answer.StatusCode);
            Assert.NotNull(answer.Headers.ETag);
            Assert.Equal(new ContentRangeHeaderValue(from, from + length - 1, content.Length), answer.Content.Headers.ContentRange);
            Assert.Equal(content.AsSpan(from, length).ToArray(), await answer.Content.ReadAsByteArrayAsync());
        }
    }

    [Fact]
    public async Task A_range_over_many_blocks_is_put_together()
    {
        var url = await Cache.ReserveAsync(Machine, "k");
        var parts = Enumerable.Range(0, 6).Select(i => CacheServer.Random(100_000 + i, i)).ToArray();
        for (var i = 0; i < parts.Length; i++) await BlockAsync(url, $"b{i}", parts[i]);
        await Cache.PutListAsync(url, [.. Enumerable.Range(0, parts.Length).Select(i => CacheServer.BlockId($"b{i}"))]);
        await Cache.FinalizeAsync(Machine, "k", parts.Sum(part => part.Length));

        using var request = new HttpRequestMessage(HttpMethod.Get, await Cache.DownloadUrlAsync(Machine, "k"));
        request.Headers.Range = new RangeHeaderValue(150_000, 450_000);
        using var answer = await Cache.Client.SendAsync(request);

        Assert.Equal(parts.SelectMany(part => part).Skip(150_000).Take(300_001), await answer.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task Outside_the_blob_is_416_and_head_tells_the_size_without_a_body()
    {
        await Cache.SaveAsync(Machine, "k", new byte[10]);
        var url = await Cache.DownloadUrlAsync(Machine, "k");

        using var outside = new HttpRequestMessage(HttpMethod.Get, url);
        outside.Headers.Range = new RangeHeaderValue(10, 20);
        using var refused = await Cache.Client.SendAsync(outside);
        using var head = await Cache.Client.SendAsync(new HttpRequestMessage(HttpMethod.Head, url));

        Assert.Equal(HttpStatusCode.RequestedRangeNotSatisfiable, refused.StatusCode);
        Assert.Equal((HttpStatusCode.OK, 10L), (head.StatusCode, head.Content.Headers.ContentLength));
    }

    [Fact]
    public async Task A_url_is_good_for_its_path_its_permission_and_its_time_only()
    {
        await Cache.SaveAsync(Machine, "k", [1, 2, 3]);
        var read = await Cache.DownloadUrlAsync(Machine, "k");
        var write = await Cache.ReserveAsync(Machine, "other");
        var swapped = new Uri(write).GetLeftPart(UriPartial.Path) + new Uri(read).Query;

        Assert.Equal(HttpStatusCode.Forbidden, (await Cache.PutAsync(read, [1])).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await Cache.Client.GetAsync(write)).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await Cache.Client.GetAsync(swapped)).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await Cache.Client.GetAsync(read.Replace("sp=r", "sp=w", StringComparison.Ordinal))).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await Cache.Client.GetAsync(read.Replace("se=19", "se=29", StringComparison.Ordinal))).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await Cache.Client.GetAsync(read[..^2])).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await Cache.Client.GetAsync(new Uri(read).GetLeftPart(UriPartial.Path))).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await Cache.Client.GetAsync(read + "&timeout=30&x=1")).StatusCode);

        Time.Advance(TimeSpan.FromMinutes(11));
        Assert.Equal(HttpStatusCode.Forbidden, (await Cache.Client.GetAsync(read)).StatusCode);
    }

    [Fact]
    public async Task A_url_of_the_day_before_is_good_after_midnight_for_the_rest_of_its_life()
    {
        Time.Advance(TimeSpan.FromSeconds(86_400 - (Time.GetUtcNow().ToUnixTimeSeconds() % 86_400) - 60));
        var machine = await Cache.MachineAsync();
        await Cache.SaveAsync(machine, "k", [1, 2, 3]);
        var url = await Cache.DownloadUrlAsync(machine, "k");

        Time.Advance(TimeSpan.FromMinutes(2));

        Assert.Equal([1, 2, 3], await Cache.Client.GetByteArrayAsync(url));
    }
}
