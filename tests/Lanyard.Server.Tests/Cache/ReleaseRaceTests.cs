using Lanyard.Server.Audit;
using Lanyard.Server.Cache;
using Lanyard.Server.Cache.Admin;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

[Line("4.8")]
[Needs("postgres")]
public sealed class ReleaseRaceTests
{
    [Fact]
    public async Task What_is_released_while_another_takes_its_key_stays_out_and_the_others_come_back()
    {
        await using var test = await TestDatabase.CreateAsync(DatabaseKind.Postgres);
        var (time, cancel) = (new ManualTime(DateTimeOffset.FromUnixTimeSeconds(1_900_000_000)), TestContext.Current.CancellationToken);
        var audit = new AuditLog(test.Database, new AuditOptions(), time, NullLogger<AuditLog>.Instance);
        await audit.RecordAsync(new AuditEvent("first"));
        var (entries, admin) = (new CacheEntryStore(test.Database, time), new CacheAdminStore(test.Database, audit, time));
        await test.Database.ExecuteAsync($"insert into workspaces (id, slug, version, created, updated, spec) values ('ws_1', 'a', 1, 1, 1, {"{}"})");
        foreach (var key in (string[])["a", "b"]) await InsertAsync(key);
        await test.Database.ExecuteAsync($"update cache_entries set state = 'quarantined', live = false");
        var commits = await HeldCommits.OfAsync(test.Database, "cache_entries");
        var taking = InsertAsync("a");
        await commits.WaitersAsync(1);

        var releasing = admin.ReleaseAsync("ws_1", CacheAdminStore.Of(new Lanyard.Protocol.Runtime.CacheProducer("machine_1", null, null, null, null, null)), static _ => new AuditEvent("release"), cancel);
        await commits.WaitersAsync(2);
        await commits.LetGoAsync();

        Assert.NotNull(await taking);
        Assert.Equal(1, await releasing);
        Assert.Equal(
            ["a pending", "a quarantined", "b ready"],
            await test.Database.QueryAsync($"select key, state from cache_entries order by key, state", static row => $"{row.GetString(0)} {row.GetString(1)}"));

        Task<CacheEntry?> InsertAsync(string key) => entries.InsertAsync(
            new CacheName("ws_1", "demo/app", "refs/heads/main", "v", key), "machine_1", new CacheProvenance("machine_1", "demo/app", null, null, null, ""), time.GetUtcNow(), false, 0, cancel);
    }
}
