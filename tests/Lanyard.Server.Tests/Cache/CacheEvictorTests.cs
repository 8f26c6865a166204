using Lanyard.Server.Audit;
using Lanyard.Server.Cache;
using Lanyard.Server.Cache.Limits;
using Lanyard.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>
/// Evictions that meet: both have counted and chosen before either takes anything out, because something else is being written. On SQLite, where reads are done
/// on the caller's thread, so that a call has come as far as its first write when it returns.
/// </summary>
[Line("4.7")]
public sealed class CacheEvictorTests : IAsyncLifetime
{
    private readonly ManualTime _time = new(DateTimeOffset.FromUnixTimeSeconds(1_900_000_000));
    private readonly BlobReads _reads = new();
    private CacheServer _server = null!;
    private string _workspace = "";

    public async ValueTask InitializeAsync()
    {
        _server = await CacheServer.StartAsync(time: _time);
        _workspace = (await _server.Server.GetAsync("/v1/workspaces/acme")).Json.GetProperty("id").GetString()!;
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Two_at_once_leave_the_branches_alone_where_the_pull_requests_were_enough(bool isOneServer)
    {
        var main = await _server.MachineAsync();
        var pull = await _server.MachineAsync(gitRef: "refs/pull/7/merge");
        await SaveAsync(main, "old");
        await SaveAsync(pull, "new");

        await MeetAsync(isOneServer, quota: 150);

        Assert.Equal(["old"], await LeftAsync());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Two_at_once_take_out_as_much_as_one_would(bool isOneServer)
    {
        var main = await _server.MachineAsync();
        foreach (var key in (string[])["a", "b", "c", "d"]) await SaveAsync(main, key);

        await MeetAsync(isOneServer, quota: 250);

        Assert.Equal(["c", "d"], await LeftAsync());
    }

    [Fact]
    public async Task What_a_look_up_has_given_out_since_it_was_chosen_stays_and_the_next_goes()
    {
        var main = await _server.MachineAsync();
        foreach (var key in (string[])["a", "b", "c"]) await SaveAsync(main, key);
        var evictor = Evictor(quota: 250);
        Task eviction = Task.CompletedTask;

        await WhileWritingAsync(
            () => eviction = evictor.EnforceAsync(_workspace, "demo/app", TestContext.Current.CancellationToken),
            transaction => transaction.ExecuteAsync($"update cache_entries set read_until = {_time.GetUtcNow() + CacheEvictor.Hold} where key = 'a'"));
        await eviction;

        Assert.Equal(["a", "c"], await LeftAsync());
    }

    /// <summary>Whoever counts looks at every entry: a cache that is always just full would be counted, and make way, with each that comes.</summary>
    [Fact]
    public async Task With_what_must_go_a_hundredth_of_the_quota_goes_where_entries_are_that_small()
    {
        var main = await _server.MachineAsync();
        for (var i = 0; i < 6; i++) await SaveAsync(main, $"{i}", bytes: 10);
        await SaveAsync(main, "large", bytes: 1990);

        await Evictor(quota: 2040).EnforceAsync(_workspace, "demo/app", TestContext.Current.CancellationToken);

        // 10 bytes were over, and there are two more of which 20 are made free.
        Assert.Equal(["3", "4", "5", "large"], await LeftAsync());
    }

    [Fact]
    public async Task Of_large_entries_nothing_goes_that_need_not()
    {
        var main = await _server.MachineAsync();
        foreach (var key in (string[])["a", "b", "c", "d"]) await SaveAsync(main, key);

        await Evictor(quota: 399).EnforceAsync(_workspace, "demo/app", TestContext.Current.CancellationToken);

        Assert.Equal(["b", "c", "d"], await LeftAsync());
    }

    private async Task MeetAsync(bool isOneServer, long quota)
    {
        var first = Evictor(quota);
        var second = isOneServer ? first : Evictor(quota);
        Task[] both = [];
        await WhileWritingAsync(() => both =
        [
            first.EnforceAsync(_workspace, "demo/app", TestContext.Current.CancellationToken),
            second.SweepAsync(TestContext.Current.CancellationToken),
        ]);
        await Task.WhenAll(both);
    }

    /// <summary>Acts while a transaction keeps every other write waiting; the transaction's own statement comes after that.</summary>
    private async Task WhileWritingAsync(Action act, Func<Lanyard.Server.Storage.Transaction, Task>? statement = null)
    {
        using var acted = new ManualResetEventSlim();
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var writing = Task.Run(() => _server.Server.Database.TransactionAsync(async transaction =>
        {
            begun.TrySetResult();
            acted.Wait(TimeSpan.FromSeconds(120));
            if (statement is not null) await statement(transaction);
        }));
        await begun.Task;
        act();
        acted.Set();
        await writing;
    }

    /// <summary>A server's, with a quota that the server of this test, which is in nobody's way, does not have.</summary>
    private CacheEvictor Evictor(long quota)
    {
        var services = _server.Server.Services;
        var settings = new CacheSettingsDirectory(_server.Server.Database, services.GetRequiredService<AuditLog>(), new CacheOptions { Folder = "/", RepositoryBytes = quota }, new CacheTally(_time), _time);
        return new CacheEvictor(
            services.GetRequiredService<CacheEvictionStore>(), settings, new CacheTally(_time), services.GetRequiredService<CachePurger>(), _reads,
            services.GetRequiredService<AuditLog>(), _time, NullLogger<CacheEvictor>.Instance);
    }

    private async Task SaveAsync(string bearer, string key, int bytes = 100)
    {
        await _server.SaveAsync(bearer, key, CacheServer.Random(bytes));
        _time.Advance(TimeSpan.FromSeconds(1));
    }

    private async Task<IReadOnlyList<string>> LeftAsync() =>
    [
        .. (await _server.Server.GetAsync("/v1/workspaces/acme/cache/entries?state=ready")).Json.GetProperty("items").EnumerateArray()
            .Select(entry => entry.GetProperty("key").GetString()!).Order(StringComparer.Ordinal),
    ];
}
