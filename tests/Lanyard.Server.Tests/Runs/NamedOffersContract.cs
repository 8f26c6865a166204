using Lanyard.Protocol.Runs;
using Lanyard.Server.Runners;
using Lanyard.Server.Runs;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("2.9")]
public sealed class SqliteNamedOffersStoreTests() : NamedOffersContract(DatabaseKind.Sqlite);

[Line("2.9")]
[Needs("postgres")]
public sealed class PostgresNamedOffersStoreTests() : NamedOffersContract(DatabaseKind.Postgres);

/// <summary>What a replica remembers of the offers that it made is never more than a hint: time, another replica and a new session decide.</summary>
public abstract class NamedOffersContract(DatabaseKind kind) : IAsyncLifetime
{
    private readonly ManualTime _time = new();
    private TestDatabase _test = null!;
    private RunsHarness _runs = null!;
    private ActiveRunner _runner = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _test = await TestDatabase.CreateAsync(kind);
        _runs = RunsHarness.On(_test.Database, _time);
        _runner = await _runs.RunnerAsync("rnr_1", "col_1");
    }

    public async ValueTask DisposeAsync()
    {
        if (_test is not null)
        {
            await _runs.DisposeAsync();
            await _test.DisposeAsync();
        }
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task The_database_is_not_asked_for_offers_that_the_poll_names_all_of_until_it_is_time_to_look_again()
    {
        var offer = await OfferedAsync();
        var session = _runner.Session!.Session;

        Assert.Null(_runs.OffersOut.Look(session, [Naming(offer)]));
        Assert.NotNull(_runs.OffersOut.Look(session, []));
        Assert.NotNull(_runs.OffersOut.Look(session, [Naming(offer) with { Attempt = 2 }, Naming(offer) with { Run = "run_2" }]));
        _time.Advance(OffersOut.LookEvery);
        Assert.NotNull(_runs.OffersOut.Look(session, [Naming(offer)]));
    }

    [Fact]
    public async Task A_named_offer_is_kept_as_long_as_it_stands_and_not_a_moment_longer()
    {
        var offer = await OfferedAsync();
        Assert.Equal(new HoldAnswer(offer.Run, 1, HoldAnswers.Keep, (int)_runs.Rules.Options.Offer.TotalSeconds), await AtOnceAsync(_runner, Naming(offer)));
        _time.Advance(_runs.Rules.Options.Offer);
        Assert.Equal(HoldAnswers.Abandon, (await AtOnceAsync(_runner, Naming(offer))).Answer);
    }

    /// <summary>Its row is locked by nobody: the accept that is on its way would wait for it.</summary>
    [Fact]
    public async Task A_named_offer_that_this_replica_made_is_answered_without_a_write()
    {
        var offer = await OfferedAsync();
        await _runs.Database.ExecuteAsync($"update runs set deadline = 1 where id = {offer.Run}", Cancel);
        Assert.Equal(HoldAnswers.Keep, (await AtOnceAsync(_runner, Naming(offer))).Answer);
        Assert.Equal(HoldAnswers.Abandon, Assert.Single(await _runs.Holds.AnswerAsync(_runner, [Naming(offer)], Cancel)).Answer);
    }

    [Fact]
    public async Task Only_what_is_named_as_an_offer_is_taken_for_one()
    {
        var offer = await OfferedAsync();
        await _runs.CancelAsync(offer.Run);
        Assert.Equal(HoldAnswers.Abandon, (await AtOnceAsync(_runner, Naming(offer) with { State = AttemptStates.Running })).Answer);
    }

    [Fact]
    public async Task What_another_replica_saw_accepted_and_canceled_is_told_by_the_answer_that_asks()
    {
        var offer = await OfferedAsync();
        await using var other = RunsHarness.On(_test.Database, _time);
        Assert.False((await other.AcceptAsync(_runner, offer)).IsRefused);
        await other.CancelAsync(offer.Run);

        Assert.Equal(HoldAnswers.Cancel, Assert.Single(await _runs.Holds.AnswerAsync(_runner, [Naming(offer)], Cancel)).Answer);
        Assert.Equal(HoldAnswers.Cancel, (await AtOnceAsync(_runner, Naming(offer) with { State = AttemptStates.Accepted })).Answer);
    }

    /// <summary>Another runner's, or another session's of the same one.</summary>
    [Fact]
    public async Task What_is_remembered_of_one_session_is_nobody_elses()
    {
        var offer = await OfferedAsync();
        var stranger = await _runs.RunnerAsync("rnr_2", "col_1");
        Assert.Equal(new HoldAnswer(offer.Run, 1, HoldAnswers.Abandon, 0), await AtOnceAsync(stranger, Naming(offer)));
        await _runs.SessionAsync(_runner, "second");
        Assert.Null(_runs.OffersOut.Deadline("ses_of_nobody", Naming(offer)));
        Assert.True((await _runs.AcceptAsync(_runner, offer)).IsRefused);
    }

    /// <summary>The accept was taken, its answer lost with the session: the runner that still makes the call has the run by the next.</summary>
    [Fact]
    public async Task A_new_session_keeps_what_it_names_as_being_accepted()
    {
        var offer = await OfferedAsync();
        await _runs.AcceptAsync(_runner, offer);
        var newer = await _runs.SessionAsync(_runner, "second");

        Assert.Equal(HoldAnswers.Keep, (await AtOnceAsync(newer, Naming(offer))).Answer);
        Assert.False((await _runs.AcceptAsync(newer, offer)).IsRefused);
        Assert.False((await _runs.StartAsync(newer, offer)).IsRefused);
    }

    private static Hold Naming(OfferedRun offer) => new(offer.Run, offer.Attempt, AttemptStates.Offered);

    private async Task<HoldAnswer> AtOnceAsync(ActiveRunner runner, Hold hold) => Assert.Single(await _runs.Holds.AnswerAtOnceAsync(runner, [hold], Cancel));

    /// <summary>As by a poll: first it looks what stands.</summary>
    private async Task<OfferedRun> OfferedAsync()
    {
        Assert.Empty(await _runs.Claims.StandingAsync("rnr_1", _runner.Session!.Session, [], _runs.Rules.Now, Cancel));
        await _runs.CreateRunAsync();
        return (await _runs.OfferAsync(_runner))!;
    }
}
