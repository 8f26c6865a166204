using System.Net;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

[Line("4.3")]
public sealed class SqliteCacheV1Tests() : CacheV1Tests(DatabaseKind.Sqlite);

[Line("4.3")]
[Needs("postgres")]
public sealed class PostgresCacheV1Tests() : CacheV1Tests(DatabaseKind.Postgres);

/// <summary>Protocol v1 on the wire, in the words that its clients read.</summary>
public abstract class CacheV1Tests(DatabaseKind kind) : CacheWireTests(kind)
{
    [Fact]
    public async Task The_chunks_of_v1_make_the_entry_in_whatever_order_they_come_and_twice_if_need_be()
    {
        var machine = await Cache.MachineAsync();
        var content = CacheServer.Random(2_500_000);
        var id = await ReserveV1Async(machine, "k", content.Length);

        foreach (var (from, to) in ((int, int)[])[(2_000_000, 2_500_000), (0, 1_000_000), (1_000_000, 2_000_000), (0, 1_000_000)])
            Assert.Equal(HttpStatusCode.NoContent, await ChunkAsync(machine, id, from, content[from..to]));
        var commit = await Cache.Server.SendAsync(HttpMethod.Post, $"{V1}caches/{id}", machine, $$"""{"size":{{content.Length}}}""");
        var found = await Cache.Server.GetAsync($"{V1}cache?keys=k&version=v", machine);

        Assert.Equal(HttpStatusCode.NoContent, commit.Status);
        Assert.Equal(("k", "refs/heads/main"), (found.Json.GetProperty("cacheKey").GetString(), found.Json.GetProperty("scope").GetString()));
        Assert.Equal(content, await Cache.Client.GetByteArrayAsync(found.Json.GetProperty("archiveLocation").GetString()));
    }

