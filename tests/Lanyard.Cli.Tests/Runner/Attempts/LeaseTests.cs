using System.Text.Json;
using Lanyard.Cli.Runner;
using Lanyard.Cli.Runner.Attempts;
using Lanyard.Cli.Runner.Server;
using Lanyard.Identity.Tokens;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Attempts;

[Line("2.9")]
public sealed class LeaseTests
{
    private readonly ManualTime _time = new();

    [Fact]
    public void A_lease_counts_from_before_the_call_and_an_older_answer_does_not_shorten_it()
    {
        var lease = new Lease(_time);
        var first = _time.GetTimestamp();
        _time.Advance(TimeSpan.FromSeconds(4));
        var second = _time.GetTimestamp();
        lease.Renew(second, TimeSpan.FromSeconds(30));
        lease.Renew(first, TimeSpan.FromSeconds(30));
        _time.Advance(TimeSpan.FromSeconds(10));

        Assert.Equal(TimeSpan.FromSeconds(20), lease.Remaining);
    }

    [Theory]
    [InlineData(60, 10)]
    [InlineData(6, 60)]
    [InlineData(1, 0)]
    public void Everything_is_killed_before_the_lease_ends(int lease, int grace)
    {
        var (stop, kill) = LeaseFence.Margins(TimeSpan.FromSeconds(lease), TimeSpan.FromSeconds(grace));

        Assert.True(kill > TimeSpan.Zero && kill <= stop && stop <= TimeSpan.FromSeconds(lease) / 2);
    }

    [Fact]
    public async Task A_fence_falls_in_time_and_not_while_the_lease_is_renewed()
    {
        using var stop = new StopSwitch();
        var lease = new Lease(_time);
        lease.Renew(_time.GetTimestamp(), TimeSpan.FromSeconds(30));
        var watch = LeaseFence.WatchAsync(lease, TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(5), stop, _time, CancellationToken.None);

        _time.Advance(TimeSpan.FromSeconds(20));
        lease.Renew(_time.GetTimestamp(), TimeSpan.FromSeconds(30));
        _time.Advance(TimeSpan.FromSeconds(22));
        Assert.Equal(StopReason.None, stop.Reason);

        _time.Advance(TimeSpan.FromSeconds(1.5));
        await Eventually.HoldsAsync(() => Task.FromResult(stop.Reason is StopReason.LeaseEnding), "the steps are asked to end");
        Assert.False(stop.Killed.IsCancellationRequested);

        _time.Advance(TimeSpan.FromSeconds(5));
        await watch.WaitAsync(TimeSpan.FromSeconds(120), TestContext.Current.CancellationToken);
        Assert.True(stop.Killed.IsCancellationRequested && lease.Remaining > TimeSpan.Zero);
    }
}
