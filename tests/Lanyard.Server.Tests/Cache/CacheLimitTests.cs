using System.Net;
using Lanyard.Server.Cache.Limits;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

[Line("4.7")]
public sealed class SqliteCacheLimitTests() : CacheLimitTests(DatabaseKind.Sqlite);

[Line("4.7")]
[Needs("postgres")]
public sealed class PostgresCacheLimitTests() : CacheLimitTests(DatabaseKind.Postgres);

/// <summary>Rates, limits of an entry, and what people see and take away.</summary>
public abstract class CacheLimitTests(DatabaseKind kind) : CacheQuotaTests(kind)
{
    [Fact]
    public async Task An_entry_over_its_limit_is_refused_while_it_is_uploaded_and_in_words_when_it_is_finalised()
    {
        await SetAsync("""{"entryBytes":100}""");
        var machine = await Cache.MachineAsync();
        var url = await Cache.ReserveAsync(machine, "k");

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await Cache.PutAsync(url, new byte[101])).StatusCode);
        var answer = await Cache.FinalizeAsync(machine, "k", 101);
        Assert.Equal((HttpStatusCode.OK, false), (answer.Status, answer.Json.GetProperty("ok").GetBoolean()));
        Assert.Contains("at most 100 bytes", answer.Json.GetProperty("message").GetString(), StringComparison.Ordinal);
        var first = await Cache.Server.SendAsync(
            HttpMethod.Post, "/runtime/cache/_apis/artifactcache/caches", machine, $$"""{"key":"v1","version":"{{CacheServer.Version}}","cacheSize":101}""");
        Assert.Equal(HttpStatusCode.BadRequest, first.Status);
        Assert.Contains("too large", first.Json.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task More_entries_a_minute_than_allowed_are_429_and_what_exists_is_still_answered()
    {
        await SetAsync("""{"entriesPerMinute":2}""");
        var machine = await Cache.MachineAsync();
        var other = await Cache.MachineAsync("demo/other");
        await SaveAsync(machine, "a", 1);
        await Cache.ReserveAsync(machine, "b");

        var refused = await CreateAsync(machine, "c");
        Assert.Equal((HttpStatusCode.TooManyRequests, "resource_exhausted"), (refused.Status, refused.Json.GetProperty("code").GetString()));
        Assert.True(refused.Headers.Contains("Retry-After"));
        await Cache.ReserveAsync(machine, "b");
        Assert.Equal(HttpStatusCode.Conflict, (await CreateAsync(machine, "a")).Status);
        await Cache.ReserveAsync(other, "c");
        Time.Advance(TimeSpan.FromSeconds(61));
        await Cache.ReserveAsync(machine, "c");
    }

    [Fact]
    public async Task Entries_and_usage_are_seen_by_repository_scope_and_key()
    {
        var main = await Cache.MachineAsync();
        var pull = await Cache.MachineAsync(gitRef: "refs/pull/7/merge");
        var other = await Cache.MachineAsync("demo/other");
        await SaveAsync(main, "npm-1", 100);
        await SaveAsync(pull, "npm-1", 50);
        await SaveAsync(other, "pip", 10);

        Assert.Equal(["demo/app 2 150", "demo/other 1 10"], await UsageAsync(""));
        Assert.Equal(["refs/heads/main 1 100", "refs/pull/7/merge 1 50"], await UsageAsync("?by=scope&repository=Demo/App"));
        Assert.Equal(["npm-1 2 150", "pip 1 10"], await UsageAsync("?by=key"));
        Assert.Equal(2, (await EntriesAsync("?key=NPM-")).Count);
        Assert.Single(await EntriesAsync("?scope=refs/pull/7/merge"));
        Assert.Empty(await EntriesAsync("?state=pending"));
        Assert.Equal(HttpStatusCode.BadRequest, (await Cache.Server.GetAsync($"{Home}/entries?state=odd")).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await Cache.Server.GetAsync($"{Home}/entries?after=x")).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await Cache.Server.GetAsync($"{Home}/usage?by=x")).Status);
    }

    [Fact]
    public async Task A_long_list_comes_in_pages_without_gap_or_repetition()
    {
        var machine = await Cache.MachineAsync();
        for (var i = 0; i < 5; i++) await Cache.ReserveAsync(machine, $"k{i}");

        var (seen, after) = (new List<string>(), "");
        do
        {
            var page = (await Cache.Server.GetAsync($"{Home}/entries?limit=2{after}")).Json;
            seen.AddRange(page.GetProperty("items").EnumerateArray().Select(entry => entry.GetProperty("key").GetString()!));
            after = page.TryGetProperty("next", out var next) ? $"&after={next.GetString()}" : "";
        }
        while (after.Length > 0);

        Assert.Equal(["k0", "k1", "k2", "k3", "k4"], seen.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Settings_say_every_mistake_at_once_and_change_only_by_who_knows_them()
    {
        var bad = await Cache.Server.PutAsync(
            $"{Home}/settings", """{"entryBytes":0,"unusedDays":0,"repositories":{"x":1},"readRules":[{"refs":[],"writtenBy":["a*b"]}]}""");
        Assert.Equal(HttpStatusCode.BadRequest, bad.Status);
        Assert.Equal(
            ["entryBytes", "readRules[0].refs", "readRules[0].writtenBy[0]", "repositories.x", "unusedDays"],
            bad.Mistakes.Select(mistake => mistake.Split(':')[0]).Order(StringComparer.Ordinal));

        await SetAsync("""{"unusedDays":3}""");
        Assert.Equal(HttpStatusCode.PreconditionRequired, (await Cache.Server.PutAsync($"{Home}/settings", "{}")).Status);
        Assert.Equal("""{"unusedDays":3}""", (await Cache.Server.GetAsync($"{Home}/settings")).Body);
    }
}
