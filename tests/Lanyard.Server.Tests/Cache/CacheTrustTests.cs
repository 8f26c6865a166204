using System.Net;
using System.Text.Json;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

[Line("4.8")]
public sealed class SqliteCacheTrustTests() : CacheTrustTests(DatabaseKind.Sqlite);

[Line("4.8")]
[Needs("postgres")]
public sealed class PostgresCacheTrustTests() : CacheTrustTests(DatabaseKind.Postgres);

/// <summary>Who wrote what is known, who may restore it is ruled, and what a producer wrote can be taken back.</summary>
public abstract class CacheTrustTests(DatabaseKind kind) : IAsyncLifetime
{
    private const string Home = "/v1/workspaces/acme/cache";

    private const string SharedScope = ""","scopes":[{"scope":"shared","permission":"write"}]""";
    private CacheServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await CacheServer.StartAsync(kind);

    public async ValueTask DisposeAsync()
    {
        if (_server is not null) await _server.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task An_entry_says_who_wrote_it_with_which_token_and_what_its_bytes_are()
    {
        var machine = await _server.MachineAsync();
        await _server.SaveAsync(machine, "k");

        var entry = (await EntriesAsync())[0];
        var producer = entry.GetProperty("producer");

        Assert.Equal(machine, producer.GetProperty("subject").GetString());
        Assert.Equal("demo/app", producer.GetProperty("repository").GetString());
        Assert.Equal("refs/heads/main", producer.GetProperty("ref").GetString());
        Assert.Equal("admin", producer.GetProperty("actor").GetString());
        Assert.Equal(new string('1', 64), producer.GetProperty("tokenSha256").GetString());
        Assert.Equal(64, entry.GetProperty("digest").GetString()!.Length);
    }

    [Fact]
    public async Task A_release_restores_only_what_a_protected_ref_wrote_and_finds_the_next_best_instead()
    {
        var main = await _server.MachineAsync(more: SharedScope);
        var feature = await _server.MachineAsync(gitRef: "refs/heads/feature", more: SharedScope);
        var release = await _server.MachineAsync(gitRef: "refs/tags/v1.0", more: SharedScope);
        await _server.SaveAsync(main, "npm-1");
        await _server.SaveAsync(feature, "npm-2");
        Assert.Equal("npm-2", await _server.FindAsync(release, "npm-2", "npm-"));

        await SetAsync("""{"readRules":[{"refs":["refs/tags/*"],"writtenBy":["refs/heads/main","refs/heads/release/*"]}]}""");

        Assert.Equal("npm-1", await _server.FindAsync(release, "npm-2", "npm-"));
        Assert.Equal("npm-2", await _server.FindAsync(feature, "npm-2"));
    }

    [Theory]
    [InlineData("refs/heads/main2")]
    [InlineData("refs/heads/mai")]
    [InlineData("refs/heads/release")]
    [InlineData("refs/heads/MAIN")]
    public async Task A_ref_that_only_resembles_a_protected_one_is_not_trusted(string writer)
    {
        await SetAsync("""{"readRules":[{"refs":["*"],"writtenBy":["refs/heads/main","refs/heads/release/*"]}]}""");
        await _server.SaveAsync(await _server.MachineAsync(gitRef: writer, more: SharedScope), "k");

        Assert.Null(await _server.FindAsync(await _server.MachineAsync(more: SharedScope), "k"));
    }

    [Theory]
    [InlineData("""{"refs":["refs/tags/*"],"writtenBy":["refs/heads/main"]}""", false)]
    [InlineData("""{"refs":["refs/tags/*","refs/heads/x"],"writtenBy":["refs/heads/main","refs/heads/feature"]}""", true)]
    [InlineData("""{"refs":["refs/tags/*"],"writtenBy":["*"]}""", true)]
    [InlineData("""{"refs":["refs/tags/*"],"workflows":["demo/app/.github/workflows/release.yml"],"writtenBy":["refs/heads/main"]}""", true)]
    public async Task A_reader_that_says_no_ref_is_held_by_every_rule_of_refs(string rule, bool finds)
    {
        var feature = await _server.MachineAsync(gitRef: "refs/heads/feature", more: SharedScope);
        await _server.SaveAsync(feature, "k");
        var unsaid = await _server.MachineAsync(gitRef: null, more: SharedScope);
        Assert.Equal("k", await _server.FindAsync(unsaid, "k"));

        await SetAsync($$"""{"readRules":[{{rule}}]}""");

        Assert.Equal(finds ? "k" : null, await _server.FindAsync(unsaid, "k"));
        Assert.Equal(finds ? 1 : 0, (await _server.Server.SendAsync(HttpMethod.Get, "/runtime/cache/_apis/artifactcache/caches?key=k", unsaid)).Json.GetProperty("totalCount").GetInt32());
        Assert.Equal("k", await _server.FindAsync(feature, "k"));
    }

    [Fact]
    public async Task All_rules_that_match_a_reader_hold_together()
    {
        await SetAsync("""{"readRules":[{"refs":["*"],"writtenBy":["refs/heads/*"]},{"refs":["refs/tags/*"],"writtenBy":["refs/heads/main"]}]}""");
        await _server.SaveAsync(await _server.MachineAsync(gitRef: "refs/heads/feature", more: SharedScope), "k");
        await _server.SaveAsync(await _server.MachineAsync(gitRef: "refs/pull/1/merge", more: SharedScope), "p");

        Assert.Null(await _server.FindAsync(await _server.MachineAsync(gitRef: "refs/tags/1", more: SharedScope), "k"));
        Assert.Equal("k", await _server.FindAsync(await _server.MachineAsync(more: SharedScope), "k"));
        Assert.Null(await _server.FindAsync(await _server.MachineAsync(more: SharedScope), "p"));
    }

    [Fact]
    public async Task What_a_producer_wrote_is_quarantined_released_and_deleted_as_one()
    {
        var good = await _server.MachineAsync();
        var bad = await _server.MachineAsync();
        await _server.SaveAsync(good, "good");
        await _server.SaveAsync(bad, "bad-1");
        await _server.SaveAsync(bad, "bad-2");
        var url = await _server.DownloadUrlAsync(good, "bad-1");

        Assert.Equal(2, await ChangeAsync("quarantine", $$"""{"producer":{"subject":"{{bad}}" },"reason":"incident 7"}"""));
        Assert.Equal(new string?[] { null, null, "good" }, new string?[] { await _server.FindAsync(good, "bad-1"), await _server.FindAsync(good, "bad-2"), await _server.FindAsync(good, "good") });
        Assert.Equal(HttpStatusCode.NotFound, (await _server.Client.GetAsync(url)).StatusCode);
        Assert.All(await EntriesAsync("?state=quarantined"), entry => Assert.Equal("incident 7", entry.GetProperty("reason").GetString()));
        Assert.Equal(3, _server.Files.Count);

        await _server.SaveAsync(good, "bad-2");
        Assert.Equal(1, await ChangeAsync("release", $$"""{"producer":{"subject":"{{bad}}"} }"""));
        Assert.Equal("bad-1", await _server.FindAsync(good, "bad-1"));

        Assert.Equal(2, await ChangeAsync("delete", $$"""{"producer":{"subject":"{{bad}}"} }"""));
        Assert.Equal(new string?[] { null, "bad-2" }, new string?[] { await _server.FindAsync(good, "bad-1"), await _server.FindAsync(good, "bad-2") });
    }

    [Fact]
    public async Task What_a_producer_is_uploading_is_given_up_with_what_it_wrote()
    {
        var bad = await _server.MachineAsync();
        var url = await _server.ReserveAsync(bad, "late");
        Assert.Equal(HttpStatusCode.Created, (await _server.PutAsync(url, [1])).StatusCode);

        Assert.Equal(1, await ChangeAsync("quarantine", $$"""{"producer":{"subject":"{{bad}}"} }"""));

        Assert.Equal(HttpStatusCode.NotFound, (await _server.FinalizeAsync(bad, "late", 1)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await _server.PutAsync(url, [1])).StatusCode);
        Assert.Null(await _server.FindAsync(await _server.MachineAsync(), "late"));
        Assert.Empty(await EntriesAsync());
    }

    [Fact]
    public async Task Nothing_is_selected_by_saying_nothing_and_no_workspace_reaches_another()
    {
        await _server.Server.MakeWorkspaceAsync("other");
        var machine = await _server.MachineAsync();
        await _server.SaveAsync(machine, "k");

        Assert.Equal(HttpStatusCode.BadRequest, (await PostAsync($"{Home}/delete", """{"producer":{}}""")).Status);
        Assert.Equal(0, (await PostAsync("/v1/workspaces/other/cache/delete", $$"""{"producer":{"subject":"{{machine}}"} }""")).Json.GetProperty("entries").GetInt64());
        Assert.Equal("k", await _server.FindAsync(machine, "k"));
    }

    [Fact]
    public async Task Every_write_read_denial_and_removal_is_in_the_audit_log()
    {
        var machine = await _server.MachineAsync();
        var blind = await _server.MachineAsync(more: ""","cacheMode":"none" """);
        await _server.SaveAsync(machine, "k");
        await _server.FindAsync(machine, "k");
        await _server.LookUpAsync(blind, "k");
        Assert.False((await _server.TwirpAsync(blind, "CreateCacheEntry", $$"""{"key":"k","version":"{{CacheServer.Version}}"}""")).Json.GetProperty("ok").GetBoolean());
        foreach (var word in (string[])["quarantine", "release", "delete"]) await ChangeAsync(word, $$"""{"producer":{"subject":"{{machine}}"} }""");
        await _server.SaveAsync(machine, "k");
        await _server.Server.SendAsync(HttpMethod.Delete, $"{Home}/entries/{(await EntriesAsync("?state=ready"))[0].GetProperty("id").GetString()}", "admin");

        var events = (await _server.Server.GetAsync("/v1/workspaces/acme/audit?limit=100")).Body.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(static line => JsonDocument.Parse(line).RootElement.GetProperty("event"))
            .Where(static one => one.GetProperty("action").GetString()!.StartsWith("cache.", StringComparison.Ordinal)).ToList();

        Assert.Equal(
            [
                "cache.delete allowed", "cache.delete allowed", "cache.quarantine allowed", "cache.read allowed", "cache.read refused", "cache.release allowed", "cache.write allowed", "cache.write allowed",
                "cache.write refused",
            ],
            events.Select(static one => $"{one.GetProperty("action")} {one.GetProperty("decision")}").Order(StringComparer.Ordinal));
        Assert.All(events.Where(static one => one.GetProperty("action").GetString() is "cache.read" or "cache.write"), static one => Assert.Contains(new string('1', 64), one.GetRawText(), StringComparison.Ordinal));
    }

    private Task<Answer> PostAsync(string path, string body) => _server.Server.SendAsync(HttpMethod.Post, path, "admin", body);

    private async Task<long> ChangeAsync(string word, string body)
    {
        var answer = await PostAsync($"{Home}/{word}", body);
        Assert.True(answer.Status == HttpStatusCode.OK, answer.Body);
        return answer.Json.GetProperty("entries").GetInt64();
    }

    private async Task SetAsync(string settings)
    {
        var answer = await _server.Server.PutAsync($"{Home}/settings", settings);
        Assert.True(answer.Status == HttpStatusCode.OK, answer.Body);
    }

    private async Task<List<JsonElement>> EntriesAsync(string query = "") =>
        [.. (await _server.Server.GetAsync($"{Home}/entries{query}")).Json.GetProperty("items").EnumerateArray()];
}
