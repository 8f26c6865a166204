using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Federation;

/// <summary>Which keys serve: what was kept, what was taken back, what can no longer be fetched.</summary>
[Line("2.3")]
public sealed class KeySetCacheTests : KeySetCacheTestBase
{
    [Fact]
    public async Task A_rotated_key_is_found_by_one_fetch()
    {
        Publishes(_first);
        var cache = Cache();
        await Ask(cache, _first.KeyId);
        Publishes(_first, _second);
        _time.Advance(KeySetCache.Cooldown);

        Assert.True((await Ask(cache, _second.KeyId)).Value.Contains(_second.KeyId));
        await Ask(cache, _first.KeyId);
        Assert.Equal(2, _fetches);
    }

    [Fact]
    public async Task A_key_that_the_issuer_took_back_is_gone_with_the_next_fetch()
    {
        Publishes(_first);
        var cache = Cache();
        await Ask(cache, _first.KeyId);
        Publishes(_second);
        _time.Advance(KeySetCache.Cooldown);

        Assert.False((await Ask(cache, _second.KeyId)).Value.Contains(_first.KeyId));
    }

    [Fact]
    public async Task Good_keys_serve_on_however_long_fetches_fail()
    {
        Publishes(_first);
        var cache = Cache();
        await Ask(cache, _first.KeyId);
        Fails();
        for (var day = 0; day < 30; day++)
        {
            _time.Advance(TimeSpan.FromDays(1));
            Assert.True((await Ask(cache, _first.KeyId)).Value.Contains(_first.KeyId));
            Assert.True((await Ask(cache, "unknown")).Value.Contains(_first.KeyId));
        }
    }

    [Fact]
    public async Task Old_keys_are_fetched_anew_beside_the_call_that_uses_them()
    {
        Publishes(_first);
        var cache = Cache();
        await Ask(cache, _first.KeyId);
        var answer = new TaskCompletionSource<Outcome<KeySet>>(TaskCreationOptions.RunContinuationsAsynchronously);
        _issuer = _ => answer.Task;
        _time.Advance(KeySetCache.RefreshAfter);

        var call = cache.GetAsync(_record, _first.KeyId, CancellationToken.None);
        Assert.True(call.IsCompletedSuccessfully, "it waited for the fetch");
        Assert.True((await call).Value.Contains(_first.KeyId));

        // Who needs what is not there yet joins the fetch that runs.
        var joining = Ask(cache, _second.KeyId);
        answer.SetResult(KeySet.Of(_second.Public));
        Assert.True((await joining).Value.Contains(_second.KeyId));
        Assert.Equal(2, _fetches);
    }

    [Fact]
    public async Task Kept_keys_serve_after_a_restart_while_the_issuer_is_down()
    {
        Publishes(_first);
        await Ask(Cache(), _first.KeyId);
        Fails();
        _time.Advance(TimeSpan.FromDays(3));

        var restarted = Cache();

        Assert.True((await restarted.GetAsync(_record, null, CancellationToken.None)).Value.Contains(_first.KeyId));
        Assert.True((await Ask(restarted, _first.KeyId)).Value.Contains(_first.KeyId));
    }

    [Fact]
    public async Task What_was_kept_and_is_no_key_set_is_fetched_anew()
    {
        _database["ti_1"] = new KeptKeys("""{"keys":[]}""", _time.GetUtcNow());
        Publishes(_first);

        Assert.True((await Ask(Cache(), _first.KeyId)).Value.Contains(_first.KeyId));
    }

    [Theory]
    [InlineData(KeySource.Uploaded)]
    [InlineData(KeySource.Pushed)]
    public async Task Uploaded_and_pushed_keys_are_never_fetched(KeySource source)
    {
        Publishes(_second);
        _database["ti_1"] = new KeptKeys(KeySet.Of(_first.Public).ToJson(), _time.GetUtcNow());
        var cache = Cache();
        var record = _record with { Keys = source };
        _time.Advance(TimeSpan.FromDays(400));

        var keys = (await cache.GetAsync(record, _second.KeyId, CancellationToken.None)).Value;

        Assert.True(keys.Contains(_first.KeyId));
        Assert.False(keys.Contains(_second.KeyId));
        Assert.Equal(0, _fetches);
    }

    [Fact]
    [Line("6.4")]
    public async Task Keys_that_can_not_be_fetched_for_a_day_go_on_serving_and_raise_the_alarm()
    {
        Publishes(_first);
        var cache = Cache();
        await Ask(cache, _first.KeyId);
        Fails();
        _time.Advance(KeySetCache.StaleAfter - TimeSpan.FromMinutes(1));
        Assert.True((await Ask(cache, "unknown")).Value.Contains(_first.KeyId));
        Assert.Empty(_alarms);

        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.True((await Ask(cache, "unknown")).Value.Contains(_first.KeyId));
        Assert.Equal(["down"], _alarms);
    }

    [Fact]
    [Line("6.5")]
    public async Task A_key_that_its_issuer_took_back_is_told_of_and_a_further_one_is_not()
    {
        Publishes(_first);
        var cache = Cache();
        await Ask(cache, _first.KeyId);
        Publishes(_first, _second);
        _time.Advance(KeySetCache.Cooldown);
        await Ask(cache, _second.KeyId);
        Assert.Equal(0, _lost);

        Publishes(_second);
        _time.Advance(KeySetCache.Cooldown);
        await Ask(cache, "unknown");
        Assert.Equal(1, _lost);
    }
}
