using System.Net;
using System.Text.Json;
using Lanyard.Server.Cache;
using Lanyard.Server.Cache.Limits;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

[Line("4.7")]
public sealed class SqliteCacheLimitTests() : CacheLimitTests(DatabaseKind.Sqlite);

[Line("4.7")]
[Needs("postgres")]
public sealed class PostgresCacheLimitTests() : CacheLimitTests(DatabaseKind.Postgres);

/// <summary>Quotas, rates, the order of eviction, what is never evicted, and what people see and take away.</summary>
public abstract class CacheLimitTests(DatabaseKind kind) : ClockedCacheTests(kind)
{
    private const string Home = "/v1/workspaces/acme/cache";

    [Fact]
    public async Task Over_a_repositorys_quota_the_longest_unused_go_first_and_their_bytes_with_them()
    {
        var machine = await Cache.MachineAsync();
        var other = await Cache.MachineAsync("demo/other");
        await Cache.SaveAsync(other, "elsewhere", new byte[900]);
        foreach (var key in (string[])["a", "b", "c"]) await SaveAsync(machine, key, 100);
        await ForgetReadsAsync();
        Assert.Equal("a", await Cache.FindAsync(machine, "a"));
        await ForgetReadsAsync();

        await SetAsync("""{"repositories":{"Demo/App":200}}""");
        await SweepAsync();

        Assert.Equal(new string?[] { "a", null, "c" }, new string?[] { await Cache.FindAsync(machine, "a"), await Cache.FindAsync(machine, "b"), await Cache.FindAsync(machine, "c") });
        Assert.Equal("elsewhere", await Cache.FindAsync(other, "elsewhere"));
        Assert.Equal(3, Cache.Files.Count);
    }

    [Fact]
    public async Task Pull_requests_entries_go_before_branches_even_when_they_are_newer()
    {
        var main = await Cache.MachineAsync();
        var pull = await Cache.MachineAsync(gitRef: "refs/pull/7/merge");
        await SaveAsync(main, "old", 100);
        await SaveAsync(pull, "new", 100);
        await ForgetReadsAsync();

        await SetAsync("""{"repositoryBytes":150}""");
        await SweepAsync();

        Assert.Equal("old", await Cache.FindAsync(main, "old"));
        Assert.Null(await Cache.FindAsync(pull, "new"));
    }

    [Fact]
    public async Task A_workspaces_quota_holds_over_all_its_repositories_and_over_no_other_workspace()
    {
        await Cache.Server.MakeWorkspaceAsync("other");
        var first = await Cache.MachineAsync();
        var second = await Cache.MachineAsync("demo/second");
        var foreign = await Cache.MachineAsync(workspace: "other");
        await SaveAsync(foreign, "k", 100);
        await SaveAsync(first, "k", 100);
        await SaveAsync(second, "k", 100);

        await SetAsync("""{"workspaceBytes":100}""");
        await SweepAsync();

        Assert.Equal(new string?[] { null, "k", "k" }, new string?[] { await Cache.FindAsync(first, "k"), await Cache.FindAsync(second, "k"), await Cache.FindAsync(foreign, "k") });
    }

    [Fact]
    public async Task What_was_given_out_or_is_being_read_is_never_evicted()
    {
        var machine = await Cache.MachineAsync();
        await SaveAsync(machine, "read", 3 << 20);
        await SaveAsync(machine, "unread", 100);
        var url = await Cache.DownloadUrlAsync(machine, "read");
        using var response = await Cache.Client.GetAsync(url, HttpCompletionOption.ResponseHeadersRead);
        await SetAsync("""{"repositoryBytes":1}""");

        await SweepAsync();

        Assert.Null(await Cache.FindAsync(machine, "unread"));
        Assert.Equal(CacheServer.Random(3 << 20), await response.Content.ReadAsByteArrayAsync());
        Assert.Equal(3 << 20, (await Cache.Client.GetByteArrayAsync(url)).Length);

        // The client has its last byte a moment before the server knows that the read is over.
        await Eventually.HoldsAsync(
            async () =>
            {
                await ForgetReadsAsync();
                await SweepAsync();
                return !Cache.Files.Any();
            },
            "what nobody reads any more is evicted");
    }

