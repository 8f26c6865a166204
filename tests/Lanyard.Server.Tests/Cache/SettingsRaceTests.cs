using Lanyard.Identity;
using Lanyard.Protocol.Runtime;
using Lanyard.Server.Audit;
using Lanyard.Server.Cache;
using Lanyard.Server.Cache.Limits;
using Lanyard.Server.Http;
using Lanyard.Server.Storage;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

[Line("4.7")]
[Needs("postgres")]
public sealed class SettingsRaceTests
{
    private readonly ManualTime _time = new(DateTimeOffset.FromUnixTimeSeconds(1_900_000_000));

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Of_two_who_write_the_first_settings_on_two_replicas_one_is_told_that_it_knew_of_none()
    {
        await using var test = await TestDatabase.CreateAsync(DatabaseKind.Postgres);
        await using var other = test.OpenAnother();
        await test.Database.ExecuteAsync($"insert into workspaces (id, slug, version, created, updated, spec) values ('ws_1', 'a', 1, 1, 1, {"{}"})");
        var commits = await HeldCommits.OfAsync(test.Database, "cache_settings");

        var first = PutAsync(test.Database, 3);
        await commits.WaitersAsync(1);
        var second = PutAsync(other, 4);
        await commits.WaitersAsync(2);
        await commits.LetGoAsync();

        Assert.Equal(1, (await first).Value.Version);
        Assert.True((await second).TryGet(out _, out var refusal) is false && refusal.Reason == RefusalReason.PreconditionFailed);
        Assert.Equal(["""{"unusedDays":3}"""], await test.Database.QueryAsync($"select spec from cache_settings", static row => row.GetString(0)));
    }

    private Task<Outcome<KeptSettings>> PutAsync(Database database, int days)
    {
        var audit = new AuditLog(database, new AuditOptions(), _time, NullLogger<AuditLog>.Instance);
        var settings = new CacheSettingsDirectory(database, audit, new CacheOptions { Folder = "/" }, new CacheTally(_time), _time);
        return settings.PutAsync("ws_1", new CacheSettings { UnusedDays = days }, Precondition.OnlyNew, new AuditEvent("cache.settings"), Cancel);
    }
}
