using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Runs;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("5.5")]
public sealed class SqliteRunnerDispatchTests() : RunnerDispatchContract(DatabaseKind.Sqlite);

[Line("5.5")]
[Needs("postgres")]
public sealed class PostgresRunnerDispatchTests() : RunnerDispatchContract(DatabaseKind.Postgres);

/// <summary>What one runner gets: cordoned, changed, ephemeral, or hiding what it holds; on every database.</summary>
public abstract class RunnerDispatchContract(DatabaseKind kind) : DispatchTestBase(kind)
{
    [Fact]
    public async Task A_runner_that_hides_what_it_holds_gets_no_more_than_its_limit()
    {
        var runner = await _runs.RunnerAsync("rnr_1", "col_1") with { Concurrency = 2 };
        for (var i = 0; i < 6; i++)
            await _runs.CreateRunAsync();
        var offers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => _runs.PollAsync(runner, 3, TimeSpan.Zero, Cancel)));
        Assert.Equal(2, offers.Sum(o => o.Count));
        var other = await _runs.RunnerAsync("rnr_2", "col_1");
        Assert.NotNull(await _runs.OfferAsync(other));
    }

    [Fact]
    public async Task A_cordoned_runner_takes_runs_that_name_it_and_no_other()
    {
        var runner = await _runs.RunnerAsync("rnr_1", "col_1") with { State = RunnerStates.Cordoned };
        await _runs.CreateRunAsync();
        Assert.Null(await _runs.OfferAsync(runner));
        var poll = _runs.PollAsync(runner, 1, Long, Cancel);
        await _runs.CreateRunAsync();
        Assert.False(poll.IsCompleted);
        var named = await _runs.CreateRunAsync(runner: "rnr_1");
        Assert.Equal(named.Id, Assert.Single(await poll.WaitAsync(Deadline, Cancel)).Run);
        Assert.NotNull(await _runs.OfferAsync(await _runs.RunnerAsync("rnr_2", "col_1")));
    }

    [Fact]
    public async Task A_change_of_a_runner_has_its_waiting_poll_answered()
    {
        var runner = await _runs.RunnerAsync("rnr_1", "col_1");
        var poll = _runs.PollAsync(runner, 1, Long, Cancel);
        _runs.Directory.Rewritten("rnr_1");
        Assert.Empty(await poll.WaitAsync(Deadline, Cancel));
    }

    [Fact]
    public async Task An_ephemeral_runner_gets_one_run_however_often_it_asks_and_is_gone_a_minute_after_its_end()
    {
        var runner = await _runs.RunnerAsync("rnr_1", "col_1") with { IsEphemeral = true };
        for (var i = 0; i < 4; i++)
            await _runs.CreateRunAsync();
        var offers = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => _runs.PollAsync(runner, 3, TimeSpan.Zero, Cancel)));
        var offer = Assert.Single(offers.SelectMany(o => o));
        await _runs.AcceptAsync(runner, offer);
        await _runs.EndAsync(runner, offer);
        Assert.Null(await _runs.OfferAsync(runner));
        await _runs.Ephemeral.RemoveSpentAsync(Cancel);
        Assert.NotNull(await _runs.Runners.FindAsync("rnr_1", Cancel));
        _time.Advance(EphemeralRunners.Linger);
        await _runs.Ephemeral.RemoveSpentAsync(Cancel);
        Assert.Null(await _runs.Runners.FindAsync("rnr_1", Cancel));
        Assert.Equal(RunStates.Succeeded, (await _runs.GetAsync(offer.Run)).State);
    }

    [Fact]
    public async Task An_offer_that_an_ephemeral_runner_let_lapse_was_not_its_one_run_and_an_attempt_that_it_lost_was()
    {
        var runner = await _runs.RunnerAsync("rnr_1", "col_1") with { IsEphemeral = true };
        await _runs.CreateRunAsync();
        await _runs.OfferAsync(runner);
        _time.Advance(TimeSpan.FromSeconds(20));
        await _runs.Sweeper.SweepAsync(Cancel);
        await _runs.Ephemeral.RemoveSpentAsync(Cancel);
        var offer = (await _runs.OfferAsync(runner))!;
        await _runs.AcceptAsync(runner, offer);
        _time.Advance(TimeSpan.FromSeconds(60));
        await _runs.Sweeper.SweepAsync(Cancel);
        Assert.Null(await _runs.OfferAsync(runner));
        var next = (await _runs.OfferAsync(await _runs.RunnerAsync("rnr_2", "col_1")))!;
        Assert.Equal((offer.Run, 3), (next.Run, next.Attempt));
        _time.Advance(EphemeralRunners.Linger);
        await _runs.Ephemeral.RemoveSpentAsync(Cancel);
        Assert.Null(await _runs.Runners.FindAsync("rnr_1", Cancel));
    }
}
