using System.Text.Json;
using Lanyard.Cli.Runner;
using Lanyard.Cli.Runner.Attempts;
using Lanyard.Cli.Runner.Server;
using Lanyard.Identity.Tokens;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Cli.Tests.Runner.Server;

[Line("2.9")]
public sealed class BackoffTests
{
    [Fact]
    public void Waits_grow_to_a_limit_with_jitter_and_obey_the_server()
    {
        var backoff = new Backoff(TimeProvider.System, TimeSpan.FromSeconds(4));

        Assert.All(Enumerable.Range(0, 100), round => Assert.InRange(backoff.Next(null), TimeSpan.Zero, TimeSpan.FromSeconds(Math.Min(4, 0.25 * Math.Pow(2, Math.Min(round, 10))))));
        Assert.InRange(backoff.Next(TimeSpan.FromSeconds(20)), TimeSpan.FromSeconds(20), TimeSpan.FromSeconds(24));
        Assert.InRange(backoff.Next(TimeSpan.FromDays(1)), TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(64));
        Assert.True(Enumerable.Range(0, 20).Select(_ => backoff.Next(null)).Distinct().Count() > 5);
    }
}
