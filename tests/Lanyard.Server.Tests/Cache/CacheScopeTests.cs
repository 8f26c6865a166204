using System.Net;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

[Line("4.5")]
public sealed class SqliteCacheScopeTests() : CacheScopeTests(DatabaseKind.Sqlite);

[Line("4.5")]
[Needs("postgres")]
public sealed class PostgresCacheScopeTests() : CacheScopeTests(DatabaseKind.Postgres);

/// <summary>Who finds and writes what: the walls, modes, reservations, immutability.</summary>
public abstract class CacheScopeTests(DatabaseKind kind) : ScopedCacheTests(kind)
{
    [Fact]
    public async Task A_pull_request_reads_its_base_and_the_default_branch_and_writes_to_itself_only()
    {
        var main = await Cache.MachineAsync();
        var release = await Cache.MachineAsync(gitRef: "refs/heads/release");
        var pull = await Cache.MachineAsync(gitRef: "refs/pull/7/merge", more: ""","baseRef":"refs/heads/release","defaultRef":"refs/heads/main" """);
        var otherPull = await Cache.MachineAsync(gitRef: "refs/pull/8/merge", more: Default);
        await Cache.SaveAsync(main, "main-1");
        await Cache.SaveAsync(release, "release-1");

        await Cache.SaveAsync(pull, "main-2");

        Assert.Equal("main-1", await Cache.FindAsync(pull, "main-1"));
        Assert.Equal("release-1", await Cache.FindAsync(pull, "release-"));
        Assert.Equal("main-1", await Cache.FindAsync(main, "main-"));
        Assert.Equal("main-1", await Cache.FindAsync(otherPull, "main-"));
        Assert.Null(await Cache.FindAsync(otherPull, "release-"));
    }

    [Fact]
    [Line("4.9")]
    public async Task Another_repository_and_another_workspace_find_nothing_and_take_nothing_away()
    {
        await Cache.Server.MakeWorkspaceAsync("other");
        var machine = await Cache.MachineAsync();
        var repository = await Cache.MachineAsync("demo/application");
        var workspace = await Cache.MachineAsync(workspace: "other");
        await Cache.SaveAsync(machine, "k");

        Assert.Null(await Cache.FindAsync(repository, "k"));
        Assert.Null(await Cache.FindAsync(workspace, "k"));
        await Cache.SaveAsync(repository, "k");
        await Cache.SaveAsync(workspace, "k");
        Assert.Equal(HttpStatusCode.NotFound, (await Cache.FinalizeAsync(repository, "z", 1)).Status);
    }

