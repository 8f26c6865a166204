using System.Net;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

[Line("4.5")]
public sealed class SqliteCacheKeyTests() : CacheKeyTests(DatabaseKind.Sqlite);

[Line("4.5")]
[Needs("postgres")]
public sealed class PostgresCacheKeyTests() : CacheKeyTests(DatabaseKind.Postgres);

/// <summary>What is found: GitHub's documented order of scopes and keys, exactly and by prefix.</summary>
public abstract class CacheKeyTests(DatabaseKind kind) : ScopedCacheTests(kind)
{
    [Fact]
    public async Task The_own_ref_is_searched_through_before_the_default_branch_even_when_that_has_the_exact_key()
    {
        var main = await Cache.MachineAsync();
        var feature = await Cache.MachineAsync(gitRef: "refs/heads/feature", more: Default);
        await Cache.SaveAsync(main, "npm-abc");
        await Cache.SaveAsync(feature, "npm-old");

        Assert.Equal("npm-old", await Cache.FindAsync(feature, "npm-abc", "npm-"));
        Assert.Equal("npm-abc", await Cache.FindAsync(main, "npm-abc", "npm-"));
    }

    [Fact]
    public async Task In_a_scope_each_key_is_tried_exactly_and_then_as_a_prefix_before_the_next()
    {
        var machine = await Cache.MachineAsync();
        await Cache.SaveAsync(machine, "a-1");
        Later();
        await Cache.SaveAsync(machine, "b");
        Later();
        await Cache.SaveAsync(machine, "b-2");

        Assert.Equal("a-1", await Cache.FindAsync(machine, "a-1", "b"));
        Assert.Equal("a-1", await Cache.FindAsync(machine, "a-", "b"));
        Assert.Equal("b", await Cache.FindAsync(machine, "x", "b"));
        Assert.Equal("b-2", await Cache.FindAsync(machine, "x", "b-"));
    }

    [Fact]
    public async Task Of_a_prefix_the_newest_is_found()
    {
        var machine = await Cache.MachineAsync();
        foreach (var key in (string[])["p-b", "p-z", "p-a"])
        {
            await Cache.SaveAsync(machine, key);
            Later();
        }

        Assert.Equal("p-a", await Cache.FindAsync(machine, "p-"));
    }

    [Fact]
    public async Task Of_a_prefix_that_hundreds_begin_with_the_newest_is_found_too()
    {
        var machine = await Cache.MachineAsync();
        await FillAsync(machine);
        var newest = Enumerable.Range(1, 700).MaxBy(static n => n * 7919 % 701);

        Assert.Equal($"p-{newest}", await Cache.FindAsync(machine, "p-"));
        Assert.Equal($"p-{newest}", await Cache.FindAsync(machine, "none", "nothing-", "P-"));
        Assert.Equal("p-6", await Cache.FindAsync(machine, "p-6"));
        Assert.Null(await Cache.FindAsync(machine, "p-9999"));
    }

    [Fact]
    public async Task One_key_of_the_own_ref_comes_before_hundreds_of_the_default_branch()
    {
        var feature = await Cache.MachineAsync(gitRef: "refs/heads/feature", more: Default);
        await Cache.SaveAsync(feature, "p-own");
        Later();
        await FillAsync(await Cache.MachineAsync());

        Assert.Equal("p-own", await Cache.FindAsync(feature, "none", "p-"));
        Assert.Equal("p-own", await Cache.FindAsync(feature, "p-6", "p-"));
        Assert.Equal("p-6", await Cache.FindAsync(feature, "p-6"));
    }

    /// <summary>Seven hundred entries besides, whose keys begin with <c>p-</c>, in another order than they were made.</summary>
    private async Task FillAsync(string machine)
    {
        await Cache.SaveAsync(machine, "p-0");
        await Cache.Server.Database.ExecuteAsync(
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
        await Cache.SaveAsync(await Cache.MachineAsync(gitRef: "refs/heads/s16"), "linux-1");
        var scopes = string.Join(',', Enumerable.Range(1, 16).Select(static i => $$"""{"scope":"refs/heads/s{{i}}","permission":"read"}"""));
        var reader = await Cache.MachineAsync(gitRef: "refs/heads/s1", more: $",\"scopes\":[{scopes}]");
        string[] others = [.. Enumerable.Range(1, 8).Select(static i => $"other-{i}")];

        Assert.Equal("linux-1", await Cache.FindAsync(reader, "none", [.. others, "linux-"]));
        await Cache.SaveAsync(await Cache.MachineAsync(gitRef: "refs/heads/s15"), "linux-2");
        Assert.Equal("linux-2", await Cache.FindAsync(reader, "none", [.. others, "linux-"]));
    }

    [Theory]
    [InlineData("a%b", "aXb")]
    [InlineData("a_b", "aXb")]
    [InlineData("a\\b", "aXb")]
    public async Task Signs_that_databases_know_as_wildcards_are_only_signs(string prefix, string other)
    {
        var machine = await Cache.MachineAsync();
        await Cache.SaveAsync(machine, other + "-1");

        Assert.Null(await Cache.FindAsync(machine, prefix));
        await Cache.SaveAsync(machine, prefix + "-2");
        Assert.Equal(prefix + "-2", await Cache.FindAsync(machine, prefix));
    }

    [Fact]
    public async Task Case_is_ignored_and_the_stored_spelling_answered()
    {
        var machine = await Cache.MachineAsync();
        await Cache.SaveAsync(machine, "Linux-Ärger-A");

        Assert.Equal("Linux-Ärger-A", await Cache.FindAsync(machine, "linux-ärger-a"));
        Assert.Equal("Linux-Ärger-A", await Cache.FindAsync(machine, "LINUX-"));
        Assert.Equal(HttpStatusCode.Conflict, (await CreateAsync(machine, "LINUX-ärger-a")).Status);
    }

    [Fact]
    public async Task Another_version_is_a_miss()
    {
        var machine = await Cache.MachineAsync();
        await Cache.SaveAsync(machine, "k");

        Assert.False((await Cache.LookUpAsync(machine, "k", version: "other")).Json.GetProperty("ok").GetBoolean());
    }

    private void Later() => Time.Advance(TimeSpan.FromSeconds(1));
}
