using Lanyard.ClusterProxy.Authentication;
using Lanyard.Identity;
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

    /// <summary>Whoever has no token can write one with a key id that nobody knows, and all that it costs is a place for as long as the issuer takes.</summary>
    [Fact]
    [Line("3.9")]
    public async Task Of_a_slow_issuer_unknown_key_ids_take_no_more_places_than_they_may_and_known_ones_go_on()
    {
        var gate = new TaskCompletionSource();
        var time = new ManualTime();
        await using var issuer = await TestIssuer.StartAsync();
        var record = JwtAuthenticatorReader.Record(issuer.Issuer, ["k8s"]);
        using var keys = new IssuerKeys(time, mostWaiting: 3);
        Assert.False((await keys.GetAsync(record, issuer.Key.KeyId, default)).IsRefused);
        issuer.OnRequest = async _ =>
        {
            await gate.Task;
            return false;
        };
        time.Advance(TimeSpan.FromMinutes(1));

        var asking = Enumerable.Range(0, 5).Select(i => keys.GetAsync(record, $"unknown-{i}", default).AsTask()).ToList();
        var over = await Task.WhenAll(asking[3..]);

        Assert.All(over, one => Assert.Equal(RefusalReason.TooManyRequests, one.Refusal.Reason));
        Assert.All(asking[..3], one => Assert.False(one.IsCompleted));
        Assert.False((await keys.GetAsync(record, issuer.Key.KeyId, default)).IsRefused);
        gate.SetResult();
        Assert.All(await Task.WhenAll(asking[..3]), one => Assert.False(one.IsRefused));
        Assert.False((await keys.GetAsync(record, "unknown-9", default)).IsRefused);
    }
}
