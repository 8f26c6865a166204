using Lanyard.Server.Cache;
using Lanyard.Server.Storage;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>New entries a minute, counted by two replicas at once.</summary>
[Line("4.7")]
[Needs("postgres")]
public sealed class ReplicaRateTests : IAsyncLifetime
{
    private readonly ManualTime _time = new(DateTimeOffset.FromUnixTimeSeconds(1_900_000_000));
    private TestDatabase _test = null!;
    private Database _other = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _test = await TestDatabase.CreateAsync(DatabaseKind.Postgres);
        _other = _test.OpenAnother();
        await _test.Database.ExecuteAsync($"insert into workspaces (id, slug, version, created, updated, spec) values ('ws_1', 'a', 1, 1, 1, {"{}"})");
    }

    public async ValueTask DisposeAsync()
    {
        await _other.DisposeAsync();
        await _test.DisposeAsync();
    }

    [Fact]
    public async Task An_entry_that_another_replica_is_writing_is_counted()
    {
        var commits = await HeldCommits.OfAsync(_test.Database, "cache_entries");
        var first = InsertAsync(_test.Database, "a", 1);
        await commits.WaitersAsync(1);
        var second = InsertAsync(_other, "b", 1);
        await commits.WaitersAsync(2);
        await commits.LetGoAsync();

        Assert.Equal(("a", null), ((await first)?.Key, (await second)?.Key));
    }

    [Fact]
    public async Task Of_many_that_two_replicas_write_at_once_no_more_are_made_than_a_minute_may_have_and_none_waits_for_ever()
    {
        var made = await Task.WhenAll(Enumerable.Range(0, 400).Select(i => Task.Run(() => InsertAsync(i % 2 == 0 ? _test.Database : _other, $"k{i}", 20, $"demo/app{i / 2 % 3}"))));

        Assert.Equal(60, made.Count(static entry => entry is not null));
        Assert.Equal(60, await _test.Database.ScalarAsync($"select count(*) from cache_entries"));
    }

    private Task<CacheEntry?> InsertAsync(Database database, string key, long perMinute, string repository = "demo/app") => new CacheEntryStore(database, _time).InsertAsync(
        new CacheName("ws_1", repository, "refs/heads/main", "v", key), "machine_1", new CacheProvenance("machine_1", repository, null, null, null, ""), _time.GetUtcNow(), false, perMinute, Cancel);
}
