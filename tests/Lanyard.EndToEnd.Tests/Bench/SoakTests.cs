using Lanyard.Bench.Proxy;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Bench;

/// <summary>A minute of <c>bench/run proxy-soak</c>.</summary>
public sealed class SoakTests
{
    /// <summary>A build that is not optimised goes on compiling; what thousands of watches would leave behind is far more.</summary>
    private const double Slack = 40;

    [Fact]
    [Line("3.6")]
    [Line("3.9")]
    public async Task Watches_that_come_and_go_refusals_and_clients_that_go_away_leave_nothing_behind()
    {
        var soak = await SoakBench.MeasureAsync(Repo.Lanyard, TimeSpan.FromSeconds(60));

        Assert.True(soak.Rounds >= 5, $"{soak.Rounds} rounds in a minute");
        Assert.True(soak.Late <= soak.Early + Slack, $"{soak.Early:0} MB in the second fifth, {soak.Late:0} MB in the last, {soak.Rounds} rounds");

        // Each further one keeps what connections once needed of it: that grows for hours. Those of the runtime's own first threads are there before anything can be said.
        Assert.InRange(soak.HeapsAtEnd, 1, Math.Max(soak.HeapsAtStart, Math.Max(2, Environment.ProcessorCount)));
    }
}
