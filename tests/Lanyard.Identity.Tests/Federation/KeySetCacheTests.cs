using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Identity.Tests.Federation;

[Line("2.3")]
public sealed class KeySetCacheTests : IDisposable
{
    private readonly ManualTime _time = new();
    private readonly SigningKey _first = SigningKey.Generate(SignatureAlgorithm.ES256);
    private readonly SigningKey _second = SigningKey.Generate(SignatureAlgorithm.ES256);
    private readonly Dictionary<string, KeptKeys> _database = [];
    private readonly TrustedIssuer _record = new() { Id = "ti_1", Issuer = "https://issuer.example" };
    private Func<TrustedIssuer, Task<Outcome<KeySet>>> _issuer = _ => throw new InvalidOperationException("not asked for yet");
    private readonly List<string> _alarms = [];
    private int _fetches;
    private int _loads;
    private int _lost;

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

    public void Dispose()
    {
        _first.Dispose();
        _second.Dispose();
    }

    private void Publishes(params SigningKey[] keys) => _issuer = _ => Task.FromResult(Outcome.Of(KeySet.Of([.. keys.Select(k => k.Public)])));

    private void Fails() => _issuer = _ => Task.FromResult<Outcome<KeySet>>(new Refusal(RefusalReason.IssuerUnreachable, "down"));

    private Task<Outcome<KeySet>> Ask(KeySetCache cache, string keyId) => cache.GetAsync(_record, keyId, CancellationToken.None).AsTask();

    private KeySetCache Cache() => new(
        new KeyKeeping(
            (id, _) =>
            {
                Interlocked.Increment(ref _loads);
                return Task.FromResult(_database.GetValueOrDefault(id));
            },
            (issuer, keys, _) =>
            {
                _database[issuer.Id] = keys;
                return Task.CompletedTask;
            },
            _ => _lost++,
            (_, refusal) =>
            {
                _alarms.Add(refusal.Detail);
                return Task.CompletedTask;
            }),
        (issuer, _) =>
        {
            Interlocked.Increment(ref _fetches);
            return _issuer(issuer);
        },
        _time);
}
