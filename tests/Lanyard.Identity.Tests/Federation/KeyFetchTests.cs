using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Federation;

/// <summary>How often an issuer is asked, by however many, and while its record changes.</summary>
[Line("2.3")]
[Line("6.5")]
public sealed class KeyFetchTests : KeySetCacheTestBase
{
    [Fact]
    public async Task However_many_ask_at_once_there_is_one_fetch()
    {
        var answer = new TaskCompletionSource<Outcome<KeySet>>(TaskCreationOptions.RunContinuationsAsynchronously);
        _issuer = _ => answer.Task;
        var cache = Cache();

        var asking = Enumerable.Range(0, 200).Select(_ => Task.Run(() => Ask(cache, _first.KeyId))).ToList();
        answer.SetResult(KeySet.Of(_first.Public));
        var outcomes = await Task.WhenAll(asking);

        Assert.All(outcomes, o => Assert.True(o.Value.Contains(_first.KeyId)));
        Assert.Equal(1, _fetches);
    }

    [Fact]
    public async Task A_thousand_unknown_key_ids_cause_one_fetch_in_thirty_seconds()
    {
        Publishes(_first);
        var cache = Cache();
        await Ask(cache, _first.KeyId);
        _time.Advance(KeySetCache.Cooldown);

        await Parallel.ForAsync(0, 1000, async (i, _) => Assert.False((await Ask(cache, $"unknown-{i}")).Value.Contains($"unknown-{i}")));
        Assert.Equal(2, _fetches);

        _time.Advance(KeySetCache.Cooldown - TimeSpan.FromMilliseconds(1));
        await Ask(cache, "unknown");
        Assert.Equal(2, _fetches);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        await Ask(cache, "unknown");
        Assert.Equal(3, _fetches);
    }

    [Fact]
    public async Task A_failing_issuer_is_asked_no_more_often_and_the_database_neither()
    {
        Fails();
        var cache = Cache();

        await Parallel.ForAsync(0, 1000, async (i, _) => Assert.Equal(RefusalReason.IssuerUnreachable, (await Ask(cache, $"kid-{i}")).Refusal.Reason));

        Assert.Equal((1, 1), (_fetches, _loads));
    }

    [Fact]
    public async Task A_fetch_that_began_before_the_record_changed_gives_the_changed_record_nothing()
    {
        var answer = new TaskCompletionSource<Outcome<KeySet>>(TaskCreationOptions.RunContinuationsAsynchronously);
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _issuer = async issuer =>
        {
            if (issuer.Issuer != _record.Issuer) return KeySet.Of(_second.Public);
            asked.TrySetResult();
            return await answer.Task;
        };
        var cache = Cache();
        var before = Ask(cache, _first.KeyId);
        await asked.Task.WaitAsync(TimeSpan.FromSeconds(120), TestContext.Current.CancellationToken);

        // An admin points the record at another issuer; a call that still has the old one in its hands ends afterwards.
        cache.ForgetAll();
        var changed = _record with { Issuer = "https://other.example" };
        answer.SetResult(KeySet.Of(_first.Public));
        await before;

        Assert.Empty(_database);
        var keys = (await cache.GetAsync(changed, _first.KeyId, CancellationToken.None)).Value;
        Assert.True(keys.Contains(_second.KeyId));
        Assert.False(keys.Contains(_first.KeyId));
    }

    [Fact]
    public async Task Changes_of_records_are_no_leave_to_ask_an_issuer_again_within_thirty_seconds()
    {
        Publishes(_first);
        var cache = Cache();
        await Ask(cache, _first.KeyId);
        for (var i = 0; i < 100; i++)
        {
            cache.ForgetAll();
            Assert.True((await Ask(cache, $"unknown-{i}")).Value.Contains(_first.KeyId));
        }

        Assert.Equal(1, _fetches);
        _time.Advance(KeySetCache.Cooldown);
        cache.ForgetAll();
        await Ask(cache, "unknown");
        Assert.Equal(2, _fetches);
    }

    [Fact]
    public async Task A_change_of_a_record_during_a_fetch_begins_no_second_one()
    {
        var answer = new TaskCompletionSource<Outcome<KeySet>>(TaskCreationOptions.RunContinuationsAsynchronously);
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _issuer = _ =>
        {
            asked.TrySetResult();
            return answer.Task;
        };
        var cache = Cache();
        var before = Ask(cache, _first.KeyId);
        await asked.Task.WaitAsync(TimeSpan.FromSeconds(120), TestContext.Current.CancellationToken);
        cache.ForgetAll();
        var after = Ask(cache, _first.KeyId);
        answer.SetResult(KeySet.Of(_first.Public));

        Assert.True((await before).Value.Contains(_first.KeyId));
        Assert.True((await after).Value.Contains(_first.KeyId));
        Assert.Equal(1, _fetches);
    }

    [Fact]
    public async Task A_record_that_is_changed_to_ask_in_another_way_is_asked_for_at_once()
    {
        Fails();
        var cache = Cache();
        Assert.True((await Ask(cache, _first.KeyId)).IsRefused);
        Publishes(_first);
        foreach (var changed in (TrustedIssuer[])
            [_record with { CaBundlePem = "roots" }, _record with { AllowPrivateAddresses = true }, _record with { JwksHosts = ["keys.example"] }, _record with { DiscoveryUrl = "https://x.example" }])
        {
            cache.ForgetAll();
            Assert.True((await cache.GetAsync(changed, _first.KeyId, CancellationToken.None)).Value.Contains(_first.KeyId));
        }
    }

    [Fact]
    public async Task Who_gives_up_waiting_does_not_end_the_fetch_for_the_others()
    {
        var answer = new TaskCompletionSource<Outcome<KeySet>>(TaskCreationOptions.RunContinuationsAsynchronously);
        _issuer = _ => answer.Task;
        var cache = Cache();
        using var impatient = new CancellationTokenSource();
        var leaving = cache.GetAsync(_record, _first.KeyId, impatient.Token).AsTask();
        var staying = Ask(cache, _first.KeyId);

        await impatient.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => leaving);
        answer.SetResult(KeySet.Of(_first.Public));

        Assert.True((await staying).Value.Contains(_first.KeyId));
    }
}
