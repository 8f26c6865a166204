using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Cache;

/// <summary>The same list's points about what stands on the wire: blocks, ranges, URLs, errors.</summary>
[Needs("npm")]
public sealed class WireConformanceTests(CacheInstallation cache) : ConformanceTestBase(cache)
{
    [Fact]
    [Line("4.3")]
    [Line("4.4")]
    public async Task Point_5_finalising_wants_the_size_the_blocks_and_the_machine_and_may_be_repeated()
    {
        var (_, token) = await Cache.MachineAsync("demo/five");
        var (_, other) = await Cache.MachineAsync("demo/five");
        var url = (await Cache.ReserveAsync(token, "k")).Url;

        Assert.False(IsOk(await Cache.FinaliseAsync(token, "k", 0)));
        Assert.Equal(HttpStatusCode.BadRequest, await Cache.PutListAsync(url, "never"));
        foreach (var (id, text) in ((string, string)[])[("1", "wrong"), ("2", "b"), ("1", "a"), ("unused", "zzz")]) Assert.Equal(HttpStatusCode.Created, await Cache.PutBlockAsync(url, id, Encoding.ASCII.GetBytes(text)));
        Assert.Equal(HttpStatusCode.Created, await Cache.PutListAsync(url, "2", "1", "2"));
        Assert.False(IsOk(await Cache.FinaliseAsync(token, "k", 2)));
        Assert.NotEqual(HttpStatusCode.OK, (await Cache.FinaliseAsync(other, "k", 3)).Status);
        var done = await Cache.FinaliseAsync(token, "k", 3);
        Assert.True(IsOk(done));
        Assert.Equal(done.Json.GetRawText(), (await Cache.FinaliseAsync(token, "k", 3)).Json.GetRawText());
        Assert.Equal("bab", await Cache.Http.GetStringAsync(new Uri((await Cache.LookUpAsync(token, "k")).Url)));
    }

