using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Cache;

/// <summary>The black-box list that any server of this protocol can be held to, point by point, against the real program: what is saved, and who finds it.</summary>
[Needs("npm")]
public sealed class ConformanceTests(CacheInstallation cache) : ConformanceTestBase(cache)
{
    [Fact]
    [Line("4.3")]
    public async Task Point_1_a_miss_then_a_save_then_an_exact_hit_of_identical_bytes_at_every_size_from_nothing_to_a_GiB()
    {
        var (_, token) = await Cache.MachineAsync("demo/one");
        Assert.Null(await Cache.FindAsync(token, "k"));
        foreach (var size in (int[])[0, 1024, 129 << 20])
            Assert.Equal((size, $"size-{size}"), await ClientAsync(token, Cache.Url, $"size-{size}", size));
        Assert.Equal((33 << 20, "chunks"), await ClientAsync(token, Cache.Url, "chunks", 33 << 20, second: false));

        // A GiB as the client uploads it, in blocks of 64 MiB, several at once and in any order; each says which it is.
        var block = RandomNumberGenerator.GetBytes(64 << 20);
        var url = (await Cache.ReserveAsync(token, "gib")).Url;
        var ids = Enumerable.Range(0, 16).Select(static i => $"{i}").ToArray();
        await Parallel.ForEachAsync(ids.Reverse(), new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (id, _) => Assert.Equal(HttpStatusCode.Created, await Cache.PutBlockAsync(url, id, Numbered(block, byte.Parse(id, CultureInfo.InvariantCulture)))));
        Assert.Equal(HttpStatusCode.Created, await Cache.PutListAsync(url, ids));
        Assert.True((await Cache.FinaliseAsync(token, "gib", 1L << 30)).Json.GetProperty("ok").GetBoolean());
        await using var body = await Cache.Http.GetStreamAsync(new Uri((await Cache.LookUpAsync(token, "gib")).Url));
        var got = new byte[block.Length];
        for (var i = 0; i < ids.Length; i++)
        {
            await body.ReadExactlyAsync(got);
            Assert.Equal((i, true), (got[0], got.AsSpan(1).SequenceEqual(block.AsSpan(1))));
        }

        Assert.Equal(0, await body.ReadAsync(got));
    }

