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

/// <summary>Who finds what: GitHub's documented order, keys, immutability, and the walls.</summary>
public abstract class CacheScopeTests(DatabaseKind kind) : IAsyncLifetime
{
    private const string Default = ""","defaultRef":"refs/heads/main" """;
    private readonly ManualTime _time = new(DateTimeOffset.FromUnixTimeSeconds(1_900_000_000));
    private CacheServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await CacheServer.StartAsync(kind, _time);

    public async ValueTask DisposeAsync()
    {
        if (_server is not null) await _server.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task The_own_ref_is_searched_through_before_the_default_branch_even_when_that_has_the_exact_key()
    {
        var main = await _server.MachineAsync();
        var feature = await _server.MachineAsync(gitRef: "refs/heads/feature", more: Default);
        await _server.SaveAsync(main, "npm-abc");
        await _server.SaveAsync(feature, "npm-old");

        Assert.Equal("npm-old", await _server.FindAsync(feature, "npm-abc", "npm-"));
        Assert.Equal("npm-abc", await _server.FindAsync(main, "npm-abc", "npm-"));
    }

    [Fact]
    public async Task In_a_scope_each_key_is_tried_exactly_and_then_as_a_prefix_before_the_next()
    {
        var machine = await _server.MachineAsync();
        await _server.SaveAsync(machine, "a-1");
        Later();
        await _server.SaveAsync(machine, "b");
        Later();
        await _server.SaveAsync(machine, "b-2");

        Assert.Equal("a-1", await _server.FindAsync(machine, "a-1", "b"));
        Assert.Equal("a-1", await _server.FindAsync(machine, "a-", "b"));
        Assert.Equal("b", await _server.FindAsync(machine, "x", "b"));
        Assert.Equal("b-2", await _server.FindAsync(machine, "x", "b-"));
    }

    [Fact]
    public async Task Of_a_prefix_the_newest_is_found()
    {
        var machine = await _server.MachineAsync();
        foreach (var key in (string[])["p-b", "p-z", "p-a"])
        {
            await _server.SaveAsync(machine, key);
            Later();
        }

        Assert.Equal("p-a", await _server.FindAsync(machine, "p-"));
    }

    [Fact]
    public async Task Of_a_prefix_that_hundreds_begin_with_the_newest_is_found_too()
    {
        var machine = await _server.MachineAsync();
        await FillAsync(machine);
        var newest = Enumerable.Range(1, 700).MaxBy(static n => n * 7919 % 701);

        Assert.Equal($"p-{newest}", await _server.FindAsync(machine, "p-"));
        Assert.Equal($"p-{newest}", await _server.FindAsync(machine, "none", "nothing-", "P-"));
        Assert.Equal("p-6", await _server.FindAsync(machine, "p-6"));
        Assert.Null(await _server.FindAsync(machine, "p-9999"));
    }

    [Fact]
    public async Task One_key_of_the_own_ref_comes_before_hundreds_of_the_default_branch()
    {
        var feature = await _server.MachineAsync(gitRef: "refs/heads/feature", more: Default);
        await _server.SaveAsync(feature, "p-own");
        Later();
        await FillAsync(await _server.MachineAsync());

        Assert.Equal("p-own", await _server.FindAsync(feature, "none", "p-"));
        Assert.Equal("p-own", await _server.FindAsync(feature, "p-6", "p-"));
        Assert.Equal("p-6", await _server.FindAsync(feature, "p-6"));
    }

    /// <summary>Seven hundred entries besides, whose keys begin with <c>p-</c>, in another order than they were made.</summary>
    private async Task FillAsync(string machine)
    {
        await _server.SaveAsync(machine, "p-0");
        await _server.Server.Database.ExecuteAsync(
            $"""
            insert into cache_entries (id, workspace, repository, scope, version, key, folded, state, live, blob, staged_bytes, staged_count, committed, size, subject, provenance, created,
                pending_until, ready_at, used_at)
            with recursive n(n) as (select 1 union all select n + 1 from n where n < 700)
            select n.n, workspace, repository, scope, version, 'p-' || n.n, 'p-' || n.n, state, live, 'b' || n.n, 0, 0, committed, 0, subject, provenance,
                created + (n.n * 7919) % 701, pending_until, ready_at, used_at
            from cache_entries, n where key = 'p-0'
            """);
    }

    /// <summary>With as many keys as a client may ask for: the widest look-up that there is.</summary>
    [Fact]
    public async Task The_last_of_sixteen_scopes_is_searched_like_the_first()
    {
        await _server.SaveAsync(await _server.MachineAsync(gitRef: "refs/heads/s16"), "linux-1");
        var scopes = string.Join(',', Enumerable.Range(1, 16).Select(static i => $$"""{"scope":"refs/heads/s{{i}}","permission":"read"}"""));
        var reader = await _server.MachineAsync(gitRef: "refs/heads/s1", more: $",\"scopes\":[{scopes}]");
        string[] others = [.. Enumerable.Range(1, 8).Select(static i => $"other-{i}")];

        Assert.Equal("linux-1", await _server.FindAsync(reader, "none", [.. others, "linux-"]));
        await _server.SaveAsync(await _server.MachineAsync(gitRef: "refs/heads/s15"), "linux-2");
        Assert.Equal("linux-2", await _server.FindAsync(reader, "none", [.. others, "linux-"]));
    }

    [Theory]
    [InlineData("a%b", "aXb")]
    [InlineData("a_b", "aXb")]
    [InlineData("a\\b", "aXb")]
    public async Task Signs_that_databases_know_as_wildcards_are_only_signs(string prefix, string other)
    {
        var machine = await _server.MachineAsync();
        await _server.SaveAsync(machine, other + "-1");

        Assert.Null(await _server.FindAsync(machine, prefix));
        await _server.SaveAsync(machine, prefix + "-2");
        Assert.Equal(prefix + "-2", await _server.FindAsync(machine, prefix));
    }

    [Fact]
    public async Task Case_is_ignored_and_the_stored_spelling_answered()
    {
        var machine = await _server.MachineAsync();
        await _server.SaveAsync(machine, "Linux-Ärger-A");

        Assert.Equal("Linux-Ärger-A", await _server.FindAsync(machine, "linux-ärger-a"));
        Assert.Equal("Linux-Ärger-A", await _server.FindAsync(machine, "LINUX-"));
        Assert.Equal(HttpStatusCode.Conflict, (await CreateAsync(machine, "LINUX-ärger-a")).Status);
    }

    [Fact]
    public async Task Another_version_is_a_miss()
    {
        var machine = await _server.MachineAsync();
        await _server.SaveAsync(machine, "k");

        Assert.False((await _server.LookUpAsync(machine, "k", version: "other")).Json.GetProperty("ok").GetBoolean());
    }

    [Fact]
    public async Task A_pull_request_reads_its_base_and_the_default_branch_and_writes_to_itself_only()
    {
        var main = await _server.MachineAsync();
        var release = await _server.MachineAsync(gitRef: "refs/heads/release");
        var pull = await _server.MachineAsync(gitRef: "refs/pull/7/merge", more: ""","baseRef":"refs/heads/release","defaultRef":"refs/heads/main" """);
        var otherPull = await _server.MachineAsync(gitRef: "refs/pull/8/merge", more: Default);
        await _server.SaveAsync(main, "main-1");
        await _server.SaveAsync(release, "release-1");

        await _server.SaveAsync(pull, "main-2");

        Assert.Equal("main-1", await _server.FindAsync(pull, "main-1"));
        Assert.Equal("release-1", await _server.FindAsync(pull, "release-"));
        Assert.Equal("main-1", await _server.FindAsync(main, "main-"));
        Assert.Equal("main-1", await _server.FindAsync(otherPull, "main-"));
        Assert.Null(await _server.FindAsync(otherPull, "release-"));
    }

    [Fact]
    [Line("4.9")]
    public async Task Another_repository_and_another_workspace_find_nothing_and_take_nothing_away()
    {
        await _server.Server.MakeWorkspaceAsync("other");
        var machine = await _server.MachineAsync();
        var repository = await _server.MachineAsync("demo/application");
        var workspace = await _server.MachineAsync(workspace: "other");
        await _server.SaveAsync(machine, "k");

        Assert.Null(await _server.FindAsync(repository, "k"));
        Assert.Null(await _server.FindAsync(workspace, "k"));
        await _server.SaveAsync(repository, "k");
        await _server.SaveAsync(workspace, "k");
        Assert.Equal(HttpStatusCode.NotFound, (await _server.FinalizeAsync(repository, "z", 1)).Status);
    }

    [Theory]
    [InlineData("read", true, false)]
    [InlineData("write-only", false, true)]
    [InlineData("none", false, false)]
    [InlineData("write", true, true)]
    public async Task A_mode_takes_away_and_says_so_in_the_words_that_clients_show(string mode, bool reads, bool writes)
    {
        var full = await _server.MachineAsync();
        await _server.SaveAsync(full, "k");
        var machine = await _server.MachineAsync(more: $$""","cacheMode":"{{mode}}" """);

        var read = await _server.LookUpAsync(machine, "k");
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
        var machine = await _server.MachineAsync(more: $$""","cacheMode":"{{mode}}","scopes":[{{scopes}}]""");

        var seen = (await _server.Server.GetAsync("/runtime/whoami", machine)).Json.GetProperty("scopes").EnumerateArray();

        Assert.Equal(left, seen.Select(static scope => scope.GetProperty("permission").GetString()));
    }

    [Fact]
    public async Task What_is_written_goes_to_the_first_scope_that_may_be_written_and_is_read_where_reading_is_allowed()
    {
        const string Scopes = ""","scopes":[{"scope":"a","permission":"read"},{"scope":"b","permission":"write-only"},{"scope":"c","permission":"write"}]""";
        var machine = await _server.MachineAsync(more: Scopes);
        await _server.SaveAsync(machine, "k");

        Assert.Null(await _server.FindAsync(machine, "k"));
        Assert.Equal("k", await _server.FindAsync(await _server.MachineAsync(more: ""","scopes":[{"scope":"b","permission":"read"}]"""), "k"));
    }

    [Fact]
    public async Task What_the_request_says_of_scopes_is_not_believed()
    {
        var main = await _server.MachineAsync();
        var pull = await _server.MachineAsync(gitRef: "refs/pull/7/merge");
        await _server.SaveAsync(main, "k");

        var answer = await _server.TwirpAsync(
            pull, "GetCacheEntryDownloadURL",
            $$"""{"metadata":{"repository_id":"1","scope":[{"scope":"refs/heads/main","permission":"3"}]},"key":"k","version":"{{CacheServer.Version}}"}""");

        Assert.False(answer.Json.GetProperty("ok").GetBoolean());
    }

    [Fact]
    public async Task A_machine_without_a_repository_has_no_cache()
    {
        var answer = await _server.Server.SendAsync(HttpMethod.Post, "/v1/workspaces/acme/machines", "admin", "{}");
        Assert.Equal(HttpStatusCode.Created, answer.Status);
        var bare = await _server.MachineAsync(more: ""","scopes":[]""");

        Assert.Equal(HttpStatusCode.Forbidden, (await _server.LookUpAsync(bare, "k")).Status);
    }

    [Fact]
    public async Task A_reservation_is_given_again_to_its_machine_and_to_nobody_else_until_it_lapses()
    {
        var machine = await _server.MachineAsync();
        var other = await _server.MachineAsync();
        var first = await _server.ReserveAsync(machine, "k");

        var again = await _server.ReserveAsync(machine, "k");
        var taken = await CreateAsync(other, "k");
        Assert.Equal(new Uri(first).AbsolutePath, new Uri(again).AbsolutePath);
        Assert.Equal((HttpStatusCode.Conflict, "already_exists"), (taken.Status, taken.Json.GetProperty("code").GetString()));
        Assert.Equal(HttpStatusCode.NotFound, (await _server.FinalizeAsync(other, "k", 1)).Status);

        await _server.PutAsync(again, new byte[5]);
        var bytes = Path.GetDirectoryName(Assert.Single(_server.Files))!;
        _time.Advance(TimeSpan.FromMinutes(61));
        var after = await _server.ReserveAsync(other, "k");

        // The sweeper, whose time has come too, may have been first: then it is clearing away.
        Assert.NotEqual(new Uri(first).AbsolutePath, new Uri(after).AbsolutePath);
        await Eventually.HoldsAsync(() => Task.FromResult(!Directory.Exists(bytes)), "the bytes are gone");
        Assert.Equal(HttpStatusCode.NotFound, (await _server.FinalizeAsync(machine, "k", 5)).Status);
    }

    [Fact]
    public async Task Of_twenty_who_reserve_a_key_at_once_one_gets_it()
    {
        var machines = new List<string>();
        for (var i = 0; i < 20; i++) machines.Add(await _server.MachineAsync());

        var answers = await Task.WhenAll(machines.Select(machine => CreateAsync(machine, "k")));

        Assert.Single(answers, answer => answer.Status == HttpStatusCode.OK);
        Assert.Equal(19, answers.Count(answer => answer.Status == HttpStatusCode.Conflict));
    }

    [Fact]
    public async Task What_is_finalised_never_changes()
    {
        var machine = await _server.MachineAsync();
        var url = await _server.ReserveAsync(machine, "k");
        await _server.PutAsync(url, [1, 2, 3]);
        await _server.FinalizeAsync(machine, "k", 3);

        var put = await _server.PutAsync(url, [4, 5, 6]);
        var block = await _server.PutAsync(url, [4], $"&comp=block&blockid={CacheServer.BlockId("a")}");
        var list = await _server.PutListAsync(url);

        Assert.All([put, block, list], answer => Assert.Equal(HttpStatusCode.Conflict, answer.StatusCode));
        Assert.Equal([1, 2, 3], await _server.Client.GetByteArrayAsync(await _server.DownloadUrlAsync(machine, "k")));
        Assert.Single(_server.Files);
    }

    private Task<Answer> CreateAsync(string bearer, string key) =>
        _server.TwirpAsync(bearer, "CreateCacheEntry", $$"""{"key":"{{key}}","version":"{{CacheServer.Version}}"}""");

    private void Later() => _time.Advance(TimeSpan.FromSeconds(1));
}
