using Lanyard.Server.Federation;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Federation;

/// <summary>What is read once and kept until it is forgotten.</summary>
[Line("6.5")]
public sealed class ReloadableTests
{
    private readonly List<TaskCompletionSource<string>> _readings = [];

    [Fact]
    public async Task Whoever_asks_after_a_change_gets_nothing_that_was_read_before_it()
    {
        using var value = Create();
        var before = value.GetAsync(default).AsTask();
        value.Forget();
        var after = value.GetAsync(default).AsTask();
        _readings[0].SetResult("old");
        Assert.Equal("old", await before);
        await Eventually.HoldsAsync(() => Task.FromResult(_readings.Count == 2), "it is read again");
        _readings[1].SetResult("new");

        Assert.Equal("new", await after);
        Assert.Equal("new", await value.GetAsync(default));
        Assert.Equal(2, _readings.Count);
    }

    /// <summary>Where it is forgotten faster than it is read, a hundred who wait would otherwise read one after another.</summary>
    [Fact]
    public async Task Those_who_wait_share_one_reading_although_it_is_forgotten_meanwhile()
    {
        using var value = Create();
        var first = value.GetAsync(default).AsTask();
        value.Forget();
        Task<string>[] waiting = [.. Enumerable.Range(0, 100).Select(_ => value.GetAsync(default).AsTask())];
        _readings[0].SetResult("old");
        await first;
        await Eventually.HoldsAsync(() => Task.FromResult(_readings.Count == 2), "it is read again");
        value.Forget();
        _readings[1].SetResult("new");

        Assert.All(await Task.WhenAll(waiting).WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken), static one => Assert.Equal("new", one));
        Assert.Equal(2, _readings.Count);
    }

    private Reloadable<string> Create() => new(_ =>
    {
        var reading = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        _readings.Add(reading);
        return reading.Task;
    });
}