    [Fact]
    [Line("4.5")]
    public async Task Point_2_prefixes_and_the_order_of_keys_the_newest_first_wildcards_as_signs_case_ignored_versions_and_repositories_apart()
    {
        var (_, token) = await Cache.MachineAsync("demo/two");
        var (_, foreign) = await Cache.MachineAsync("demo/two", workspace: "other");
        var (_, neighbour) = await Cache.MachineAsync("demo/two-more");
        var longest = new string('x', 512);
        foreach (var key in (string[])["linux-a", "linux-b", "a%b", "a_b", "a\\b", longest]) await Cache.SaveAsync(token, key);

        Assert.Equal("linux-b", await Cache.FindAsync(token, "linux-"));
        Assert.Equal("linux-a", await Cache.FindAsync(token, "none", "linux-a", "linux-b"));
        Assert.Equal("linux-b", await Cache.FindAsync(token, "LINUX-B"));
        foreach (var key in (string[])["a%", "a_", "a\\"]) Assert.Equal(key + "b", await Cache.FindAsync(token, key));
        Assert.Null(await Cache.FindAsync(token, "a%c"));
        Assert.Equal(longest, await Cache.FindAsync(token, longest, [.. Enumerable.Range(0, 9).Select(static i => $"r{i}")]));
        Assert.Equal(HttpStatusCode.BadRequest, (await Cache.LookUpAsync(token, "k", [.. Enumerable.Range(0, 10).Select(static i => $"r{i}")])).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await Cache.ReserveAsync(token, longest + "x")).Status);
        Assert.False((await Cache.LookUpAsync(token, "linux-a", version: "1")).Json.GetProperty("ok").GetBoolean());
        Assert.Null(await Cache.FindAsync(foreign, "linux-a"));
        Assert.Null(await Cache.FindAsync(neighbour, "linux-a"));
    }

    [Fact]
    [Line("4.5")]
    [Line("4.9")]
    public async Task Point_3_scopes_of_pull_requests_tags_and_modes_and_one_clear_401_for_a_dead_machine()
    {
        var (_, main) = await Cache.MachineAsync("demo/three");
        var (_, pull) = await Cache.MachineAsync("demo/three", "refs/pull/7/merge", ""","baseRef":"refs/heads/dev","defaultRef":"refs/heads/main" """);
        var (_, sibling) = await Cache.MachineAsync("demo/three", "refs/pull/8/merge", ""","defaultRef":"refs/heads/main" """);
        var (_, tag) = await Cache.MachineAsync("demo/three", "refs/tags/v1", ""","defaultRef":"refs/heads/main" """);
        var (_, dev) = await Cache.MachineAsync("demo/three", "refs/heads/dev");
        await Cache.SaveAsync(main, "of-main");
        await Cache.SaveAsync(dev, "of-dev");
        await Cache.SaveAsync(pull, "of-pull");

        foreach (var token in (string[])[pull, sibling, tag]) Assert.Equal("of-main", await Cache.FindAsync(token, "of-main"));
        foreach (var token in (string[])[main, dev, sibling, tag]) Assert.Null(await Cache.FindAsync(token, "of-pull"));
        Assert.Equal("of-dev", await Cache.FindAsync(pull, "of-dev"));
        foreach (var token in (string[])[main, sibling, tag]) Assert.Null(await Cache.FindAsync(token, "of-dev"));
        var (_, reader) = await Cache.MachineAsync("demo/three", more: ""","cacheMode":"read" """);
        Assert.StartsWith("cache write denied:", (await Cache.ReserveAsync(reader, "x")).Json.GetProperty("message").GetString(), StringComparison.Ordinal);
        var (_, writer) = await Cache.MachineAsync("demo/three", more: ""","cacheMode":"write-only" """);
        var denied = await Cache.LookUpAsync(writer, "of-main");
        Assert.Equal((HttpStatusCode.Forbidden, "permission_denied"), (denied.Status, denied.Code));
        Assert.StartsWith("cache read denied:", denied.Json.GetProperty("msg").GetString(), StringComparison.Ordinal);
        await Cache.SaveAsync(writer, "of-writer");
        Assert.Equal("of-writer", await Cache.FindAsync(main, "of-writer"));
        var (_, blind) = await Cache.MachineAsync("demo/three", more: ""","cacheMode":"none" """);
        Assert.Equal(HttpStatusCode.Forbidden, (await Cache.LookUpAsync(blind, "of-main")).Status);
        Assert.False((await Cache.ReserveAsync(blind, "x")).Json.GetProperty("ok").GetBoolean());

        var (id, dead) = await Cache.MachineAsync("demo/three");
        await Cache.EndAsync(id);
        foreach (var answer in (CacheAnswer[])[await Cache.LookUpAsync(dead, "k"), await Cache.ReserveAsync(dead, "k"), await Cache.FinaliseAsync(dead, "k", 1)])
            Assert.Equal((HttpStatusCode.Unauthorized, "unauthenticated"), (answer.Status, answer.Code));
    }

    [Fact]
    [Line("4.5")]
    public async Task Point_4_one_of_twenty_gets_a_key_its_own_again_and_nobody_else_does()
    {
        var machines = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Cache.MachineAsync("demo/four")));

        var answers = await Task.WhenAll(machines.Select(machine => Cache.ReserveAsync(machine.Token, "race")));

        var winner = Assert.Single(machines.Zip(answers), static pair => pair.Second.Status == HttpStatusCode.OK);
        Assert.All(answers.Where(static answer => answer.Status != HttpStatusCode.OK), static answer => Assert.Equal((HttpStatusCode.Conflict, "already_exists"), (answer.Status, answer.Code)));
        var again = await Cache.ReserveAsync(winner.First.Token, "race");
        Assert.Equal(new Uri(winner.Second.Url).AbsolutePath, new Uri(again.Url).AbsolutePath);
        Assert.Equal(HttpStatusCode.Created, await Cache.PutAsync(again.Url, [1]));
        Assert.True((await Cache.FinaliseAsync(winner.First.Token, "race", 1)).Json.GetProperty("ok").GetBoolean());
        Assert.Equal("already_exists", (await Cache.ReserveAsync(winner.First.Token, "race")).Code);
    }

    [Fact]
    [Line("4.5")]
    public async Task Point_7_a_blob_that_is_removed_behind_the_server_is_a_miss()
    {
        var (_, token) = await Cache.MachineAsync("demo/seven");
        await Cache.SaveAsync(token, "k", RandomNumberGenerator.GetBytes(777_777));
        File.Delete(Directory.GetFiles(Path.Combine(Cache.Installation.DataFolder, "cache"), "*", SearchOption.AllDirectories).Single(static file => new FileInfo(file).Length == 777_777));

        Assert.Null(await Cache.FindAsync(token, "k"));
        await Cache.SaveAsync(token, "k");
        Assert.Equal("k", await Cache.FindAsync(token, "k"));
    }

    [Fact]
    [Line("4.7")]
    public async Task Point_11_fifty_restores_at_once_are_whole_while_their_entry_is_evicted()
    {
        var (_, token) = await Cache.MachineAsync("demo/eleven");
        var bytes = RandomNumberGenerator.GetBytes(3 << 20);
        await Cache.SaveAsync(token, "k", bytes);
        var url = (await Cache.LookUpAsync(token, "k")).Url;

        var readers = Enumerable.Range(0, 50).Select(_ => Cache.Http.GetAsync(new Uri(url), HttpCompletionOption.ResponseHeadersRead)).ToArray();
        var begun = await Task.WhenAll(readers);

        // Over its quota the repository gives up what nobody reads, and the entry that is being read is deleted by hand.
        await Cache.SaveAsync(token, "unread", new byte[1000]);
        await Cache.AdminAsync(HttpMethod.Put, "settings", """{"repositories":{"demo/eleven":2000}}""");
        await Cache.SaveAsync(token, "last", new byte[1000]);
        await Eventually.HoldsAsync(async () => (await Cache.AdminAsync(HttpMethod.Get, "entries?repository=demo/eleven&key=unread")).GetProperty("items").GetArrayLength() == 0, "what nobody reads is evicted");
        Assert.Equal("k", await Cache.FindAsync(token, "k"));
        var entry = (await Cache.AdminAsync(HttpMethod.Get, "entries?repository=demo/eleven&key=k")).GetProperty("items")[0].GetProperty("id").GetString();
        await Cache.AdminAsync(HttpMethod.Delete, $"entries/{entry}");

        Assert.Null(await Cache.FindAsync(token, "k"));
        var whole = await Task.WhenAll(begun.Select(static response => response.Content.ReadAsByteArrayAsync()));
        Assert.All(whole, got => Assert.True(got.AsSpan().SequenceEqual(bytes)));
    }

    private static byte[] Numbered(byte[] block, byte number)
    {
        var numbered = block.ToArray();
        numbered[0] = number;
        return numbered;
    }
}
