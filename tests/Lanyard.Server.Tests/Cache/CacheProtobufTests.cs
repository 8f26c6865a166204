using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

[Line("4.3")]
public sealed class SqliteCacheProtobufTests() : CacheProtobufTests(DatabaseKind.Sqlite);

[Line("4.3")]
[Needs("postgres")]
public sealed class PostgresCacheProtobufTests() : CacheProtobufTests(DatabaseKind.Postgres);

/// <summary>Protocol v2 in its binary form, which sccache speaks.</summary>
public abstract class CacheProtobufTests(DatabaseKind kind) : CacheWireTests(kind)
{
    [Fact]
    public async Task Protobuf_is_answered_in_protobuf()
    {
        var machine = await Cache.MachineAsync();

        var created = await ProtobufAsync(machine, "CreateCacheEntry", [.. Field(2, "k"), .. Field(3, "v1")]);
        var url = TextOf(created, 2);
        Assert.Equal(HttpStatusCode.Created, (await Cache.PutAsync(url, CacheServer.Random(300))).StatusCode);
        var made = await ProtobufAsync(machine, "FinalizeCacheEntryUpload", [.. Field(2, "k"), 0x18, 0xAC, 0x02, .. Field(4, "v1")]);
        var found = await ProtobufAsync(machine, "GetCacheEntryDownloadURL", [.. Field(2, "k"), .. Field(4, "v1")]);

        Assert.Equal([0x08, 0x01], made[..2]);
        Assert.Equal("k", TextOf(found, 3));
        Assert.Equal(CacheServer.Random(300), await Cache.Client.GetByteArrayAsync(TextOf(found, 2)));
    }

    /// <summary>sccache: metadata that nobody reads, no restore keys, a size by a range of one byte; it goes by 409 and by an empty answer.</summary>
    [Fact]
    public async Task What_sccache_sends_is_answered_as_it_reads_it()
    {
        var machine = await Cache.MachineAsync();
        byte[] named = [.. Field(1, "\u0008\u0001\u0012\u0002\u0008\u0003"), .. Field(2, "ab/cd/object"), .. Field(3, "ghac-v1")];
        using (var miss = await SendProtobufAsync(machine, "GetCacheEntryDownloadURL", [.. Field(2, "ab/cd/object"), .. Field(4, "ghac-v1")]))
            Assert.Equal((HttpStatusCode.OK, "application/protobuf", 0), (miss.StatusCode, miss.Content.Headers.ContentType?.MediaType, (await miss.Content.ReadAsByteArrayAsync()).Length));
        await Cache.PutAsync(TextOf(await ProtobufAsync(machine, "CreateCacheEntry", named), 2), CacheServer.Random(300));
        await ProtobufAsync(machine, "FinalizeCacheEntryUpload", [.. Field(2, "ab/cd/object"), 0x18, 0xAC, 0x02, .. Field(4, "ghac-v1")]);

        using (var taken = await SendProtobufAsync(machine, "CreateCacheEntry", named))
        {
            Assert.Equal((HttpStatusCode.Conflict, "application/json"), (taken.StatusCode, taken.Content.Headers.ContentType?.MediaType));
            Assert.Contains("already_exists", await taken.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }

        var found = await ProtobufAsync(machine, "GetCacheEntryDownloadURL", [.. Field(2, "none"), .. Field(3, "nor-this"), .. Field(3, "ab/"), .. Field(4, "ghac-v1")]);
        Assert.Equal("ab/cd/object", TextOf(found, 3));
        using var stat = new HttpRequestMessage(HttpMethod.Get, TextOf(found, 2)) { Headers = { Range = new RangeHeaderValue(0, 0) } };
        using var first = await Cache.Client.SendAsync(stat);
        Assert.Equal((HttpStatusCode.PartialContent, 300L, 1L), (first.StatusCode, first.Content.Headers.ContentRange?.Length, first.Content.Headers.ContentLength));
    }

    [Theory]
    [InlineData(new byte[] { 0x12 })]
    [InlineData(new byte[] { 0x12, 0x05, 0x61 })]
    [InlineData(new byte[] { 0x12, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01 })]
    [InlineData(new byte[] { 0x10, 0x01, 0x1A, 0x01, 0x76 })]
    [InlineData(new byte[] { 0x12, 0x01, 0xFF, 0x1A, 0x01, 0x76 })]
    [InlineData(new byte[] { 0x13, 0x01, 0x61 })]
    public async Task What_is_no_protobuf_of_ours_is_a_400_in_json_and_reserves_nothing(byte[] body)
    {
        using var answer = await SendProtobufAsync(await Cache.MachineAsync(), "CreateCacheEntry", body);

        Assert.Equal((HttpStatusCode.BadRequest, "application/json"), (answer.StatusCode, answer.Content.Headers.ContentType?.MediaType));
        Assert.Equal(0, await Cache.Server.Database.ScalarAsync($"select count(*) from cache_entries"));
    }

    private async Task<byte[]> ProtobufAsync(string bearer, string method, byte[] body)
    {
        using var response = await SendProtobufAsync(bearer, method, body);
        Assert.Equal((HttpStatusCode.OK, "application/protobuf"), (response.StatusCode, response.Content.Headers.ContentType?.MediaType));
        return await response.Content.ReadAsByteArrayAsync();
    }

    private async Task<HttpResponseMessage> SendProtobufAsync(string bearer, string method, byte[] body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, CacheServer.Service + method) { Content = new ByteArrayContent(body) };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", bearer);
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/protobuf");
        return await Cache.Client.SendAsync(request);
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