    [Fact]
    [Line("4.4")]
    public async Task Point_6_a_blobs_URL_is_for_one_thing_answers_ranges_and_a_reader_that_leaves_holds_nothing()
    {
        var (_, token) = await Cache.MachineAsync("demo/six");
        var bytes = RandomNumberGenerator.GetBytes(24 << 20);
        var upload = (await Cache.ReserveAsync(token, "k")).Url;
        await Cache.SaveAsync(token, "k", bytes);
        var url = (await Cache.LookUpAsync(token, "k")).Url;

        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(HttpMethod.Get, upload));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(HttpMethod.Put, url));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(HttpMethod.Get, url.Replace("sig=", "sig=A", StringComparison.Ordinal)));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(HttpMethod.Get, url.Replace("/cache/ws_", "/cache/ws_x", StringComparison.Ordinal)));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(HttpMethod.Get, url.Split('?')[0]));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(HttpMethod.Head, url + "&timeout=30&anything=x"));
        foreach (var header in (string[])["Range", "x-ms-range"])
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, url) { Headers = { { header, "bytes=1048570-1048580" }, { "x-ms-version", "2099-12-31" } } };
            using var part = await Cache.Http.SendAsync(request);
            Assert.Equal((HttpStatusCode.PartialContent, true), (part.StatusCode, part.Headers.ETag is not null));
            Assert.Equal(bytes[1_048_570..1_048_581], await part.Content.ReadAsByteArrayAsync());
        }

        using (var outside = new HttpRequestMessage(HttpMethod.Get, url) { Headers = { { "Range", "bytes=99999999-" } } })
        using (var answer = await Cache.Http.SendAsync(outside)) Assert.Equal(HttpStatusCode.RequestedRangeNotSatisfiable, answer.StatusCode);

        // It leaves in the middle; afterwards the entry can be taken away with its bytes. (Quarantined it is not held for URLs that were given out, but for a reader it is.)
        using (var leaving = await Cache.Http.GetAsync(new Uri(url), HttpCompletionOption.ResponseHeadersRead))
            await (await leaving.Content.ReadAsStreamAsync()).ReadExactlyAsync(new byte[1000]);
        await Cache.AdminAsync(HttpMethod.Post, "quarantine", """{"producer":{"repository":"demo/six"}}""");
        await Eventually.HoldsAsync(
            async () =>
            {
                await Cache.AdminAsync(HttpMethod.Post, "delete", """{"producer":{"repository":"demo/six"}}""");
                return Directory.GetFiles(Path.Combine(Cache.Installation.DataFolder, "cache"), "*", SearchOption.AllDirectories).All(static file => new FileInfo(file).Length != 24 << 20);
            },
            "no file of the entry");
        Assert.Null(await Cache.FindAsync(token, "k"));
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(HttpMethod.Get, url));
    }

    [Fact]
    [Line("4.3")]
    [Line("4.7")]
    public async Task Point_8_every_error_is_JSON_and_too_many_are_told_when_to_come_again()
    {
        var (_, token) = await Cache.MachineAsync("demo/eight");
        foreach (var (method, body) in ((string, object)[])[("Nothing", new { }), ("CreateCacheEntry", new { key = 1 }), ("CreateCacheEntry", new { }), ("GetCacheEntryDownloadURL", Array.Empty<int>())])
            Assert.NotNull((await Cache.TwirpAsync(token, method, body)).Code);
        foreach (var bearer in (string?[])[null, "nonsense", token])
        {
            foreach (var path in (string[])["twirp", "twirp/x", "twirp/github.actions.results.api.v1.ArtifactService/CreateArtifact", "runtime/cache/_apis/artifactcache/x", "runtime/cache/_apis/artifactcache/cache?keys=a"])
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, $"{Cache.Url}/{path}") { Content = new StringContent("{") };
                if (bearer is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", bearer);
                using var response = await Cache.Http.SendAsync(request);
                Assert.Equal((path, "application/json", true), (path, response.Content.Headers.ContentType?.MediaType, (int)response.StatusCode is >= 400 and < 500));
                Assert.Equal(JsonValueKind.Object, JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement.ValueKind);
            }
        }

        var answers = new List<CacheAnswer>();
        for (var i = 0; i < 205; i++) answers.Add(await Cache.ReserveAsync(token, $"fast-{i}"));
        Assert.Contains(answers, static answer => answer is { Status: HttpStatusCode.TooManyRequests, Code: "resource_exhausted", RetryAfter: not null });
    }

    [Theory]
    [Line("4.3")]
    [InlineData("127.0.0.1", "")]
    [InlineData("localhost", "")]
    [InlineData("cache.example", "")]
    [InlineData("127.0.0.1", "/a/prefix")]
    public async Task Point_9_URLs_work_with_an_address_a_name_and_a_dotted_name_in_both_protocols(string host, string prefix)
    {
        var (_, token) = await Cache.MachineAsync("demo/nine");
        var url = Cache.Url.Replace("127.0.0.1", host, StringComparison.Ordinal);

        // Of a prefix v2 keeps nothing; v1 has one of ours, and a slash at its end.
        Assert.Equal((1000, $"v2-{host}{prefix}"), await ClientAsync(token, url + prefix, $"v2-{host}{prefix}", 1000));
        Assert.Equal((1000, $"v1-{host}{prefix}"), await ClientAsync(token, url, $"v1-{host}{prefix}", 1000, second: false));
    }

    /// <summary>At the ports of storage emulators, 10000 to 10004 and others, the clients' SDK takes the first segment of a path for an account, whatever the host is called.</summary>
    [Theory]
    [Line("4.3")]
    [InlineData("127.0.0.1")]
    [InlineData("cache.example")]
    public async Task Point_9_URLs_work_at_an_emulators_port_too(string host)
    {
        var (_, token) = await Cache.MachineAsync("demo/nine");
        using var front = EmulatorPort.To(new Uri(Cache.Url));

        Assert.Equal((1000, $"port-{host}"), await ClientAsync(token, $"http://{host}:{front.Port}", $"port-{host}", 1000));
    }

    [Fact]
    [Line("4.3")]
    public async Task Point_10_BuildKits_pattern_of_blocks_numbers_and_ranges_is_served()
    {
        var (_, token) = await Cache.MachineAsync("demo/ten");
        var bytes = RandomNumberGenerator.GetBytes((7 << 20) + 11);
        var url = (await Cache.TwirpAsync(token, "CreateCacheEntry", new { key = "index-abc#1", version = "1" })).Url;
        var ids = new List<string>();
        foreach (var block in bytes.Chunk(1 << 20))
        {
            ids.Add($"{ids.Count}");
            Assert.Equal(HttpStatusCode.Created, await Cache.PutBlockAsync(url, ids[^1], block));
        }

        Assert.Equal(HttpStatusCode.Created, await Cache.PutListAsync(url, [.. ids]));
        Assert.True(IsOk(await Cache.TwirpAsync(token, "FinalizeCacheEntryUpload", new { key = "index-abc#1", version = "1", sizeBytes = bytes.Length })));
        var found = await Cache.TwirpAsync(token, "GetCacheEntryDownloadURL", new { key = "index-abc#", restoreKeys = (string[])["index-abc#"], version = "1" });
        using var request = new HttpRequestMessage(HttpMethod.Get, found.Url) { Headers = { { "x-ms-range", "bytes=1048577-" } } };
        using var response = await Cache.Http.SendAsync(request);
        Assert.Equal(bytes[1_048_577..], await response.Content.ReadAsByteArrayAsync());
        Assert.Equal(HttpStatusCode.Conflict, (await Cache.TwirpAsync(token, "CreateCacheEntry", new { key = "index-abc#1", version = "1" })).Status);
    }
}
