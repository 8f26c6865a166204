using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests;

[Line("2.8")]
public sealed class QuietMemoryTests : IDisposable
{
    private const long Megabyte = 1024 * 1024;
    private readonly ManualTime _time = new();
    private readonly QuietMemory _memory;
    private long _allocated;
    private long _inUse;
    private int _collected;

    public QuietMemoryTests() => _memory = new QuietMemory(_time, () => _inUse, () => _allocated, () => _collected++);

    public void Dispose() => _memory.Dispose();

    [Fact]
    public void Nothing_is_stopped_while_there_is_work_and_memory_goes_back_once_when_it_has_ended()
    {
        for (var i = 0; i < 100; i++) Assert.False(After(50));

        Assert.True(After(1));
        for (var i = 0; i < 50; i++) Assert.False(After(1));
    }

    [Fact]
    public void A_server_that_never_was_busy_is_never_stopped()
    {
        for (var i = 0; i < 60; i++) Assert.False(After(1));
    }

    [Fact]
    public void Each_busy_time_is_followed_by_one_look()
    {
        for (var i = 0; i < 3; i++)
        {
            Assert.False(After(100));
            Assert.True(After(0));
            Assert.False(After(0));
        }
    }

    [Fact]
    public void Where_so_much_is_in_use_that_everybody_would_wait_long_nothing_is_stopped()
    {
        _inUse = 257 * Megabyte;
        After(100);
        for (var i = 0; i < 60; i++) Assert.False(After(0));

        _inUse = 200 * Megabyte;
        Assert.True(After(0));
    }

    [Fact]
    public async Task It_looks_while_the_server_runs()
    {
        await _memory.StartAsync(TestContext.Current.CancellationToken);
        _allocated = 100 * Megabyte;

        await Eventually.HoldsAsync(
            () =>
            {
                _time.Advance(TimeSpan.FromSeconds(5));
                return Task.FromResult(Volatile.Read(ref _collected) == 1);
            },
            "it has looked");
        await _memory.StopAsync(TestContext.Current.CancellationToken);
    }

    private bool After(long megabytes)
    {
        _allocated += megabytes * Megabyte;
        return _memory.Look();
    }
}
