using Lanyard.Server.Cache.Limits;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>An eviction makes way for who reads.</summary>
[Line("4.7")]
public sealed class EvictionPaceTests
{
    private readonly ManualTime _time = new();
    private readonly BlobReads _reads = new();

    [Fact]
    public async Task While_nobody_reads_it_goes_on()
    {
        var pace = new EvictionPace(_reads, _time);
        for (var i = 0; i < 3; i++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(10));
            var rest = pace.RestAsync(TestContext.Current.CancellationToken);
            Assert.True(rest.IsCompleted);
            await rest;
        }
    }

    [Fact]
    public async Task While_others_read_it_works_once_in_160_ms_and_no_more_than_half_of_the_time_and_rests_200_ms_at_most()
    {
        var pace = new EvictionPace(_reads, _time);
        foreach (var (worked, rests) in ((int, int)[])[(10, 150), (1, 159), (0, 160), (79, 81), (80, 80), (199, 199), (1000, 200)])
        {
            _reads.Begin("b").Dispose();
            _time.Advance(TimeSpan.FromMilliseconds(worked));
            var rest = pace.RestAsync(TestContext.Current.CancellationToken);
            _time.Advance(TimeSpan.FromMilliseconds(rests - 1));
            Assert.False(rest.IsCompleted);
            _time.Advance(TimeSpan.FromMilliseconds(1));
            await rest;
        }

        // Those of the step before count no more.
        _time.Advance(TimeSpan.FromMilliseconds(10));
        Assert.True(pace.RestAsync(TestContext.Current.CancellationToken).IsCompleted);
    }
}
