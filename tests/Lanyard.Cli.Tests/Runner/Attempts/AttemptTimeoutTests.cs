using Lanyard.Cli.Runner.Attempts;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Attempts;

/// <summary>An attempt's time, which the server may extend while it goes on, and never shorten.</summary>
[Line("4.2")]
public sealed class AttemptTimeoutTests
{
    private readonly ManualTime _time = new();
    private int _ended;

    [Fact]
    public void It_ends_once_after_its_time_and_not_before()
    {
        using var timeout = new AttemptTimeout(TimeSpan.FromSeconds(60), _time);
        using var registration = timeout.Begin(() => _ended++);

        _time.Advance(TimeSpan.FromSeconds(59));
        Assert.Equal(0, _ended);
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(1, _ended);
    }

    [Fact]
    public void More_time_counts_from_its_start_and_less_is_not_heard()
    {
        using var timeout = new AttemptTimeout(TimeSpan.FromSeconds(60), _time);
        using var registration = timeout.Begin(() => _ended++);

        _time.Advance(TimeSpan.FromSeconds(50));
        timeout.LastFor(TimeSpan.FromSeconds(100));
        timeout.LastFor(TimeSpan.FromSeconds(10));
        _time.Advance(TimeSpan.FromSeconds(49));
        Assert.Equal((0, 100), (_ended, timeout.Seconds));
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(1, _ended);
    }

    [Fact]
    public void More_time_that_comes_before_the_start_or_after_the_end_does_no_harm()
    {
        using var timeout = new AttemptTimeout(TimeSpan.FromSeconds(60), _time);
        timeout.LastFor(TimeSpan.FromSeconds(120));
        using var registration = timeout.Begin(() => _ended++);
        _time.Advance(TimeSpan.FromSeconds(119));
        Assert.Equal(0, _ended);
        _time.Advance(TimeSpan.FromSeconds(2));
        timeout.LastFor(TimeSpan.FromSeconds(500));
        Assert.Equal(1, _ended);
        timeout.Dispose();
        timeout.LastFor(TimeSpan.FromSeconds(900));
    }
}
