using Lanyard.ClusterProxy.Authentication;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Authentication;

[Line("3.1")]
public sealed class IssuerKeysTests
{
    [Fact]
    public async Task Readiness_waits_two_seconds_for_all_slow_issuers_together_and_knows_the_quick_one()
    {
        var time = new ManualTime();
        var gate = new TaskCompletionSource();
        await using var slow = await TestIssuer.StartAsync();
        await using var quick = await TestIssuer.StartAsync();
        slow.OnRequest = async _ =>
        {
            await gate.Task;
            return false;
        };
        using var keys = new IssuerKeys(time);
        keys.Use([.. Enumerable.Range(0, 60).Select(i => JwtAuthenticatorReader.Record($"{slow.Issuer}/{i}", ["k8s"])), JwtAuthenticatorReader.Record(quick.Issuer, ["k8s"])]);
        await Eventually.HoldsAsync(async () => !(await keys.GetAsync(JwtAuthenticatorReader.Record(quick.Issuer, ["k8s"]), null, default)).IsRefused, "the quick issuer's keys");

        var asking = keys.StateAsync(default);
        await Eventually.HoldsAsync(
            () =>
            {
                time.Advance(TimeSpan.FromMilliseconds(100));
                return Task.FromResult(asking.IsCompleted);
            },
            "an answer");

        var states = await asking;
        Assert.Equal(60, states.Count(s => s.Missing is not null));
        Assert.Null(states[^1].Missing);
        gate.SetResult();
    }
}
