using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Lanyard.Testing;
using Lanyard.Testing.Processes;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Cache;

/// <summary>The black-box list that any server of this protocol can be held to, point by point, against the real program.</summary>
[Needs("npm")]
public sealed class ConformanceTests(CacheInstallation cache) : IClassFixture<CacheInstallation>
{
    private const string SaveAndRestore =
        """
        import { createRequire } from 'node:module';
        import * as dns from 'node:dns';
        import * as fs from 'node:fs';
        const real = dns.lookup;
        dns.default.lookup = (host, options, done) => host.endsWith('.example') ? (typeof options === 'function' ? options : done)(null, options.all ? [{ address: '127.0.0.1', family: 4 }] : '127.0.0.1', 4) : real(host, options, done);
        const cache = createRequire(import.meta.url)('actions-cache-5');
        process.chdir(process.env.GITHUB_WORKSPACE);
        fs.mkdirSync('d', { recursive: true });
        if (Number(process.env.SIZE) > 0) fs.writeFileSync('d/content', Buffer.alloc(Number(process.env.SIZE), 7));
        const saved = await cache.saveCache(['d'], process.env.KEY);
        fs.rmSync('d', { recursive: true });
        const found = await cache.restoreCache(['d'], process.env.KEY);
        const size = fs.existsSync('d/content') ? fs.statSync('d/content').size : fs.existsSync('d') ? 0 : -1;
        console.log('RESULT ' + JSON.stringify({ saved, found: found ?? null, size }));
        """;

    [Fact]
    [Line("4.3")]
    public async Task Point_1_a_miss_then_a_save_then_an_exact_hit_of_identical_bytes_at_every_size_from_nothing_to_a_GiB()
    {
        var (_, token) = await cache.MachineAsync("demo/one");
        Assert.Null(await cache.FindAsync(token, "k"));
        foreach (var size in (int[])[0, 129 << 20])
            Assert.Equal((size, $"size-{size}"), await ClientAsync(token, cache.Url, $"size-{size}", size));

        // A GiB as the client uploads it, in blocks of 64 MiB, several at once and in any order.
        var block = RandomNumberGenerator.GetBytes(64 << 20);
        var url = (await cache.ReserveAsync(token, "gib")).Url;
        var ids = Enumerable.Range(0, 16).Select(static i => $"{i}").ToArray();
        await Parallel.ForEachAsync(ids.Reverse(), new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (id, _) => Assert.Equal(HttpStatusCode.Created, await cache.PutBlockAsync(url, id, block)));
        Assert.Equal(HttpStatusCode.Created, await cache.PutListAsync(url, ids));
        Assert.True((await cache.FinaliseAsync(token, "gib", 1L << 30)).Json.GetProperty("ok").GetBoolean());
        await using var body = await cache.Http.GetStreamAsync(new Uri((await cache.LookUpAsync(token, "gib")).Url));
        var got = new byte[block.Length];
        for (var i = 0; i < ids.Length; i++)
        {
            await body.ReadExactlyAsync(got);
            Assert.True(got.AsSpan().SequenceEqual(block), $"block {i}");
        }

        Assert.Equal(0, await body.ReadAsync(got));
    }

