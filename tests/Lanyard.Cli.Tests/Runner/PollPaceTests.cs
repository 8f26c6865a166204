using Lanyard.Cli.Runner;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Cli.Tests.Runner;

/// <summary>A runner that is busy must ask for more at once; one whose attempt will not end must not ask without a pause.</summary>
[Line("5.5")]
public sealed class PollPaceTests
{
    private static readonly TimeSpan AtOnce = TimeSpan.FromMilliseconds(2);
    private readonly PollPace _pace = new();

    [Fact]
    public void Answers_without_work_at_once_are_followed_by_longer_and_longer_pauses_up_to_a_second()
    {
        Assert.Equal([0, 48, 98, 198, 398, 798, 998, 998], Enumerable.Range(0, 8).Select(_ => _pace.After(false, AtOnce).TotalMilliseconds));
    }

    [Fact]
    public void One_that_brings_work_or_was_long_makes_the_next_go_at_once()
    {
        for (var i = 0; i < 8; i++)
            _pace.After(false, AtOnce);
        Assert.Equal(TimeSpan.Zero, _pace.After(true, AtOnce));
        Assert.Equal(TimeSpan.Zero, _pace.After(false, AtOnce));
        Assert.Equal(48, _pace.After(false, AtOnce).TotalMilliseconds);

        Assert.Equal(TimeSpan.Zero, _pace.After(false, TimeSpan.FromSeconds(30)));
        Assert.Equal(TimeSpan.Zero, _pace.After(false, AtOnce));
    }

    [Fact]
    public void A_poll_that_took_longer_than_the_pause_is_followed_at_once()
    {
        for (var i = 0; i < 3; i++)
            _pace.After(false, AtOnce);

        Assert.Equal(TimeSpan.Zero, _pace.After(false, TimeSpan.FromMilliseconds(900)));
    }
}