    [Theory]
    [InlineData("read", true, false)]
    [InlineData("write-only", false, true)]
    [InlineData("none", false, false)]
    [InlineData("write", true, true)]
    public async Task A_mode_takes_away_and_says_so_in_the_words_that_clients_show(string mode, bool reads, bool writes)
    {
        var full = await Cache.MachineAsync();
        await Cache.SaveAsync(full, "k");
        var machine = await Cache.MachineAsync(more: $$""","cacheMode":"{{mode}}" """);

        var read = await Cache.LookUpAsync(machine, "k");
        var write = await CreateAsync(machine, "new");

        if (reads) Assert.True(read.Json.GetProperty("ok").GetBoolean());
        else Assert.Equal((HttpStatusCode.Forbidden, true), (read.Status, read.Json.GetProperty("msg").GetString()!.StartsWith("cache read denied:", StringComparison.Ordinal)));
        Assert.Equal((HttpStatusCode.OK, writes), (write.Status, write.Json.GetProperty("ok").GetBoolean()));
        if (!writes) Assert.StartsWith("cache write denied:", write.Json.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("none", "none", "none", "none", "none")]
    [InlineData("read", "none", "read", "none", "read")]
    [InlineData("write-only", "none", "none", "write-only", "write-only")]
    [InlineData("write", "none", "read", "write-only", "write")]
    public async Task A_mode_and_the_bits_of_a_scope_leave_what_both_allow(string mode, params string[] left)
    {
        var scopes = string.Join(',', ((string[])["none", "read", "write-only", "write"]).Select(static permission => $$"""{"scope":"of-{{permission}}","permission":"{{permission}}"}"""));
        var machine = await Cache.MachineAsync(more: $$""","cacheMode":"{{mode}}","scopes":[{{scopes}}]""");

        var seen = (await Cache.Server.GetAsync("/runtime/whoami", machine)).Json.GetProperty("scopes").EnumerateArray();

        Assert.Equal(left, seen.Select(static scope => scope.GetProperty("permission").GetString()));
    }

    [Fact]
    public async Task What_is_written_goes_to_the_first_scope_that_may_be_written_and_is_read_where_reading_is_allowed()
    {
        const string Scopes = ""","scopes":[{"scope":"a","permission":"read"},{"scope":"b","permission":"write-only"},{"scope":"c","permission":"write"}]""";
        var machine = await Cache.MachineAsync(more: Scopes);
        await Cache.SaveAsync(machine, "k");

        Assert.Null(await Cache.FindAsync(machine, "k"));
        Assert.Equal("k", await Cache.FindAsync(await Cache.MachineAsync(more: ""","scopes":[{"scope":"b","permission":"read"}]"""), "k"));
    }

    [Fact]
    public async Task What_the_request_says_of_scopes_is_not_believed()
    {
        var main = await Cache.MachineAsync();
        var pull = await Cache.MachineAsync(gitRef: "refs/pull/7/merge");
        await Cache.SaveAsync(main, "k");

        var answer = await Cache.TwirpAsync(
            pull, "GetCacheEntryDownloadURL",
            $$"""{"metadata":{"repository_id":"1","scope":[{"scope":"refs/heads/main","permission":"3"}]},"key":"k","version":"{{CacheServer.Version}}"}""");

        Assert.False(answer.Json.GetProperty("ok").GetBoolean());
    }

    [Fact]
    public async Task A_machine_without_a_repository_has_no_cache()
    {
        var answer = await Cache.Server.SendAsync(HttpMethod.Post, "/v1/workspaces/acme/machines", "admin", "{}");
        Assert.Equal(HttpStatusCode.Created, answer.Status);
        var bare = await Cache.MachineAsync(more: ""","scopes":[]""");

        Assert.Equal(HttpStatusCode.Forbidden, (await Cache.LookUpAsync(bare, "k")).Status);
    }

    [Fact]
    public async Task A_reservation_is_given_again_to_its_machine_and_to_nobody_else_until_it_lapses()
    {
        var machine = await Cache.MachineAsync();
        var other = await Cache.MachineAsync();
        var first = await Cache.ReserveAsync(machine, "k");

        var again = await Cache.ReserveAsync(machine, "k");
        var taken = await CreateAsync(other, "k");
        Assert.Equal(new Uri(first).AbsolutePath, new Uri(again).AbsolutePath);
        Assert.Equal((HttpStatusCode.Conflict, "already_exists"), (taken.Status, taken.Json.GetProperty("code").GetString()));
        Assert.Equal(HttpStatusCode.NotFound, (await Cache.FinalizeAsync(other, "k", 1)).Status);

        await Cache.PutAsync(again, new byte[5]);
        var bytes = Path.GetDirectoryName(Assert.Single(Cache.Files))!;
        Time.Advance(TimeSpan.FromMinutes(61));
        var after = await Cache.ReserveAsync(other, "k");

        // The sweeper, whose time has come too, may have been first: then it is clearing away.
        Assert.NotEqual(new Uri(first).AbsolutePath, new Uri(after).AbsolutePath);
        await Eventually.HoldsAsync(() => Task.FromResult(!Directory.Exists(bytes)), "the bytes are gone");
        Assert.Equal(HttpStatusCode.NotFound, (await Cache.FinalizeAsync(machine, "k", 5)).Status);
    }

    [Fact]
    public async Task Of_twenty_who_reserve_a_key_at_once_one_gets_it()
    {
        var machines = new List<string>();
        for (var i = 0; i < 20; i++) machines.Add(await Cache.MachineAsync());

        var answers = await Task.WhenAll(machines.Select(machine => CreateAsync(machine, "k")));

        Assert.Single(answers, answer => answer.Status == HttpStatusCode.OK);
        Assert.Equal(19, answers.Count(answer => answer.Status == HttpStatusCode.Conflict));
    }

    [Fact]
    public async Task What_is_finalised_never_changes()
    {
        var machine = await Cache.MachineAsync();
        var url = await Cache.ReserveAsync(machine, "k");
        await Cache.PutAsync(url, [1, 2, 3]);
        await Cache.FinalizeAsync(machine, "k", 3);

        var put = await Cache.PutAsync(url, [4, 5, 6]);
        var block = await Cache.PutAsync(url, [4], $"&comp=block&blockid={CacheServer.BlockId("a")}");
        var list = await Cache.PutListAsync(url);

        Assert.All([put, block, list], answer => Assert.Equal(HttpStatusCode.Conflict, answer.StatusCode));
        Assert.Equal([1, 2, 3], await Cache.Client.GetByteArrayAsync(await Cache.DownloadUrlAsync(machine, "k")));
        Assert.Single(Cache.Files);
    }
}
