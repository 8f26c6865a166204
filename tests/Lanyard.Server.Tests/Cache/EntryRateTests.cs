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
public abstract class EntryRateTests(DatabaseKind kind) : IAsyncLifetime
{
    private readonly ManualTime _time = new(DateTimeOffset.FromUnixTimeSeconds(1_900_000_000));
    private CacheServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await CacheServer.StartAsync(kind, _time);

    public async ValueTask DisposeAsync()
    {
        if (_server is not null) await _server.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task Of_many_reservations_at_once_no_more_are_made_than_a_minute_may_have_and_all_others_hear_429()
    {
        Assert.Equal(HttpStatusCode.OK, (await _server.Server.PutAsync("/v1/workspaces/acme/cache/settings", """{"entriesPerMinute":5}""")).Status);
        var machine = await _server.MachineAsync();

        var answers = await Task.WhenAll(Enumerable.Range(0, 60).Select(i => Task.Run(() =>
            _server.TwirpAsync(machine, "CreateCacheEntry", $$"""{"key":"k{{i}}","version":"{{CacheServer.Version}}"}"""))));

        Assert.Equal((5, 55), (answers.Count(static one => one.Status == HttpStatusCode.OK), answers.Count(static one => one.Status == HttpStatusCode.TooManyRequests)));
        await _server.ReserveAsync(await _server.MachineAsync("demo/other"), "k0");
        _time.Advance(TimeSpan.FromSeconds(61));
        await _server.ReserveAsync(machine, "k100");
    }
}