    [Fact]
    [Line("4.5")]
    public async Task Point_2_prefixes_and_the_order_of_keys_the_newest_first_wildcards_as_signs_case_ignored_versions_and_repositories_apart()
    {
        var (_, token) = await cache.MachineAsync("demo/two");
        var (_, foreign) = await cache.MachineAsync("demo/two", workspace: "other");
        var longest = new string('x', 512);
        foreach (var key in (string[])["linux-a", "linux-b", "a%b", "a_b", "a\\b", longest]) await cache.SaveAsync(token, key);

        Assert.Equal("linux-b", await cache.FindAsync(token, "linux-"));
        Assert.Equal("linux-a", await cache.FindAsync(token, "none", "linux-a", "linux-b"));
        Assert.Equal("linux-b", await cache.FindAsync(token, "LINUX-B"));
        foreach (var key in (string[])["a%", "a_", "a\\"]) Assert.Equal(key + "b", await cache.FindAsync(token, key));
        Assert.Null(await cache.FindAsync(token, "a%c"));
        Assert.Equal(longest, await cache.FindAsync(token, longest, [.. Enumerable.Range(0, 9).Select(static i => $"r{i}")]));
        Assert.Equal(HttpStatusCode.BadRequest, (await cache.LookUpAsync(token, "k", [.. Enumerable.Range(0, 10).Select(static i => $"r{i}")])).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await cache.ReserveAsync(token, longest + "x")).Status);
        Assert.False((await cache.LookUpAsync(token, "linux-a", version: "1")).Json.GetProperty("ok").GetBoolean());
        Assert.Null(await cache.FindAsync(foreign, "linux-a"));
    }

    [Fact]
    [Line("4.5")]
    [Line("4.9")]
    public async Task Point_3_scopes_of_pull_requests_tags_and_modes_and_one_clear_401_for_a_dead_machine()
    {
        var (_, main) = await cache.MachineAsync("demo/three");
        var (_, pull) = await cache.MachineAsync("demo/three", "refs/pull/7/merge", ""","baseRef":"refs/heads/dev","defaultRef":"refs/heads/main" """);
        var (_, sibling) = await cache.MachineAsync("demo/three", "refs/pull/8/merge", ""","defaultRef":"refs/heads/main" """);
        var (_, tag) = await cache.MachineAsync("demo/three", "refs/tags/v1", ""","defaultRef":"refs/heads/main" """);
        await cache.SaveAsync(main, "of-main");
        await cache.SaveAsync(pull, "of-pull");

        foreach (var token in (string[])[pull, sibling, tag]) Assert.Equal("of-main", await cache.FindAsync(token, "of-main"));
        foreach (var token in (string[])[main, sibling, tag]) Assert.Null(await cache.FindAsync(token, "of-pull"));
        var (_, reader) = await cache.MachineAsync("demo/three", more: ""","cacheMode":"read" """);
        Assert.StartsWith("cache write denied:", (await cache.ReserveAsync(reader, "x")).Json.GetProperty("message").GetString(), StringComparison.Ordinal);
        var (_, writer) = await cache.MachineAsync("demo/three", more: ""","cacheMode":"write-only" """);
        var denied = await cache.LookUpAsync(writer, "of-main");
        Assert.Equal((HttpStatusCode.Forbidden, "permission_denied"), (denied.Status, denied.Code));
        Assert.StartsWith("cache read denied:", denied.Json.GetProperty("msg").GetString(), StringComparison.Ordinal);

        var (id, dead) = await cache.MachineAsync("demo/three");
        await cache.EndAsync(id);
        foreach (var answer in (CacheAnswer[])[await cache.LookUpAsync(dead, "k"), await cache.ReserveAsync(dead, "k"), await cache.FinaliseAsync(dead, "k", 1)])
            Assert.Equal((HttpStatusCode.Unauthorized, "unauthenticated"), (answer.Status, answer.Code));
    }

    [Fact]
    [Line("4.5")]
    public async Task Point_4_one_of_twenty_gets_a_key_its_own_again_and_nobody_else_does()
    {
        var machines = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => cache.MachineAsync("demo/four")));

        var answers = await Task.WhenAll(machines.Select(machine => cache.ReserveAsync(machine.Token, "race")));

        var winner = Assert.Single(machines.Zip(answers), static pair => pair.Second.Status == HttpStatusCode.OK);
        Assert.All(answers.Where(static answer => answer.Status != HttpStatusCode.OK), static answer => Assert.Equal((HttpStatusCode.Conflict, "already_exists"), (answer.Status, answer.Code)));
        var again = await cache.ReserveAsync(winner.First.Token, "race");
        Assert.Equal(new Uri(winner.Second.Url).AbsolutePath, new Uri(again.Url).AbsolutePath);
        Assert.Equal(HttpStatusCode.Created, await cache.PutAsync(again.Url, [1]));
        Assert.True((await cache.FinaliseAsync(winner.First.Token, "race", 1)).Json.GetProperty("ok").GetBoolean());
        Assert.Equal("already_exists", (await cache.ReserveAsync(winner.First.Token, "race")).Code);
    }

    [Fact]
    [Line("4.3")]
    [Line("4.4")]
    public async Task Point_5_finalising_wants_the_size_the_blocks_and_the_machine_and_may_be_repeated()
    {
        var (_, token) = await cache.MachineAsync("demo/five");
        var (_, other) = await cache.MachineAsync("demo/five");
        var url = (await cache.ReserveAsync(token, "k")).Url;

        Assert.False(IsOk(await cache.FinaliseAsync(token, "k", 0)));
        Assert.Equal(HttpStatusCode.BadRequest, await cache.PutListAsync(url, "never"));
        foreach (var (id, text) in ((string, string)[])[("1", "wrong"), ("2", "b"), ("1", "a"), ("unused", "zzz")]) Assert.Equal(HttpStatusCode.Created, await cache.PutBlockAsync(url, id, Encoding.ASCII.GetBytes(text)));
        Assert.Equal(HttpStatusCode.Created, await cache.PutListAsync(url, "2", "1", "2"));
        Assert.False(IsOk(await cache.FinaliseAsync(token, "k", 2)));
        Assert.NotEqual(HttpStatusCode.OK, (await cache.FinaliseAsync(other, "k", 3)).Status);
        var done = await cache.FinaliseAsync(token, "k", 3);
        Assert.True(IsOk(done));
        Assert.Equal(done.Json.GetRawText(), (await cache.FinaliseAsync(token, "k", 3)).Json.GetRawText());
        Assert.Equal("bab", await cache.Http.GetStringAsync(new Uri((await cache.LookUpAsync(token, "k")).Url)));
    }

    [Fact]
    [Line("4.4")]
    public async Task Point_6_a_blobs_URL_is_for_one_thing_answers_ranges_and_a_reader_that_leaves_holds_nothing()
    {
        var (_, token) = await cache.MachineAsync("demo/six");
        var bytes = RandomNumberGenerator.GetBytes(24 << 20);
        var upload = (await cache.ReserveAsync(token, "k")).Url;
        await cache.SaveAsync(token, "k", bytes);
        var url = (await cache.LookUpAsync(token, "k")).Url;

        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(HttpMethod.Get, upload));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(HttpMethod.Put, url));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(HttpMethod.Get, url.Replace("sig=", "sig=A", StringComparison.Ordinal)));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(HttpMethod.Get, url.Replace("/cache/ws_", "/cache/ws_x", StringComparison.Ordinal)));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(HttpMethod.Get, url.Split('?')[0]));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(HttpMethod.Head, url + "&timeout=30&anything=x"));
        foreach (var header in (string[])["Range", "x-ms-range"])
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, url) { Headers = { { header, "bytes=1048570-1048580" }, { "x-ms-version", "2099-12-31" } } };
            using var part = await cache.Http.SendAsync(request);
            Assert.Equal((HttpStatusCode.PartialContent, true), (part.StatusCode, part.Headers.ETag is not null));
            Assert.Equal(bytes[1_048_570..1_048_581], await part.Content.ReadAsByteArrayAsync());
        }

        using (var outside = new HttpRequestMessage(HttpMethod.Get, url) { Headers = { { "Range", "bytes=99999999-" } } })
        using (var answer = await cache.Http.SendAsync(outside)) Assert.Equal(HttpStatusCode.RequestedRangeNotSatisfiable, answer.StatusCode);

        // It leaves in the middle; afterwards the entry can be deleted with its bytes.
        using (var leaving = await cache.Http.GetAsync(new Uri(url), HttpCompletionOption.ResponseHeadersRead))
            await (await leaving.Content.ReadAsStreamAsync()).ReadExactlyAsync(new byte[1000]);
        var entry = (await cache.AdminAsync(HttpMethod.Get, "entries?repository=demo/six")).GetProperty("items")[0].GetProperty("id").GetString();
        await cache.AdminAsync(HttpMethod.Delete, $"entries/{entry}");
        Assert.Null(await cache.FindAsync(token, "k"));
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(HttpMethod.Get, url));
    }

    [Fact]
    [Line("4.5")]
    public async Task Point_7_a_blob_that_is_removed_behind_the_server_is_a_miss()
    {
        var (_, token) = await cache.MachineAsync("demo/seven");
        await cache.SaveAsync(token, "k", RandomNumberGenerator.GetBytes(777_777));
        File.Delete(Directory.GetFiles(Path.Combine(cache.Installation.DataFolder, "cache"), "*", SearchOption.AllDirectories).Single(static file => new FileInfo(file).Length == 777_777));

        Assert.Null(await cache.FindAsync(token, "k"));
        await cache.SaveAsync(token, "k");
        Assert.Equal("k", await cache.FindAsync(token, "k"));
    }

    [Fact]
    [Line("4.3")]
    [Line("4.7")]
    public async Task Point_8_every_error_is_JSON_and_too_many_are_told_when_to_come_again()
    {
        var (_, token) = await cache.MachineAsync("demo/eight");
        foreach (var (method, body) in ((string, object)[])[("Nothing", new { }), ("CreateCacheEntry", new { key = 1 }), ("CreateCacheEntry", new { }), ("GetCacheEntryDownloadURL", Array.Empty<int>())])
            Assert.NotNull((await cache.TwirpAsync(token, method, body)).Code);
        foreach (var path in (string[])["twirp", "twirp/x", "twirp/github.actions.results.api.v1.ArtifactService/CreateArtifact", "twirp/%2e%2e/x"])
        {
            using var response = await cache.Http.PostAsync(new Uri($"{cache.Url}/{path}"), new StringContent("{}"));
            Assert.DoesNotContain("html", response.Content.Headers.ContentType?.MediaType ?? "", StringComparison.Ordinal);
        }

        var answers = new List<CacheAnswer>();
        for (var i = 0; i < 205; i++) answers.Add(await cache.ReserveAsync(token, $"fast-{i}"));
        Assert.Contains(answers, static answer => answer is { Status: HttpStatusCode.TooManyRequests, Code: "resource_exhausted", RetryAfter: not null });
    }

    [Theory]
    [Line("4.3")]
    [InlineData("127.0.0.1")]
    [InlineData("localhost")]
    [InlineData("cache.example")]
    public async Task Point_9_URLs_work_with_an_address_a_name_and_a_dotted_name_in_both_protocols(string host)
    {
        var (_, token) = await cache.MachineAsync("demo/nine");
        var url = cache.Url.Replace("127.0.0.1", host, StringComparison.Ordinal);

        Assert.Equal((1000, $"v2-{host}"), await ClientAsync(token, url, $"v2-{host}", 1000));
        Assert.Equal((1000, $"v1-{host}"), await ClientAsync(token, url, $"v1-{host}", 1000, second: false));
    }

    [Fact]
    [Line("4.3")]
    public async Task Point_10_BuildKits_pattern_of_blocks_numbers_and_ranges_is_served()
    {
        var (_, token) = await cache.MachineAsync("demo/ten");
        var bytes = RandomNumberGenerator.GetBytes((7 << 20) + 11);
        var url = (await cache.TwirpAsync(token, "CreateCacheEntry", new { key = "index-abc#1", version = "1" })).Url;
        var ids = new List<string>();
        foreach (var block in bytes.Chunk(1 << 20))
        {
            ids.Add($"{ids.Count}");
            Assert.Equal(HttpStatusCode.Created, await cache.PutBlockAsync(url, ids[^1], block));
        }

        Assert.Equal(HttpStatusCode.Created, await cache.PutListAsync(url, [.. ids]));
        Assert.True(IsOk(await cache.TwirpAsync(token, "FinalizeCacheEntryUpload", new { key = "index-abc#1", version = "1", sizeBytes = bytes.Length })));
        var found = await cache.TwirpAsync(token, "GetCacheEntryDownloadURL", new { key = "index-abc#", restoreKeys = (string[])["index-abc#"], version = "1" });
        using var request = new HttpRequestMessage(HttpMethod.Get, found.Url) { Headers = { { "x-ms-range", "bytes=1048577-" } } };
        using var response = await cache.Http.SendAsync(request);
        Assert.Equal(bytes[1_048_577..], await response.Content.ReadAsByteArrayAsync());
        Assert.Equal(HttpStatusCode.Conflict, (await cache.TwirpAsync(token, "CreateCacheEntry", new { key = "index-abc#1", version = "1" })).Status);
    }

    [Fact]
    [Line("4.7")]
    public async Task Point_11_fifty_restores_at_once_are_whole_while_their_entry_is_evicted()
    {
        var (_, token) = await cache.MachineAsync("demo/eleven");
        var bytes = RandomNumberGenerator.GetBytes(3 << 20);
        await cache.SaveAsync(token, "k", bytes);
        var url = (await cache.LookUpAsync(token, "k")).Url;

        var readers = Enumerable.Range(0, 50).Select(_ => cache.Http.GetAsync(new Uri(url), HttpCompletionOption.ResponseHeadersRead)).ToArray();
        var begun = await Task.WhenAll(readers);
        var entry = (await cache.AdminAsync(HttpMethod.Get, "entries?repository=demo/eleven")).GetProperty("items")[0].GetProperty("id").GetString();
        await cache.AdminAsync(HttpMethod.Delete, $"entries/{entry}");

        Assert.Null(await cache.FindAsync(token, "k"));
        var whole = await Task.WhenAll(begun.Select(static response => response.Content.ReadAsByteArrayAsync()));
        Assert.All(whole, got => Assert.True(got.AsSpan().SequenceEqual(bytes)));
    }

    private static bool IsOk(CacheAnswer answer) => answer.Json.TryGetProperty("ok", out var ok) && ok.GetBoolean();

    private async Task<HttpStatusCode> StatusAsync(HttpMethod method, string url)
    {
        using var request = new HttpRequestMessage(method, url);
        if (method == HttpMethod.Put) request.Content = new ByteArrayContent([1]);
        using var response = await cache.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        return response.StatusCode;
    }

    /// <returns>Size of what was restored, and the key found.</returns>
    private async Task<(int Size, string? Key)> ClientAsync(string token, string url, string key, int size, bool second = true)
    {
        var scratch = Directory.CreateTempSubdirectory("lanyard-conformance-");
        try
        {
            var environment = new Dictionary<string, string?>
            {
                ["ACTIONS_RUNTIME_TOKEN"] = token,
                ["ACTIONS_RESULTS_URL"] = url + "/",
                ["ACTIONS_CACHE_URL"] = url + "/runtime/cache/",
                ["ACTIONS_CACHE_SERVICE_V2"] = second ? "true" : null,
                ["GITHUB_SERVER_URL"] = null,
                ["GITHUB_WORKSPACE"] = scratch.FullName,
                ["RUNNER_TEMP"] = scratch.CreateSubdirectory("temp").FullName,
                ["KEY"] = key,
                ["SIZE"] = size.ToString(System.Globalization.CultureInfo.InvariantCulture),
            };
            var output = (await NodeScript.RunAsync(SaveAndRestore, environment: environment, deadline: TimeSpan.FromMinutes(3))).Succeeded();
            var said = JsonDocument.Parse(output.Split('\n').Single(static line => line.StartsWith("RESULT ", StringComparison.Ordinal))[7..]).RootElement;
            Assert.True(said.GetProperty("saved").GetInt64() > 0, output);
            return (said.GetProperty("size").GetInt32(), said.GetProperty("found").GetString());
        }
        finally
        {
            scratch.Delete(recursive: true);
        }
    }
}