    [Fact]
    public async Task V1_says_no_with_204_409_and_400_as_its_client_expects()
    {
        var machine = await Cache.MachineAsync();
        var id = await ReserveV1Async(machine, "k", 10);
        await ChunkAsync(machine, id, 4, new byte[6]);

        var gap = await Cache.Server.SendAsync(HttpMethod.Post, $"{V1}caches/{id}", machine, """{"size":10}""");
        var miss = await Cache.Server.GetAsync($"{V1}cache?keys=k&version=v", machine);
        await ChunkAsync(machine, id, 0, new byte[4]);
        var good = await Cache.Server.SendAsync(HttpMethod.Post, $"{V1}caches/{id}", machine, """{"size":10}""");
        var duplicate = await Cache.Server.SendAsync(HttpMethod.Post, $"{V1}caches", machine, """{"key":"k","version":"v","cacheSize":10}""");
        var large = await Cache.Server.SendAsync(HttpMethod.Post, $"{V1}caches", machine, """{"key":"l","version":"v","cacheSize":99999999999}""");

        Assert.Equal(HttpStatusCode.BadRequest, gap.Status);
        Assert.Equal(HttpStatusCode.NoContent, miss.Status);
        Assert.Equal(HttpStatusCode.NoContent, good.Status);
        Assert.Equal(HttpStatusCode.Conflict, duplicate.Status);
        Assert.Contains("AlreadyExists", duplicate.Json.GetProperty("typeKey").GetString(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.BadRequest, large.Status);
        Assert.Equal(HttpStatusCode.NotFound, (await Cache.Server.GetAsync($"{V1}nothing", machine)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await Cache.Server.GetAsync($"{V1}cache?keys=k&version=v", null)).Status);
    }

    [Theory]
    [InlineData("-1")]
    [InlineData("9")]
    [InlineData("11")]
    [InlineData("9223372036854775807")]
    [InlineData("99999999999999999999")]
    [InlineData("1e400")]
    [InlineData("\"ten\"")]
    [InlineData("null")]
    public async Task A_size_that_is_not_that_of_the_chunks_makes_no_cache_and_a_400_in_json(string size)
    {
        var machine = await Cache.MachineAsync();
        var id = await ReserveV1Async(machine, "k", 10);
        Assert.Equal(HttpStatusCode.NoContent, await ChunkAsync(machine, id, 0, new byte[10]));

        var answer = await Cache.Server.SendAsync(HttpMethod.Post, $"{V1}caches/{id}", machine, $$"""{"size":{{size}}}""");

        Assert.Equal((HttpStatusCode.BadRequest, "application/json"), (answer.Status, answer.MediaType));
        Assert.Equal(HttpStatusCode.NoContent, (await Cache.Server.GetAsync($"{V1}cache?keys=k&version=v", machine)).Status);
        if (size is not ("9" or "11" or "null")) Assert.Equal(HttpStatusCode.BadRequest, (await Cache.Server.SendAsync(HttpMethod.Post, $"{V1}caches", machine, $$"""{"key":"l","version":"v","cacheSize":{{size}}}""")).Status);
    }

    [Fact]
    public async Task V1_lists_what_there_is_of_a_key_in_other_versions_and_in_no_scope_that_may_not_be_read()
    {
        var main = await Cache.MachineAsync();
        var pull = await Cache.MachineAsync(gitRef: "refs/pull/7/merge", more: ""","defaultRef":"refs/heads/main" """);
        foreach (var version in (string[])["v3", "v1", "v2"]) await Cache.SaveAsync(main, "Key", [1], version);
        await Cache.SaveAsync(main, "key-2", [1], "v4");
        await Cache.SaveAsync(pull, "key", [1], "v5");
        await Cache.ReserveAsync(main, "key", "pending");

        Assert.Equal(["Key refs/heads/main v1", "Key refs/heads/main v2", "Key refs/heads/main v3"], await ListAsync(main));
        Assert.Equal(["Key refs/heads/main v1", "Key refs/heads/main v2", "Key refs/heads/main v3", "key refs/pull/7/merge v5"], await ListAsync(pull));
        Assert.Empty(await ListAsync(await Cache.MachineAsync("demo/other")));
        Assert.Equal(HttpStatusCode.BadRequest, (await Cache.Server.GetAsync($"{V1}caches?key=a,b", main)).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await Cache.Server.GetAsync($"{V1}caches?key=key", await Cache.MachineAsync(more: ""","cacheMode":"write-only" """))).Status);

        async Task<List<string>> ListAsync(string machine)
        {
            var answer = await Cache.Server.GetAsync($"{V1}caches?key=KEY", machine);
            Assert.True(answer.Status == HttpStatusCode.OK, answer.Body);
            var caches = answer.Json.GetProperty("artifactCaches").EnumerateArray()
                .Select(static entry => $"{entry.GetProperty("cacheKey")} {entry.GetProperty("scope")} {entry.GetProperty("cacheVersion")}").Order(StringComparer.Ordinal).ToList();
            Assert.Equal(caches.Count, answer.Json.GetProperty("totalCount").GetInt32());
            return caches;
        }
    }

    [Fact]
    [Line("4.9")]
    public async Task A_reservation_of_v1_is_its_own_machine_s_alone()
    {
        var machine = await Cache.MachineAsync();
        var sibling = await Cache.MachineAsync();
        var foreign = await Cache.MachineAsync("demo/other");
        var id = await ReserveV1Async(machine, "k", 10);

        foreach (var stranger in (string[])[sibling, foreign])
        {
            Assert.Equal(HttpStatusCode.NotFound, await ChunkAsync(stranger, id, 0, new byte[10]));
            Assert.Equal(HttpStatusCode.NotFound, (await Cache.Server.SendAsync(HttpMethod.Post, $"{V1}caches/{id}", stranger, """{"size":10}""")).Status);
        }

        Assert.Equal(HttpStatusCode.NotFound, await ChunkAsync(machine, "123", 0, new byte[10]));
        Assert.Equal(HttpStatusCode.NotFound, await ChunkAsync(machine, "-1", 0, new byte[10]));
    }
}
