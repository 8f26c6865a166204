using System.Net;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
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
}
