using System.Globalization;
using System.IO.Pipelines;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using Lanyard.Server.Cache;
using Lanyard.Server.Cache.Blobs;
using Lanyard.Server.Cache.Limits;
using Lanyard.Server.Cache.Objects;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>A store that is away for a while, and stores that are slow, break off or lie.</summary>
[Line("4.4")]
public sealed class StoreTroubleTests
{
    private static readonly WorkspaceKey Key = new(new byte[32], isEncrypting: false);
    private static readonly byte[] Content = CacheServer.Random(3000);

    /// <summary>The client notes each 503 that it is given in a file, upon which the store comes back.</summary>
    private const string Save =
        """
        const emit = http.ClientRequest.prototype.emit;
        http.ClientRequest.prototype.emit = function (name, ...rest) {
          if (name === 'response' && rest[0].statusCode === 503) fs.writeFileSync(process.env.NOTE, '');
          return emit.call(this, name, ...rest);
        };
        fs.mkdirSync('d');
        fs.writeFileSync('d/content', 'kept');
        const saved = await cache.saveCache(['d'], 'k');
        fs.rmSync('d', { recursive: true });
        const found = await cache.restoreCache(['d'], 'k');
        console.log('RESULT ' + JSON.stringify({ saved, found: found ?? null, content: found ? fs.readFileSync('d/content', 'utf8') : null }));
        """;

    [Theory]
    [Needs("npm")]
    [InlineData("actions-cache-6", true)]
    [InlineData("actions-cache-3", false)]
    public async Task The_official_client_saves_all_the_same_when_the_store_was_away_for_a_moment(string client, bool second)
    {
        await using var store = await ForeignStore.StartAsync("s3");
        await using var server = await ServerAsync(store);
        var note = Path.Combine(store.Folder, "note");
        await store.StopAsync();

        var saving = ActionsClient.RunAsync(server, await server.MachineAsync(), Save, client, second, new Dictionary<string, string?> { ["NOTE"] = note });
        await Eventually.HoldsAsync(() => Task.FromResult(File.Exists(note) || saving.IsCompleted), "the client is told to come again");
        await store.ResumeAsync();
        var (said, output) = await saving;

        Assert.True(said.GetProperty("saved").GetInt64() > 0, output);
        Assert.Equal("kept", said.GetProperty("content").GetString());
    }

    [Fact]
    [Needs("npm")]
    [Line("4.7")]
    public async Task What_is_taken_out_while_the_store_is_away_goes_when_it_is_back()
    {
        var time = new ManualTime(TimeProvider.System.GetUtcNow());
        await using var store = await ForeignStore.StartAsync("s3");
        await using var server = await ServerAsync(store, time);
        var machine = await server.MachineAsync();
        await server.SaveAsync(machine, "deleted", Content);
        await server.PutAsync(await server.ReserveAsync(machine, "abandoned"), Content);
        var objects = new S3Store("cache", "eu-west-1", new Uri(store.Origin), time);
        Assert.Equal(2, (await objects.ListAsync("a/b/", TestContext.Current.CancellationToken)).Count);

        await store.StopAsync();
        var id = (await server.Server.GetAsync("/v1/workspaces/acme/cache/entries?key=deleted")).Json.GetProperty("items")[0].GetProperty("id").GetString();
        Assert.Equal(HttpStatusCode.NoContent, (await server.Server.SendAsync(HttpMethod.Delete, $"/v1/workspaces/acme/cache/entries/{id}", "admin")).Status);
        time.Advance(TimeSpan.FromMinutes(61));
        Assert.NotEmpty(await server.ReserveAsync(await server.MachineAsync(), "abandoned"));
        var purger = server.Server.Services.GetRequiredService<CachePurger>();
        await purger.PurgeAsync(TestContext.Current.CancellationToken);
        await store.ResumeAsync();

        // The server has tried by itself too, who knows how often.
        await Eventually.HoldsAsync(
            async () =>
            {
                time.Advance(CachePurger.FirstRest);
                await purger.PurgeAsync(TestContext.Current.CancellationToken);
                return (await objects.ListAsync("a/b/", TestContext.Current.CancellationToken)).Count == 0;
            },
            "what was taken out goes");
        Assert.Equal(1, await server.Server.Database.ScalarAsync($"select count(*) from cache_entries where live"));
    }

