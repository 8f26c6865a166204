using Lanyard.Server.Audit;
using Lanyard.Server.Cache;
using Lanyard.Server.Cache.Blobs;
using Lanyard.Server.Cache.Limits;
using Lanyard.Server.Storage;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>Two replicas that make way in one workspace, each for another reason.</summary>
[Line("4.7")]
[Needs("postgres")]
public sealed class ReplicaEvictionTests : IAsyncLifetime
{
    private readonly ManualTime _time = new(DateTimeOffset.FromUnixTimeSeconds(1_900_000_000));
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("lanyard-cache-");
    private readonly List<IAsyncDisposable> _doors = [];
    private TestDatabase _test = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _test = await TestDatabase.CreateAsync(DatabaseKind.Postgres);
        foreach (var workspace in (string[])["ws_1", "ws_2"])
            await _test.Database.ExecuteAsync($"insert into workspaces (id, slug, version, created, updated, spec) values ({workspace}, {workspace}, 1, 1, 1, {"{}"})");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var door in _doors) await door.DisposeAsync();
        await _test.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task What_one_has_begun_to_take_out_for_a_repository_is_not_taken_out_once_more_for_the_workspace()
    {
        foreach (var (repository, key) in ((string, string)[])[("demo/old", "x"), ("demo/old", "y"), ("demo/app", "a"), ("demo/app", "b"), ("demo/app", "c"), ("demo/app", "d")])
            await AddAsync("ws_1", repository, key);

        await MeetAsync(Evictor(repository: 200, workspace: 10_000), Evictor(repository: 10_000, workspace: 450), "ws_1");

        Assert.Equal(["c", "d", "x", "y"], await LeftAsync());
    }

    [Fact]
    public async Task In_another_workspace_nobody_waits()
    {
        foreach (var key in (string[])["a", "b"]) await AddAsync("ws_1", "demo/app", key);
        await using var busy = await new CacheEvictionStore(_test.Database, _time).AloneAsync("ws_2", isWaiting: true, Cancel);

        await Evictor(repository: 150, workspace: 10_000).EnforceAsync("ws_1", "demo/app", Cancel);

        Assert.Equal(["b"], await LeftAsync());
    }

    [Fact]
    public async Task Whoever_looks_at_everything_leaves_a_workspace_to_the_one_that_makes_way_there_and_does_the_others()
    {
        foreach (var (workspace, key) in ((string, string)[])[("ws_1", "a"), ("ws_1", "b"), ("ws_2", "c"), ("ws_2", "d")]) await AddAsync(workspace, "demo/app", key);
        var evictor = Evictor(repository: 10_000, workspace: 150);
        var busy = await new CacheEvictionStore(_test.Database, _time).AloneAsync("ws_1", isWaiting: true, Cancel);

        Assert.Equal(1, await evictor.SweepAsync(Cancel));
        Assert.Equal(["a", "b", "d"], await LeftAsync());

        await busy!.DisposeAsync();
        Assert.Equal(1, await evictor.SweepAsync(Cancel));
        Assert.Equal(["b", "d"], await LeftAsync());
    }

    /// <summary>The first has counted and chosen when the second comes; neither can write before both have come as far as they do.</summary>
    private async Task MeetAsync(CacheEvictor first, CacheEvictor second, string workspace)
    {
        var (isHeld, mayGo) = (new TaskCompletionSource(), new TaskCompletionSource());
        var holding = Task.Run(() => _test.Database.TransactionAsync(async transaction =>
        {
            await transaction.ExecuteAsync($"lock table cache_entries in share row exclusive mode");
            isHeld.SetResult();
            await mayGo.Task;
        }));
        await isHeld.Task;
        var evictions = new List<Task>();
        foreach (var evictor in (CacheEvictor[])[first, second])
        {
            evictions.Add(evictor.EnforceAsync(workspace, "demo/app", Cancel));
            await Eventually.HoldsAsync(
                async () => await _test.Database.ScalarAsync($"select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()") == evictions.Count, "it waits");
        }

        mayGo.SetResult();
        await holding;
        await Task.WhenAll(evictions);
    }

    /// <summary>Of a replica of its own.</summary>
    private CacheEvictor Evictor(long repository, long workspace)
    {
        var database = _test.OpenAnother();
        _doors.Add(database);
        var audit = new AuditLog(database, new AuditOptions(), _time, NullLogger<AuditLog>.Instance);
        var options = new CacheOptions { Folder = _folder.FullName, RepositoryBytes = repository, WorkspaceBytes = workspace };
        var (store, reads) = (new CacheEvictionStore(database, _time), new BlobReads());
        var purger = new CachePurger(store, new FileBlobs(_folder.FullName, _time), reads, new CacheMetrics(), _time, NullLogger<CachePurger>.Instance);
        return new CacheEvictor(
            store, new CacheSettingsDirectory(database, audit, options, new CacheTally(_time), _time), new CacheTally(_time),
            purger, reads, audit, _time, NullLogger<CacheEvictor>.Instance);
    }

    private async Task AddAsync(string workspace, string repository, string key)
    {
        var store = new CacheEntryStore(_test.Database, _time);
        var name = new CacheName(workspace, repository, "refs/heads/main", "v", key);
        await store.InsertAsync(name, "machine_1", new CacheProvenance("machine_1", repository, null, null, null, ""), _time.GetUtcNow(), false, 0, Cancel);
        await _test.Database.ExecuteAsync($"update cache_entries set state = 'ready', size = 100 where key = {key}");
        _time.Advance(TimeSpan.FromSeconds(1));
    }

    private Task<List<string>> LeftAsync() => _test.Database.QueryAsync($"select key from cache_entries where state = 'ready' order by key", static row => row.GetString(0));
}
