using System.Net;
using System.Net.Http.Headers;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>Uploads that are not what a client of either protocol sends, and URLs that are not what was given out.</summary>
[Line("4.4")]
public sealed class BlobInputTests : IAsyncLifetime
{
    private const string V1 = "/runtime/cache/_apis/artifactcache/caches";
    private readonly ManualTime _time = new(DateTimeOffset.FromUnixTimeSeconds(1_900_000_000));
    private CacheServer _server = null!;
    private string _machine = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await CacheServer.StartAsync(time: _time);
        _machine = await _server.MachineAsync();
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Theory]
    [InlineData("&comp=block")]
    [InlineData("&comp=block&blockid=")]
    [InlineData("&comp=block&blockid=!!!!")]
    [InlineData("&comp=block&blockid=abc")]
    [InlineData("&comp=block&blockid=@0")]
    [InlineData("&comp=block&blockid=AAAA&blockid=AAAA")]
    [InlineData("&comp=metadata")]
    [InlineData("&comp=appendblock")]
    [InlineData("&comp=BLOCK&blockid=AAAA")]
    public async Task What_is_no_operation_or_no_block_id_is_a_400_in_the_clients_XML_and_stores_nothing(string query)
    {
        using var answer = await _server.PutAsync(await _server.ReserveAsync(_machine, "k"), [1], query);

        Assert.Equal((HttpStatusCode.BadRequest, "InvalidQueryParameterValue"), (answer.StatusCode, answer.Headers.GetValues("x-ms-error-code").Single()));
        Assert.Equal("application/xml", answer.Content.Headers.ContentType?.MediaType);
        Assert.Empty(_server.Files);
    }

    [Theory]
    [InlineData("caf\u00e9", null)]
    [InlineData("\u4f60\u597d", null)]
    [InlineData("plain id", "plain id")]
    public async Task A_request_id_that_no_header_may_have_is_not_sent_back_and_the_request_is_judged_all_the_same(string id, string? back)
    {
        using var handler = new SocketsHttpHandler { RequestHeaderEncodingSelector = static (_, _) => System.Text.Encoding.UTF8 };
        using var client = new HttpClient(handler);
        foreach (var (url, expected) in ((string, HttpStatusCode)[])
            [(await _server.ReserveAsync(_machine, id), HttpStatusCode.Created), ($"{_server.Url}/cache/ws_1/nothing", HttpStatusCode.Forbidden)])
        {
            using var request = new HttpRequestMessage(HttpMethod.Put, url) { Content = new ByteArrayContent([1]) };
            request.Headers.TryAddWithoutValidation("x-ms-client-request-id", id);

            using var answer = await client.SendAsync(request, TestContext.Current.CancellationToken);

            Assert.Equal(expected, answer.StatusCode);
            Assert.Equal(back, answer.Headers.TryGetValues("x-ms-client-request-id", out var values) ? values.Single() : null);
        }
    }

    [Theory]
    [InlineData(64, true)]
    [InlineData(65, false)]
    public async Task A_block_id_has_64_bytes_at_most(int bytes, bool isGood)
    {
        var id = Uri.EscapeDataString(Convert.ToBase64String(new byte[bytes]));

        using var answer = await _server.PutAsync(await _server.ReserveAsync(_machine, "k"), [1], $"&comp=block&blockid={id}");

        Assert.Equal(isGood ? HttpStatusCode.Created : HttpStatusCode.BadRequest, answer.StatusCode);
    }

    /// <summary>Each place of a block is a row, and each block a file beside it: no quota of bytes would ever stop them.</summary>
    [Fact]
    [Line("4.7")]
    public async Task A_few_bytes_are_neither_named_nor_cut_so_often_that_they_fill_the_database_and_blocks_of_a_client_may_be_many()
    {
        var (url, id) = (await _server.ReserveAsync(_machine, "k"), CacheServer.BlockId("a"));
        var block = $"&comp=block&blockid={Uri.EscapeDataString(id)}";
        await _server.PutAsync(url, [1], block);

        using var refused = await _server.PutListAsync(url, [.. Enumerable.Repeat(id, 1001)]);
        Assert.Equal((HttpStatusCode.BadRequest, "BlockListTooLong"), (refused.StatusCode, refused.Headers.GetValues("x-ms-error-code").Single()));
        Assert.Equal(0, await _server.Server.Database.ScalarAsync($"select count(*) from cache_layout"));
        Assert.Equal(HttpStatusCode.Created, (await _server.PutListAsync(url, [.. Enumerable.Repeat(id, 1000)])).StatusCode);

        await _server.Server.Database.ExecuteAsync($"update cache_entries set staged_count = 1000");
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await _server.PutAsync(url, [1], "&comp=block&blockid=AAAA")).StatusCode);
        Assert.Equal(HttpStatusCode.Created, (await _server.PutAsync(url, new byte[64 * 1024], "&comp=block&blockid=AAAA")).StatusCode);
        Assert.Equal(HttpStatusCode.Created, (await _server.PutListAsync(url, [.. Enumerable.Repeat("AAAA", 10_000)])).StatusCode);
    }

    [Fact]
    public async Task An_empty_list_makes_an_empty_entry_and_a_later_list_another_of_the_same_blocks()
    {
        var url = await _server.ReserveAsync(_machine, "k");
        foreach (var id in (string[])["a", "b"]) await _server.PutAsync(url, [(byte)id[0]], $"&comp=block&blockid={Uri.EscapeDataString(CacheServer.BlockId(id))}");

        Assert.Equal(HttpStatusCode.Created, (await _server.PutListAsync(url, CacheServer.BlockId("a"))).StatusCode);
        Assert.Equal(HttpStatusCode.Created, (await _server.PutListAsync(url)).StatusCode);
        Assert.False((await _server.FinalizeAsync(_machine, "k", 1)).Json.GetProperty("ok").GetBoolean());
        Assert.Equal(HttpStatusCode.Created, (await _server.PutListAsync(url, CacheServer.BlockId("b"), CacheServer.BlockId("a"))).StatusCode);
        Assert.True((await _server.FinalizeAsync(_machine, "k", 2)).Json.GetProperty("ok").GetBoolean());
        Assert.Equal("ba"u8.ToArray(), await _server.Client.GetByteArrayAsync(new Uri(await _server.DownloadUrlAsync(_machine, "k"))));

        var empty = await _server.ReserveAsync(_machine, "empty");
        await _server.PutListAsync(empty);
        Assert.True((await _server.FinalizeAsync(_machine, "empty", 0)).Json.GetProperty("ok").GetBoolean());
        Assert.Empty(await _server.Client.GetByteArrayAsync(new Uri(await _server.DownloadUrlAsync(_machine, "empty"))));
    }

    [Fact]
    public async Task An_upload_URL_is_good_for_an_hour_and_asking_again_gives_another_for_the_same_upload()
    {
        var first = await _server.ReserveAsync(_machine, "k");
        await _server.PutAsync(first, [1], $"&comp=block&blockid={Uri.EscapeDataString(CacheServer.BlockId("1"))}");
        _time.Advance(TimeSpan.FromMinutes(50));
        var second = await _server.ReserveAsync(_machine, "k");
        _time.Advance(TimeSpan.FromMinutes(20));

        var late = await _server.PutAsync(first, [2], $"&comp=block&blockid={Uri.EscapeDataString(CacheServer.BlockId("2"))}");
        Assert.Equal((HttpStatusCode.Forbidden, "AuthenticationFailed"), (late.StatusCode, late.Headers.GetValues("x-ms-error-code").Single()));
        await _server.PutAsync(second, [3], $"&comp=block&blockid={Uri.EscapeDataString(CacheServer.BlockId("2"))}");
        await _server.PutListAsync(second, CacheServer.BlockId("1"), CacheServer.BlockId("2"));
        Assert.True((await _server.FinalizeAsync(_machine, "k", 2)).Json.GetProperty("ok").GetBoolean());
        Assert.Equal([1, 3], await _server.Client.GetByteArrayAsync(new Uri(await _server.DownloadUrlAsync(_machine, "k"))));
    }

    [Theory]
    [InlineData("kv=21990", "kv=21991")]
    [InlineData("kv=21990", "kv=21989")]
    [InlineData("kv=21990", "kv=21990&kv=21990")]
    [InlineData("kv=21990", "kv=x")]
    [InlineData("&sp=r", "&sp=r&sp=w")]
    [InlineData("?se=", "?se=9")]
    [InlineData("&sig=", "&sig=A&sig=")]
    [InlineData("&sig=", "&signature=")]
    public async Task A_URL_of_which_a_signed_part_is_changed_doubled_or_missing_opens_nothing(string part, string instead)
    {
        await _server.SaveAsync(_machine, "k");
        var url = await _server.DownloadUrlAsync(_machine, "k");
        Assert.Contains(part, url, StringComparison.Ordinal);

        using var answer = await _server.Client.GetAsync(new Uri(url.Replace(part, instead, StringComparison.Ordinal)));

        Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
    }

    /// <summary>What an Azure client asks of a container, with a signature that is good for one blob of it.</summary>
    [Theory]
    [InlineData("/cache")]
    [InlineData("/cache/")]
    [InlineData("/cache/{0}")]
    [InlineData("/cache/{0}/")]
    [InlineData("/cache/{0}?restype=container&comp=list")]
    [Line("4.9")]
    public async Task Names_of_blobs_are_listed_nowhere_and_can_not_be_guessed(string path)
    {
        foreach (var key in (string[])["a", "b"]) await _server.SaveAsync(_machine, key);
        var (first, second) = (new Uri(await _server.DownloadUrlAsync(_machine, "a")), new Uri(await _server.DownloadUrlAsync(_machine, "b")));
        var names = (string[])[first.Segments[^1], second.Segments[^1]];
        Assert.All(names, static name => Assert.Matches("^[0-9a-f]{32}$", name));
        Assert.NotEqual(names[0], names[1]);

        var asked = string.Format(System.Globalization.CultureInfo.InvariantCulture, path, first.Segments[^2].TrimEnd('/'));
        using var answer = await _server.Client.GetAsync(new Uri(_server.Url + asked + (asked.Contains('?', StringComparison.Ordinal) ? "&" : "?") + first.Query.TrimStart('?')));

        Assert.Contains(answer.StatusCode, (HttpStatusCode[])[HttpStatusCode.NotFound, HttpStatusCode.Forbidden, HttpStatusCode.Unauthorized]);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.DoesNotContain("html", answer.Content.Headers.ContentType?.MediaType ?? "none", StringComparison.Ordinal);
        Assert.All(names, name => Assert.DoesNotContain(name, text, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("bytes */3")]
    [InlineData("bytes 0-1/*")]
    [InlineData("bytes 0-3/*")]
    [InlineData("bytes 2-0/*")]
    [InlineData("bytes -3/*")]
    [InlineData("items 0-2/*")]
    [InlineData("bytes 0-9223372036854775807/*")]
    [Line("4.3")]
    public async Task A_chunk_whose_range_is_not_that_of_its_bytes_is_refused_and_stores_nothing(string? range)
    {
        var reserved = await _server.Server.SendAsync(HttpMethod.Post, V1, _machine, """{"key":"k","version":"v"}""");
        using var request = new HttpRequestMessage(HttpMethod.Patch, $"{V1}/{reserved.Json.GetProperty("cacheId").GetInt64()}") { Content = new ByteArrayContent([1, 2, 3]) };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _machine);
        if (range is not null) request.Content.Headers.TryAddWithoutValidation("Content-Range", range);

        using var answer = await _server.Client.SendAsync(request);

        Assert.Contains(answer.StatusCode, (HttpStatusCode[])[HttpStatusCode.BadRequest, HttpStatusCode.RequestEntityTooLarge]);
        Assert.Equal("application/json", answer.Content.Headers.ContentType?.MediaType);
        Assert.Empty(_server.Files);
    }

    [Fact]
    [Line("4.3")]
    public async Task Chunks_that_overlap_make_no_cache()
    {
        var reserved = await _server.Server.SendAsync(HttpMethod.Post, V1, _machine, """{"key":"k","version":"v"}""");
        var path = $"{V1}/{reserved.Json.GetProperty("cacheId").GetInt64()}";
        foreach (var range in (string[])["bytes 0-2/*", "bytes 2-4/*"])
        {
            using var request = new HttpRequestMessage(HttpMethod.Patch, path) { Content = new ByteArrayContent([1, 2, 3]) };
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _machine);
            request.Content.Headers.TryAddWithoutValidation("Content-Range", range);
            using var answer = await _server.Client.SendAsync(request);
            Assert.Equal(HttpStatusCode.NoContent, answer.StatusCode);
        }

        Assert.Equal(HttpStatusCode.BadRequest, (await _server.Server.SendAsync(HttpMethod.Post, path, _machine, """{"size":5}""")).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await _server.Server.GetAsync("/runtime/cache/_apis/artifactcache/cache?keys=k&version=v", _machine)).Status);
    }
}