    [Fact]
    [Needs("npm")]
    [Line("4.3")]
    public async Task A_chunk_of_the_first_protocol_is_a_503_in_its_words_while_the_store_is_away()
    {
        await using var store = await ForeignStore.StartAsync("s3");
        await using var server = await ServerAsync(store);
        var machine = await server.MachineAsync();
        var reserved = await server.Server.SendAsync(HttpMethod.Post, "/runtime/cache/_apis/artifactcache/caches", machine, """{"key":"k","version":"v","cacheSize":3}""");
        var path = $"/runtime/cache/_apis/artifactcache/caches/{reserved.Json.GetProperty("cacheId").GetInt64()}";
        await store.StopAsync();

        Assert.Equal((HttpStatusCode.ServiceUnavailable, "application/json"), await ChunkAsync());
        await store.ResumeAsync();
        Assert.Equal(HttpStatusCode.NoContent, (await ChunkAsync()).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await server.Server.SendAsync(HttpMethod.Post, path, machine, """{"size":3}""")).Status);

        async Task<(HttpStatusCode Status, string? Type)> ChunkAsync()
        {
            using var request = new HttpRequestMessage(HttpMethod.Patch, path) { Content = new ByteArrayContent([1, 2, 3]) };
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", machine);
            request.Content.Headers.TryAddWithoutValidation("Content-Range", "bytes 0-2/*");
            using var answer = await server.Client.SendAsync(request);
            return (answer.StatusCode, answer.Content.Headers.ContentType?.MediaType);
        }
    }

    /// <summary>A store's failure says nothing about an entry; what it delivers instead of the entry does.</summary>
    [Theory]
    [InlineData("true", 206, 3000, 3000, null)]
    [InlineData("other bytes", 206, 3000, 3000, typeof(BlobDamagedException))]
    [InlineData("fewer, and it says so", 206, 2999, 2999, typeof(BlobDamagedException))]
    [InlineData("more, and it says so", 206, 3001, 3001, typeof(BlobDamagedException))]
    [InlineData("BlobNotFound", 404, 0, 0, typeof(BlobDamagedException))]
    [InlineData("ContainerNotFound", 404, 0, 0, typeof(BlobStoreException))]
    [InlineData("nothing of Azure", 404, 0, 0, typeof(BlobStoreException))]
    [InlineData("the whole for a range", 200, 3000, 3000, typeof(BlobStoreException))]
    [InlineData("an error", 500, 0, 0, typeof(BlobStoreException))]
    [InlineData("breaks off", 206, 3000, 1000, typeof(BlobStoreException))]
    [InlineData("silent in the middle", 206, 3000, 1000, typeof(BlobStoreException))]
    [InlineData("silent from the beginning", 0, 0, 0, typeof(BlobStoreException))]
    [Line("4.8")]
    public Task Whatever_Azure_answers_no_byte_of_it_leaves_unchecked_and_nobody_waits_for_ever(string how, int status, int said, int sent, Type? outcome) => ShowAsync(
        how, status, said, sent, outcome, static (address, time) => new AzureStore(new Uri(address, "/account/cache"), "account", new byte[32], null, time));

    /// <summary>The SDK's own clock can't be set: it is given little patience.</summary>
    [Theory]
    [InlineData("true", 206, 3000, 3000, null)]
    [InlineData("other bytes", 206, 3000, 3000, typeof(BlobDamagedException))]
    [InlineData("fewer, and it says so", 206, 2999, 2999, typeof(BlobDamagedException))]
    [InlineData("more, and it says so", 206, 3001, 3001, typeof(BlobDamagedException))]
    [InlineData("nothing of S3", 404, 0, 0, typeof(BlobStoreException))]
    [InlineData("more than was asked for", 200, 3001, 3001, typeof(BlobStoreException))]
    [InlineData("an error", 500, 0, 0, typeof(BlobStoreException))]
    [InlineData("breaks off", 206, 3000, 1000, typeof(BlobStoreException))]
    [InlineData("silent in the middle", 206, 3000, 1000, typeof(BlobStoreException))]
    [InlineData("silent from the beginning", 0, 0, 0, typeof(BlobStoreException))]
    [Line("4.8")]
    public Task Whatever_S3_answers_no_byte_of_it_leaves_unchecked_and_nobody_waits_for_ever(string how, int status, int said, int sent, Type? outcome)
    {
        ForeignStore.KnowKeys();
        var patience = how == "silent from the beginning" ? TimeSpan.FromMilliseconds(100) : TimeSpan.FromSeconds(60);
        return ShowAsync(how, status, said, sent, outcome, (address, time) => new S3Store("cache", "eu-west-1", address, time, patience));
    }

    [Theory]
    [InlineData("azure", true)]
    [InlineData("azure", false)]
    [InlineData("s3", true)]
    [InlineData("s3", false)]
    [Line("4.5")]
    public async Task An_entry_is_given_up_where_the_store_says_that_it_has_no_such_object_and_not_where_it_has_no_such_bucket(string kind, bool isObject)
    {
        var (isWhole, code) = (true, kind == "s3" ? isObject ? "NoSuchKey" : "NoSuchBucket" : isObject ? "BlobNotFound" : "ContainerNotFound");
        var error = $"<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code></Error>";
        await using var store = RawUpstream.Answering(head => head.StartLine.StartsWith("PUT", StringComparison.Ordinal)
            ? $"HTTP/1.1 {(kind == "s3" ? 200 : 201)} x\r\nETag: \"1\"\r\nContent-Length: 0\r\n\r\n"
            : isWhole ? "HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n"
            : $"HTTP/1.1 404 x\r\nx-ms-error-code: {code}\r\nContent-Type: application/xml\r\nContent-Length: {error.Length}\r\n\r\n{error}");
        ForeignStore.KnowKeys();
        await using var server = await CacheServer.StartAsync(configure: options => options with
        {
            Store = CacheStoreUrl.Parse(kind == "s3" ? $"s3://cache?endpoint={store.Address}&region=eu-west-1" : $"azure://account/cache?endpoint={store.Address}account", out _),
            StoreKey = new byte[32],
        });
        var machine = await server.MachineAsync();
        await server.SaveAsync(machine, "k", Content);
        isWhole = false;

        var entry = (await server.Server.Database.QueryAsync($"select blob, workspace from cache_entries", static row => (Blob: row.GetString(0), Workspace: row.GetString(1)))).Single();
        var url = server.Server.Services.GetRequiredService<BlobUrls>().Sign(server.Url, entry.Workspace, entry.Blob, BlobPermission.Read);
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => server.Client.GetByteArrayAsync(new Uri(url)));

        Assert.Equal(isObject ? "damaged" : "ready", (await server.Server.GetAsync("/v1/workspaces/acme/cache/entries")).Json.GetProperty("items")[0].GetProperty("state").GetString());
    }

    private static async Task ShowAsync(string how, int status, int said, int sent, Type? outcome, Func<Uri, TimeProvider, ObjectStore> open)
    {
        var time = new ManualTime();
        await using var store = new RawUpstream(async connection =>
        {
            await connection.ReadHeadAsync();
            var bytes = CacheServer.Random(3001, how == "other bytes" ? 2 : 1);
            if (status > 0) await connection.WriteAsync($"HTTP/1.1 {status} x\r\nx-ms-error-code: {how}\r\nContent-Length: {said}\r\n\r\n{Encoding.Latin1.GetString(bytes, 0, sent)}");
            if (how.StartsWith("silent", StringComparison.Ordinal)) await connection.ReadHeadAsync();
        });
        var digests = SHA256.HashData(Content);
        using var blobs = new ObjectBlobs(open(store.Address, time), "", isDirect: false, time, NullLogger<ObjectBlobs>.Instance);
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 0));

        var copying = blobs.CopyAsync("blob", [new Extent(0, "segment", Content.Length, digests, [])], new ByteRange(0, Content.Length - 1), Key, pipe.Writer, TestContext.Current.CancellationToken);
        await Eventually.HoldsAsync(
            () =>
            {
                if (how.StartsWith("silent", StringComparison.Ordinal)) time.Advance(TimeSpan.FromSeconds(31));
                return Task.FromResult(copying.IsCompleted);
            },
            "an end of it");

        var failure = await Record.ExceptionAsync(() => copying);
        Assert.Equal(outcome, failure?.GetType());
        await pipe.Writer.CompleteAsync();
        Assert.Equal(outcome is null ? Content : [], await ReadAsync(pipe.Reader));
    }

    private static async Task<byte[]> ReadAsync(PipeReader reader)
    {
        using var content = new MemoryStream();
        await reader.CopyToAsync(content);
        return content.ToArray();
    }

    private static Task<CacheServer> ServerAsync(ForeignStore store, TimeProvider? time = null) =>
        CacheServer.StartAsync(time: time, configure: options => options with { Store = store.Url, StoreKey = store.Key });
}