    [Fact]
    public async Task A_blob_that_is_being_sent_outlives_its_deletion_until_the_reader_is_done()
    {
        var machine = await Cache.MachineAsync();
        await SaveAsync(machine, "k", 1000);
        var reads = Cache.Server.Services.GetRequiredService<BlobReads>();
        var id = (await EntriesAsync(""))[0].GetProperty("id").GetString();
        var reading = reads.Begin(Path.GetFileName(Path.GetDirectoryName(Cache.Files.Single())!));

        Assert.Equal(HttpStatusCode.NoContent, (await Cache.Server.SendAsync(HttpMethod.Delete, $"{Home}/entries/{id}", "admin")).Status);
        Assert.Null(await Cache.FindAsync(machine, "k"));
        Assert.Single(Cache.Files);
        reading.Dispose();
        await SweepAsync();

        Assert.Empty(Cache.Files);
        Assert.Equal(HttpStatusCode.NotFound, (await Cache.Server.SendAsync(HttpMethod.Delete, $"{Home}/entries/{id}", "admin")).Status);
    }

    [Fact]
    public async Task Seven_days_without_a_read_are_the_end_and_a_read_begins_them_anew()
    {
        var machine = await Cache.MachineAsync();
        await SaveAsync(machine, "used", 10);
        await SaveAsync(machine, "unused", 10);
        Time.Advance(TimeSpan.FromDays(6));
        var next = await Cache.MachineAsync();
        Assert.Equal("used", await Cache.FindAsync(next, "used"));
        Time.Advance(TimeSpan.FromDays(1) + TimeSpan.FromMinutes(1));

        await SweepAsync();

        var last = await Cache.MachineAsync();
        Assert.Equal(new string?[] { "used", null }, new string?[] { await Cache.FindAsync(last, "used"), await Cache.FindAsync(last, "unused") });
    }

    [Fact]
    public async Task What_is_saved_over_the_quota_is_noticed_without_waiting_for_the_sweep()
    {
        await SetAsync("""{"repositoryBytes":250}""");
        var machine = await Cache.MachineAsync();
        foreach (var key in (string[])["a", "b", "c"]) await SaveAsync(machine, key, 100);

        // A look-up would be a use of "a", and keep it.
        await Eventually.HoldsAsync(async () => (await EntriesAsync("?state=ready")).Count == 2, "one of the three evicted", TimeSpan.FromSeconds(120));
        Assert.Null(await Cache.FindAsync(machine, "a"));
        Assert.Equal("b", await Cache.FindAsync(machine, "b"));
        Assert.Equal("c", await Cache.FindAsync(machine, "c"));
    }

    [Fact]
    public async Task A_quota_that_was_lowered_holds_after_the_next_save_without_waiting_for_the_sweep()
    {
        var machine = await Cache.MachineAsync();
        foreach (var key in (string[])["a", "b"]) await SaveAsync(machine, key, 100);
        await SetAsync("""{"repositoryBytes":150}""");

        await SaveAsync(machine, "c", 10);

        await Eventually.HoldsAsync(async () => (await EntriesAsync("?state=ready")).Count == 2, "one of the three evicted", TimeSpan.FromSeconds(120));
        Assert.Equal(["b", "c"], (await EntriesAsync("?state=ready")).Select(static entry => entry.GetProperty("key").GetString()).Order(StringComparer.Ordinal));
    }

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

    private Task<Answer> CreateAsync(string bearer, string key) =>
        Cache.TwirpAsync(bearer, "CreateCacheEntry", $$"""{"key":"{{key}}","version":"{{CacheServer.Version}}"}""");

    private async Task SaveAsync(string bearer, string key, int length)
    {
        await Cache.SaveAsync(bearer, key, CacheServer.Random(length));
        Time.Advance(TimeSpan.FromSeconds(1));
    }

    /// <summary>Long enough for every URL that was given out to be dead.</summary>
    private Task ForgetReadsAsync()
    {
        Time.Advance(CacheEvictor.Hold + TimeSpan.FromSeconds(1));
        return Task.CompletedTask;
    }

    private async Task SetAsync(string settings)
    {
        var answer = await Cache.Server.PutAsync($"{Home}/settings", settings);
        Assert.True(answer.Status == HttpStatusCode.OK, answer.Body);
    }

    private Task<int> SweepAsync() => Cache.Server.Services.GetRequiredService<CacheEvictor>().SweepAsync(CancellationToken.None);

    private async Task<List<JsonElement>> EntriesAsync(string query) =>
        [.. (await Cache.Server.GetAsync($"{Home}/entries{query}")).Json.GetProperty("items").EnumerateArray()];

    private async Task<List<string>> UsageAsync(string query) =>
    [
        .. (await Cache.Server.GetAsync($"{Home}/usage{query}")).Json.GetProperty("rows").EnumerateArray()
            .Select(row => $"{row.GetProperty("name").GetString()} {row.GetProperty("entries").GetInt64()} {row.GetProperty("bytes").GetInt64()}"),
    ];
}
