using System.Net;
using Lanyard.Server.Cache.Limits;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

[Line("4.7")]
public sealed class SqliteEntryRateTests() : EntryRateTests(DatabaseKind.Sqlite);

[Line("4.7")]
[Needs("postgres")]
public sealed class PostgresEntryRateTests() : EntryRateTests(DatabaseKind.Postgres);

/// <summary>New entries a minute, where all come in the same moment.</summary>
public abstract class EntryRateTests(DatabaseKind kind) : ClockedCacheTests(kind)
{
    [Fact]
    public async Task Of_many_reservations_at_once_no_more_are_made_than_a_minute_may_have_and_all_others_hear_429()
    {
        Assert.Equal(HttpStatusCode.OK, (await Cache.Server.PutAsync("/v1/workspaces/acme/cache/settings", """{"entriesPerMinute":5}""")).Status);
        var machine = await Cache.MachineAsync();

        var answers = await Task.WhenAll(Enumerable.Range(0, 60).Select(i => Task.Run(() =>
            Cache.TwirpAsync(machine, "CreateCacheEntry", $$"""{"key":"k{{i}}","version":"{{CacheServer.Version}}"}"""))));

        Assert.Equal((5, 55), (answers.Count(static one => one.Status == HttpStatusCode.OK), answers.Count(static one => one.Status == HttpStatusCode.TooManyRequests)));
        await Cache.ReserveAsync(await Cache.MachineAsync("demo/other"), "k0");
        Time.Advance(TimeSpan.FromSeconds(61));
        await Cache.ReserveAsync(machine, "k100");
    }

    [Fact]
    public async Task Whoever_takes_away_what_he_makes_makes_no_more_in_a_minute_than_others()
    {
        Assert.Equal(HttpStatusCode.OK, (await Cache.Server.PutAsync("/v1/workspaces/acme/cache/settings", """{"entriesPerMinute":3}""")).Status);
        var machine = await Cache.MachineAsync();
        for (var i = 0; i < 3; i++)
        {
            await Cache.SaveAsync(machine, $"k{i}");
            Assert.Equal(1, await DeleteAllAsync());
        }

        Assert.Empty(Cache.Files);
        Assert.Equal(0, (await Cache.Server.GetAsync("/v1/workspaces/acme/cache/entries")).Json.GetProperty("items").GetArrayLength());
        var refused = await Cache.TwirpAsync(machine, "CreateCacheEntry", $$"""{"key":"k9","version":"{{CacheServer.Version}}"}""");
        Assert.Equal(HttpStatusCode.TooManyRequests, refused.Status);

        // A workspace that is empty is not kept by what is merely counted.
        Time.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal(HttpStatusCode.NoContent, (await Cache.Server.SendAsync(HttpMethod.Delete, $"/v1/workspaces/acme/machines/{machine}", "admin")).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await Cache.Server.SendAsync(HttpMethod.Delete, "/v1/workspaces/acme", "admin", ifMatch: "*")).Status);
    }

    [Fact]
    public async Task What_is_merely_counted_is_forgotten_after_its_minute()
    {
        var machine = await Cache.MachineAsync();
        await Cache.SaveAsync(machine, "k");
        Assert.Equal(1, await DeleteAllAsync());
        Assert.Equal(1, await Cache.Server.Database.ScalarAsync($"select count(*) from cache_entries"));

        Time.Advance(TimeSpan.FromSeconds(61));
        await Cache.Server.Services.GetRequiredService<CachePurger>().PurgeAsync(TestContext.Current.CancellationToken);

        Assert.Equal(0, await Cache.Server.Database.ScalarAsync($"select count(*) from cache_entries"));
    }

    private async Task<long> DeleteAllAsync()
    {
        var answer = await Cache.Server.SendAsync(HttpMethod.Post, "/v1/workspaces/acme/cache/delete", "admin", """{"producer":{"repository":"demo/app"}}""");
        Assert.Equal(HttpStatusCode.OK, answer.Status);
        return answer.Json.GetProperty("entries").GetInt64();
    }
}
