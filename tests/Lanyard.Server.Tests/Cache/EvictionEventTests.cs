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
public abstract class EvictionEventTests(DatabaseKind kind) : IAsyncLifetime
{
    private readonly ManualTime _time = new(DateTimeOffset.FromUnixTimeSeconds(1_900_000_000));
    private CacheServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await CacheServer.StartAsync(kind, _time);

    public async ValueTask DisposeAsync()
    {
        if (_server is not null) await _server.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [InlineData("quota")]
    [InlineData("unused")]
    public async Task An_eviction_that_can_not_be_recorded_takes_nothing_out_and_one_that_is_done_names_every_entry_once(string why)
    {
        var machine = await _server.MachineAsync();
        for (var i = 0; i < 60; i++) await _server.SaveAsync(machine, $"k{i}", new byte[10]);
        var all = await IdsAsync();
        if (why == "quota") Assert.Equal(200, (int)(await _server.Server.PutAsync("/v1/workspaces/acme/cache/settings", """{"repositoryBytes":1}""")).Status);
        else await _server.Server.Database.ExecuteAsync($"update cache_entries set used_at = {_time.GetUtcNow() - TimeSpan.FromDays(8)}");

        await FullAudit.BreakAsync(_server.Server.Database, kind);
        await Assert.ThrowsAnyAsync<DbException>(SweepAsync);
        Assert.Equal(all, await IdsAsync());
        Assert.Empty(await NamedAsync(why));
        Assert.Equal(60, _server.Files.Count);
        await FullAudit.MendAsync(_server.Server.Database, kind);

        await SweepAsync();
        Assert.Empty(await IdsAsync());
        Assert.Equal(all, (await NamedAsync(why)).Order());
        Assert.Empty(_server.Files);
        Assert.True((await _server.Server.GetAsync("/v1/audit/verify")).Json.GetProperty("intact").GetBoolean());
    }

    private Task<int> SweepAsync() => _server.Server.Services.GetRequiredService<CacheEvictor>().SweepAsync(CancellationToken.None);

    private Task<List<long>> IdsAsync() => _server.Server.Database.QueryAsync($"select id from cache_entries where state = 'ready' order by id", static row => row.GetInt64(0));

    /// <summary>Ids in the events, as often as they are there.</summary>
    private async Task<IReadOnlyList<long>> NamedAsync(string why)
    {
        var bodies = await _server.Server.Database.QueryAsync($"select event from audit_events where action = 'cache.evict'", static row => row.GetString(0));
        var details = bodies.Select(static body => JsonDocument.Parse(body).RootElement.GetProperty("details")).ToList();
        Assert.All(details, one => Assert.Equal(why, one.GetProperty("why").GetString()));
        return [.. details.SelectMany(static one => one.GetProperty("entries").GetString()!.Split(' ')).Select(static id => long.Parse(id, CultureInfo.InvariantCulture))];
    }
}
