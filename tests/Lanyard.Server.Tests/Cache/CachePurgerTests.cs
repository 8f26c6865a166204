using System.IO.Pipelines;
using Lanyard.Protocol.Telemetry;
using Lanyard.Server.Cache;
using Lanyard.Server.Cache.Blobs;
using Lanyard.Server.Cache.Limits;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

[Line("4.7")]
public sealed class SqliteCachePurgerTests() : CachePurgerTests(DatabaseKind.Sqlite);

[Line("4.7")]
[Needs("postgres")]
public sealed class PostgresCachePurgerTests() : CachePurgerTests(DatabaseKind.Postgres);

/// <summary>Bytes that the store does not let go.</summary>
public abstract class CachePurgerTests(DatabaseKind kind) : IAsyncLifetime
{
    private readonly ManualTime _time = new(DateTimeOffset.FromUnixTimeSeconds(1_900_000_000));
    private readonly StubbornStore _store = new();
    private CacheServer _server = null!;
    private string _workspace = "";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _server = await CacheServer.StartAsync(kind, _time, more: services => services.AddSingleton<BlobStore>(_store));
        _workspace = (await _server.Server.GetAsync("/v1/workspaces/acme")).Json.GetProperty("id").GetString()!;
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null) await _server.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task However_many_stand_before_them_all_others_go()
    {
        for (var i = 0; i < EvictionPace.Step + 10; i++) await AddAsync(isKept: true, readUntil: i);
        var good = new List<string>();
        for (var i = 0; i < 3; i++) good.Add(await AddAsync(isKept: false, readUntil: 1000 + i));

        await PurgeAsync();
        await PurgeAsync();

        Assert.Equal(good, _store.Deleted);
        Assert.Equal(EvictionPace.Step + 10, await _server.Server.Database.ScalarAsync($"select count(*) from cache_entries where state = 'gone'"));
        var text = new PrometheusText();
        _server.Server.Services.GetRequiredService<CacheMetrics>().Write(text);
        Assert.Contains($"lanyard_cache_delete_failures_total {EvictionPace.Step + 10}\n", text.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_waits_for_it_does_not_wait_for_everything_that_is_there()
    {
        for (var i = 0; i < EvictionPace.Step + 10; i++) await AddAsync(isKept: false, readUntil: i);
        _store.Deleting = () => _time.Advance(TimeSpan.FromSeconds(1));

        await _server.Server.Services.GetRequiredService<CachePurger>().PurgeAsync(Cancel, CachePurger.Awaited);
        Assert.Equal(EvictionPace.Step, _store.Deleted.Count);

        await PurgeAsync();
        Assert.Equal(EvictionPace.Step + 10, _store.Deleted.Count);
    }

    [Fact]
    public async Task One_is_tried_again_for_ever_and_less_and_less_often_and_goes_when_the_store_lets_it()
    {
        var blob = await AddAsync(isKept: true, readUntil: 0);
        foreach (var minutes in (int[])[5, 10, 20, 40, 80, 160, 320, 320, 320])
        {
            await PurgeAsync();
            var next = await _server.Server.Database.ScalarAsync($"select read_until from cache_entries where blob = {blob}");
            Assert.Equal(TimeSpan.FromMinutes(minutes), DateTimeOffset.FromUnixTimeMilliseconds(next!.Value) - _time.GetUtcNow());
            var tries = _store.Tries;

            // Before that it is left alone.
            await PurgeAsync();
            Assert.Equal(tries, _store.Tries);
            await _server.Server.Database.ExecuteAsync($"update cache_entries set read_until = 0 where blob = {blob}");
        }

        _store.Kept.Clear();
        await PurgeAsync();
        Assert.Equal([blob], _store.Deleted);
    }

    private Task PurgeAsync() => _server.Server.Services.GetRequiredService<CachePurger>().PurgeAsync(Cancel);

    /// <returns>The blob of an entry that is out of service.</returns>
    private async Task<string> AddAsync(bool isKept, long readUntil)
    {
        var entries = new CacheEntryStore(_server.Server.Database, _time);
        var entry = await entries.InsertAsync(
            new CacheName(_workspace, "demo/app", "refs/heads/main", "v", $"k{readUntil}"), "machine_1", new CacheProvenance("machine_1", "demo/app", null, null, null, ""), _time.GetUtcNow(), false, 0, Cancel);
        Assert.True(await entries.AbandonAsync(entry!, isOver: true, Cancel));
        await _server.Server.Database.ExecuteAsync($"update cache_entries set read_until = {readUntil} where id = {entry!.Id}");
        if (isKept) _store.Kept.Add(entry.Blob);
        return entry.Blob;
    }

    private sealed class StubbornStore : BlobStore
    {
        public HashSet<string> Kept { get; } = [];

        public List<string> Deleted { get; } = [];

        public int Tries { get; private set; }

        public Action? Deleting { get; set; }

        public override ValueTask DeleteAsync(string blob)
        {
            Tries++;
            Deleting?.Invoke();
            if (Kept.Contains(blob)) throw new BlobStoreException(new IOException("it is held"));
            Deleted.Add(blob);
            return ValueTask.CompletedTask;
        }

        public override Task<StoredSegment?> WriteAsync(string blob, Stream body, long length, WorkspaceKey key, CancellationToken cancellationToken) => throw new NotSupportedException();

        public override ValueTask<bool> HasAsync(string blob, Func<Task<List<(string Segment, long Length)>>> segments, CancellationToken cancellationToken) => throw new NotSupportedException();

        public override Task CopyAsync(string blob, IReadOnlyList<Extent> extents, ByteRange range, WorkspaceKey key, PipeWriter to, CancellationToken cancellationToken) => throw new NotSupportedException();

        public override ValueTask DeleteAsync(string blob, IReadOnlyList<string> segments) => throw new NotSupportedException();

        public override ValueTask<int> CountAsync(string blob) => throw new NotSupportedException();

        public override ValueTask DeleteAllButAsync(string blob, IReadOnlySet<string> segments) => throw new NotSupportedException();
    }
}
