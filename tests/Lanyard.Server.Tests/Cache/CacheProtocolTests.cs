using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

[Line("4.3")]
public sealed class SqliteCacheProtocolTests() : CacheProtocolTests(DatabaseKind.Sqlite);

[Line("4.3")]
[Needs("postgres")]
public sealed class PostgresCacheProtocolTests() : CacheProtocolTests(DatabaseKind.Postgres);

/// <summary>Protocols v1 and v2 on the wire, in the words that clients read.</summary>
public abstract class CacheProtocolTests(DatabaseKind kind) : IAsyncLifetime
{
    private CacheServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await CacheServer.StartAsync(kind);

    public async ValueTask DisposeAsync()
    {
        if (_server is not null) await _server.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task A_miss_is_a_200_that_says_not_ok_and_never_an_error()
    {
        var machine = await _server.MachineAsync();

        var miss = await _server.LookUpAsync(machine, "nothing");

        Assert.Equal((HttpStatusCode.OK, """{"ok":false}"""), (miss.Status, miss.Body));
    }

    [Fact]
    public async Task Camel_case_numbers_and_unknown_members_are_taken_as_snake_case_and_texts_are()
    {
        var machine = await _server.MachineAsync();
        var url = await _server.ReserveAsync(machine, "k");
        await _server.PutAsync(url, new byte[10]);

        var made = await _server.TwirpAsync(
            machine, "FinalizeCacheEntryUpload",
            $$"""{"metadata":{"repositoryId":"1","scope":[{"scope":"x","permission":"3"}]},"key":"k","sizeBytes":10,"version":"{{CacheServer.Version}}","new":[{}]}""");
        var found = await _server.TwirpAsync(
            machine, "GetCacheEntryDownloadURL", $$"""{"key":"other","restoreKeys":["k"],"version":"{{CacheServer.Version}}"}""");

        Assert.True(made.Json.GetProperty("ok").GetBoolean(), made.Body);
        Assert.InRange(long.Parse(made.Json.GetProperty("entry_id").GetString()!, System.Globalization.CultureInfo.InvariantCulture), 1, 1L << 53);
        Assert.Equal("k", found.Json.GetProperty("matched_key").GetString());
    }

    [Fact]
    public async Task Protobuf_is_answered_in_protobuf()
    {
        var machine = await _server.MachineAsync();

        var created = await ProtobufAsync(machine, "CreateCacheEntry", [.. Field(2, "k"), .. Field(3, "v1")]);
        var url = TextOf(created, 2);
        Assert.Equal(HttpStatusCode.Created, (await _server.PutAsync(url, CacheServer.Random(300))).StatusCode);
        var made = await ProtobufAsync(machine, "FinalizeCacheEntryUpload", [.. Field(2, "k"), 0x18, 0xAC, 0x02, .. Field(4, "v1")]);
        var found = await ProtobufAsync(machine, "GetCacheEntryDownloadURL", [.. Field(2, "k"), .. Field(4, "v1")]);

        Assert.Equal([0x08, 0x01], made[..2]);
        Assert.Equal("k", TextOf(found, 3));
        Assert.Equal(CacheServer.Random(300), await _server.Client.GetByteArrayAsync(TextOf(found, 2)));
    }

    [Theory]
    [InlineData("POST", "/twirp/github.actions.results.api.v1.CacheService/Nothing", 404, "bad_route")]
    [InlineData("POST", "/twirp/github.actions.results.api.v1.ArtifactService/CreateArtifact", 404, "bad_route")]
    [InlineData("GET", "/twirp/github.actions.results.api.v1.CacheService/CreateCacheEntry", 404, "bad_route")]
    [InlineData("POST", "/twirp/", 404, "bad_route")]
    [Line("4.9")]
    public async Task Every_twirp_path_answers_in_json(string method, string path, int status, string code)
    {
        var machine = await _server.MachineAsync();

        var answer = await _server.Server.SendAsync(new HttpMethod(method), path, machine, method == "POST" ? "{}" : null);

        Assert.Equal((status, "application/json", code), ((int)answer.Status, answer.MediaType, answer.Json.GetProperty("code").GetString()));
    }

    [Theory]
    [InlineData("CreateCacheEntry")]
    [InlineData("FinalizeCacheEntryUpload")]
    [InlineData("GetCacheEntryDownloadURL")]
    public async Task Without_a_token_a_client_gets_one_clear_401(string method)
    {
        var answer = await _server.TwirpAsync(null, method, "{}");

        Assert.Equal((HttpStatusCode.Unauthorized, "unauthenticated"), (answer.Status, answer.Json.GetProperty("code").GetString()));
    }

    [Theory]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("{\"key\":1}")]
    [InlineData("{\"key\":\"a\",\"key\":\"b\"}")]
    [InlineData("{\"version\":\"v\"}")]
    [InlineData("{\"key\":\"a,b\",\"version\":\"v\"}")]
    [InlineData("{\"key\":\"a\\u0000b\",\"version\":\"v\"}")]
    [InlineData("{\"key\":\"\\ud800\",\"version\":\"v\"}")]
    [InlineData("{\"key\":\"a\"}")]
    public async Task A_bad_request_is_a_400_and_reserves_nothing(string body)
    {
        var machine = await _server.MachineAsync();

        var answer = await _server.TwirpAsync(machine, "CreateCacheEntry", body);

        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        Assert.Equal(0, await _server.Server.Database.ScalarAsync($"select count(*) from cache_entries"));
    }

