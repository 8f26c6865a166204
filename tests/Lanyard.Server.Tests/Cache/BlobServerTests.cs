using System.Net;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>A server with a cache, at a time that the test sets, and a machine that may write to it.</summary>
public abstract class BlobServerTests : IAsyncLifetime
{
    private protected ManualTime Time { get; } = new(DateTimeOffset.FromUnixTimeSeconds(1_900_000_000));

    private protected CacheServer Cache { get; private set; } = null!;

    private protected string Machine { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Cache = await CacheServer.StartAsync(time: Time, configure: options => options with { MaxEntryBytes = 8 << 20 });
        Machine = await Cache.MachineAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await Cache.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private protected async Task BlockAsync(string url, string name, byte[] content)
    {
        var answer = await Cache.PutAsync(url, content, $"&comp=block&blockid={Uri.EscapeDataString(CacheServer.BlockId(name))}");
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
    }
}
