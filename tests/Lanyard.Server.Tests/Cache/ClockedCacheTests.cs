using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>A server with a cache for each test, at a time that the test sets.</summary>
public abstract class ClockedCacheTests(DatabaseKind kind) : IAsyncLifetime
{
    protected DatabaseKind Kind { get; } = kind;

    internal ManualTime Time { get; } = new(DateTimeOffset.FromUnixTimeSeconds(1_900_000_000));

    internal CacheServer Cache { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Cache = await CacheServer.StartAsync(Kind, Time);

    public async ValueTask DisposeAsync()
    {
        if (Cache is not null) await Cache.DisposeAsync();
        GC.SuppressFinalize(this);
    }
}