    [Fact]
    public async Task A_key_has_512_characters_at_most_and_a_look_up_ten_keys()
    {
        var machine = await _server.MachineAsync();
        var longest = new string('k', 512);
        await _server.SaveAsync(machine, longest);

        Assert.Equal(longest, await _server.FindAsync(machine, longest));
        Assert.Equal(HttpStatusCode.BadRequest, (await _server.LookUpAsync(machine, longest + "k")).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await _server.LookUpAsync(machine, "a", [.. Enumerable.Range(0, 10).Select(i => $"r{i}")])).Status);
    }

    [Theory]
    [InlineData("-1")]
    [InlineData("9223372036854775807")]
    [InlineData("11")]
    public async Task A_wrong_size_does_not_finalise(string size)
    {
        var machine = await _server.MachineAsync();
        var url = await _server.ReserveAsync(machine, "k");
        await _server.PutAsync(url, new byte[10]);

        var answer = await _server.TwirpAsync(
            machine, "FinalizeCacheEntryUpload", $$"""{"key":"k","size_bytes":"{{size}}","version":"{{CacheServer.Version}}"}""");

        Assert.False(answer.Status == HttpStatusCode.OK && answer.Json.GetProperty("ok").GetBoolean(), answer.Body);
        Assert.Null(await _server.FindAsync(machine, "k"));
    }

    [Fact]
    public async Task Finalising_without_an_upload_or_without_a_reservation_says_so()
    {
        var machine = await _server.MachineAsync();
        await _server.ReserveAsync(machine, "k");

        var empty = await _server.FinalizeAsync(machine, "k", 0);
        var missing = await _server.FinalizeAsync(machine, "other", 0);

        Assert.False(empty.Json.GetProperty("ok").GetBoolean());
        Assert.Equal((HttpStatusCode.NotFound, "not_found"), (missing.Status, missing.Json.GetProperty("code").GetString()));
    }

    [Fact]
    public async Task Finalising_twice_gives_the_same_entry_again()
    {
        var machine = await _server.MachineAsync();
        var url = await _server.ReserveAsync(machine, "k");
        await _server.PutAsync(url, new byte[10]);

        var first = await _server.FinalizeAsync(machine, "k", 10);
        var second = await _server.FinalizeAsync(machine, "k", 10);

        Assert.Equal(first.Body, second.Body);
    }

    [Fact]
    public async Task An_empty_blob_is_an_entry_too()
    {
        var machine = await _server.MachineAsync();
        await _server.SaveAsync(machine, "empty", []);

        using var response = await _server.Client.GetAsync(await _server.DownloadUrlAsync(machine, "empty"));

        Assert.Equal((HttpStatusCode.OK, 0L), (response.StatusCode, response.Content.Headers.ContentLength));
    }

    [Fact]
    public async Task The_chunks_of_v1_make_the_entry_in_whatever_order_they_come_and_twice_if_need_be()
    {
        var machine = await _server.MachineAsync();
        var content = CacheServer.Random(2_500_000);
        var id = await ReserveV1Async(machine, "k", content.Length);

        foreach (var (from, to) in ((int, int)[])[(2_000_000, 2_500_000), (0, 1_000_000), (1_000_000, 2_000_000), (0, 1_000_000)])
            Assert.Equal(HttpStatusCode.NoContent, await ChunkAsync(machine, id, from, content[from..to]));
        var commit = await _server.Server.SendAsync(HttpMethod.Post, $"{V1}caches/{id}", machine, $$"""{"size":{{content.Length}}}""");
        var found = await _server.Server.GetAsync($"{V1}cache?keys=k&version=v", machine);

        Assert.Equal(HttpStatusCode.NoContent, commit.Status);
        Assert.Equal(("k", "refs/heads/main"), (found.Json.GetProperty("cacheKey").GetString(), found.Json.GetProperty("scope").GetString()));
        Assert.Equal(content, await _server.Client.GetByteArrayAsync(found.Json.GetProperty("archiveLocation").GetString()));
    }

    [Fact]
    public async Task V1_says_no_with_204_409_and_400_as_its_client_expects()
    {
        var machine = await _server.MachineAsync();
        var id = await ReserveV1Async(machine, "k", 10);
        await ChunkAsync(machine, id, 4, new byte[6]);

        var gap = await _server.Server.SendAsync(HttpMethod.Post, $"{V1}caches/{id}", machine, """{"size":10}""");
        var miss = await _server.Server.GetAsync($"{V1}cache?keys=k&version=v", machine);
        await ChunkAsync(machine, id, 0, new byte[4]);
        var good = await _server.Server.SendAsync(HttpMethod.Post, $"{V1}caches/{id}", machine, """{"size":10}""");
        var duplicate = await _server.Server.SendAsync(HttpMethod.Post, $"{V1}caches", machine, """{"key":"k","version":"v","cacheSize":10}""");
        var large = await _server.Server.SendAsync(HttpMethod.Post, $"{V1}caches", machine, """{"key":"l","version":"v","cacheSize":99999999999}""");

        Assert.Equal(HttpStatusCode.BadRequest, gap.Status);
        Assert.Equal(HttpStatusCode.NoContent, miss.Status);
        Assert.Equal(HttpStatusCode.NoContent, good.Status);
        Assert.Equal(HttpStatusCode.Conflict, duplicate.Status);
        Assert.Contains("AlreadyExists", duplicate.Json.GetProperty("typeKey").GetString(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.BadRequest, large.Status);
        Assert.Equal(HttpStatusCode.NotFound, (await _server.Server.GetAsync($"{V1}nothing", machine)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.Server.GetAsync($"{V1}cache?keys=k&version=v", null)).Status);
    }

    [Fact]
    public async Task V1_lists_what_there_is_of_a_key_in_other_versions_and_in_no_scope_that_may_not_be_read()
    {
        var main = await _server.MachineAsync();
        var pull = await _server.MachineAsync(gitRef: "refs/pull/7/merge", more: ""","defaultRef":"refs/heads/main" """);
        foreach (var version in (string[])["v3", "v1", "v2"]) await _server.SaveAsync(main, "Key", [1], version);
        await _server.SaveAsync(main, "key-2", [1], "v4");
        await _server.SaveAsync(pull, "key", [1], "v5");
        await _server.ReserveAsync(main, "key", "pending");

        Assert.Equal(["Key refs/heads/main v1", "Key refs/heads/main v2", "Key refs/heads/main v3"], await ListAsync(main));
        Assert.Equal(["Key refs/heads/main v1", "Key refs/heads/main v2", "Key refs/heads/main v3", "key refs/pull/7/merge v5"], await ListAsync(pull));
        Assert.Empty(await ListAsync(await _server.MachineAsync("demo/other")));
        Assert.Equal(HttpStatusCode.BadRequest, (await _server.Server.GetAsync($"{V1}caches?key=a,b", main)).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await _server.Server.GetAsync($"{V1}caches?key=key", await _server.MachineAsync(more: ""","cacheMode":"write-only" """))).Status);

        async Task<List<string>> ListAsync(string machine)
        {
            var answer = await _server.Server.GetAsync($"{V1}caches?key=KEY", machine);
            Assert.True(answer.Status == HttpStatusCode.OK, answer.Body);
            var caches = answer.Json.GetProperty("artifactCaches").EnumerateArray()
                .Select(static entry => $"{entry.GetProperty("cacheKey")} {entry.GetProperty("scope")} {entry.GetProperty("cacheVersion")}").Order(StringComparer.Ordinal).ToList();
            Assert.Equal(caches.Count, answer.Json.GetProperty("totalCount").GetInt32());
            return caches;
        }
    }

    [Fact]
    [Line("4.2")]
    public async Task What_fails_here_is_a_503_in_each_protocols_own_words()
    {
        var machine = await _server.MachineAsync();
        await _server.SaveAsync(machine, "k");
        var url = await _server.DownloadUrlAsync(machine, "k");
        await _server.Server.Database.ExecuteAsync($"alter table cache_entries rename to away");

        foreach (var answer in (Answer[])[await _server.LookUpAsync(machine, "k"), await _server.FinalizeAsync(machine, "k", 1)])
            Assert.Equal((HttpStatusCode.ServiceUnavailable, "application/json", "unavailable"), (answer.Status, answer.MediaType, answer.Json.GetProperty("code").GetString()));
        var first = await _server.Server.GetAsync($"{V1}cache?keys=k&version=v", machine);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "application/json", "ServiceException"), (first.Status, first.MediaType, first.Json.GetProperty("typeKey").GetString()));
        using var blob = await _server.Client.GetAsync(new Uri(url));
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "application/xml", "ServerBusy"), (blob.StatusCode, blob.Content.Headers.ContentType?.MediaType, blob.Headers.GetValues("x-ms-error-code").Single()));
    }

    [Fact]
    [Line("4.9")]
    public async Task A_reservation_of_v1_is_its_own_machine_s_alone()
    {
        var machine = await _server.MachineAsync();
        var sibling = await _server.MachineAsync();
        var foreign = await _server.MachineAsync("demo/other");
        var id = await ReserveV1Async(machine, "k", 10);

        foreach (var stranger in (string[])[sibling, foreign])
        {
            Assert.Equal(HttpStatusCode.NotFound, await ChunkAsync(stranger, id, 0, new byte[10]));
            Assert.Equal(HttpStatusCode.NotFound, (await _server.Server.SendAsync(HttpMethod.Post, $"{V1}caches/{id}", stranger, """{"size":10}""")).Status);
        }

        Assert.Equal(HttpStatusCode.NotFound, await ChunkAsync(machine, "123", 0, new byte[10]));
        Assert.Equal(HttpStatusCode.NotFound, await ChunkAsync(machine, "-1", 0, new byte[10]));
    }

    private const string V1 = "/runtime/cache/_apis/artifactcache/";

    private async Task<string> ReserveV1Async(string machine, string key, long size)
    {
        var answer = await _server.Server.SendAsync(HttpMethod.Post, $"{V1}caches", machine, $$"""{"key":"{{key}}","version":"v","cacheSize":{{size}}}""");
        Assert.Equal(HttpStatusCode.Created, answer.Status);
        return answer.Json.GetProperty("cacheId").GetInt64().ToString(System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>As the client sends it: chunked, without a length.</summary>
    private async Task<HttpStatusCode> ChunkAsync(string machine, string id, long offset, byte[] bytes)
    {
        using var request = new HttpRequestMessage(HttpMethod.Patch, $"{V1}caches/{id}") { Content = new StreamContent(new MemoryStream(bytes)) };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", machine);
        request.Headers.TransferEncodingChunked = true;
        request.Content.Headers.TryAddWithoutValidation("Content-Range", $"bytes {offset}-{offset + bytes.Length - 1}/*");
        using var response = await _server.Client.SendAsync(request);
        return response.StatusCode;
    }

    private async Task<byte[]> ProtobufAsync(string bearer, string method, byte[] body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, CacheServer.Service + method) { Content = new ByteArrayContent(body) };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", bearer);
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/protobuf");
        using var response = await _server.Client.SendAsync(request);
        Assert.Equal((HttpStatusCode.OK, "application/protobuf"), (response.StatusCode, response.Content.Headers.ContentType?.MediaType));
        return await response.Content.ReadAsByteArrayAsync();
    }

    private static byte[] Field(int number, string text) => [(byte)((number << 3) | 2), (byte)text.Length, .. Encoding.UTF8.GetBytes(text)];

    /// <summary>A text field of a message in which texts follow a flag.</summary>
    private static string TextOf(byte[] message, int number)
    {
        for (var at = 2; at < message.Length;)
        {
            var (tag, length) = (message[at], (int)message[at + 1]);
            at += 2;
            if (length >= 0x80) length = (length & 0x7f) | (message[at++] << 7);
            if (tag == ((number << 3) | 2)) return Encoding.UTF8.GetString(message, at, length);
            at += length;
        }

        throw new InvalidOperationException($"no field {number}");
    }
}
