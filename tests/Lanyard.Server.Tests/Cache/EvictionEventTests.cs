using System.Data.Common;
using System.Globalization;
using System.Text.Json;
using Lanyard.Server.Cache.Limits;
using Lanyard.Server.Tests.Audit;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

[Line("4.7")]
[Line("4.8")]
public sealed class SqliteEvictionEventTests() : EvictionEventTests(DatabaseKind.Sqlite);

[Line("4.7")]
[Line("4.8")]
[Needs("postgres")]
public sealed class PostgresEvictionEventTests() : EvictionEventTests(DatabaseKind.Postgres);

/// <summary>What an eviction takes out and the event that names it are on disk together or not at all.</summary>
public abstract class EvictionEventTests(DatabaseKind kind) : ClockedCacheTests(kind)
{
    [Theory]
    [InlineData("quota")]
    [InlineData("unused")]
    public async Task An_eviction_that_can_not_be_recorded_takes_nothing_out_and_one_that_is_done_names_every_entry_once(string why)
    {
        var machine = await Cache.MachineAsync();
        for (var i = 0; i < 60; i++) await Cache.SaveAsync(machine, $"k{i}", new byte[10]);
        var all = await IdsAsync();
        if (why == "quota") Assert.Equal(200, (int)(await Cache.Server.PutAsync("/v1/workspaces/acme/cache/settings", """{"repositoryBytes":1}""")).Status);
        else await Cache.Server.Database.ExecuteAsync($"update cache_entries set used_at = {Time.GetUtcNow() - TimeSpan.FromDays(8)}");

        await FullAudit.BreakAsync(Cache.Server.Database, Kind);
        await Assert.ThrowsAnyAsync<DbException>(SweepAsync);
        Assert.Equal(all, await IdsAsync());
        Assert.Empty(await NamedAsync(why));
        Assert.Equal(60, Cache.Files.Count);
        await FullAudit.MendAsync(Cache.Server.Database, Kind);

        await SweepAsync();
        Assert.Empty(await IdsAsync());
        Assert.Equal(all, (await NamedAsync(why)).Order());
        Assert.Empty(Cache.Files);
        Assert.True((await Cache.Server.GetAsync("/v1/audit/verify")).Json.GetProperty("intact").GetBoolean());
    }

    private Task<int> SweepAsync() => Cache.Server.Services.GetRequiredService<CacheEvictor>().SweepAsync(CancellationToken.None);

    private Task<List<long>> IdsAsync() => Cache.Server.Database.QueryAsync($"select id from cache_entries where state = 'ready' order by id", static row => row.GetInt64(0));

    /// <summary>Ids in the events, as often as they are there.</summary>
    private async Task<IReadOnlyList<long>> NamedAsync(string why)
    {
        var bodies = await Cache.Server.Database.QueryAsync($"select event from audit_events where action = 'cache.evict'", static row => row.GetString(0));
        var details = bodies.Select(static body => JsonDocument.Parse(body).RootElement.GetProperty("details")).ToList();
        Assert.All(details, one => Assert.Equal(why, one.GetProperty("why").GetString()));
        return [.. details.SelectMany(static one => one.GetProperty("entries").GetString()!.Split(' ')).Select(static id => long.Parse(id, CultureInfo.InvariantCulture))];
    }
}
