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
public abstract class NamedOffersContract(DatabaseKind kind) : RunsFixture(kind)
{
    private ActiveRunner _runner = null!;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        _runner = await Runs.RunnerAsync("rnr_1", "col_1");
    }

    [Fact]
    public async Task The_database_is_not_asked_for_offers_that_the_poll_names_all_of_until_it_is_time_to_look_again()
    {
        var offer = await OfferedAsync();
        var session = _runner.Session!.Session;

        Assert.Null(Runs.OffersOut.Look(session, [Naming(offer)]));
        Assert.NotNull(Runs.OffersOut.Look(session, []));
        Assert.NotNull(Runs.OffersOut.Look(session, [Naming(offer) with { Attempt = 2 }, Naming(offer) with { Run = "run_2" }]));
        Time.Advance(OffersOut.LookEvery);
        Assert.NotNull(Runs.OffersOut.Look(session, [Naming(offer)]));
    }

    [Fact]
    public async Task A_named_offer_is_kept_as_long_as_it_stands_and_not_a_moment_longer()
    {
        var offer = await OfferedAsync();
        Assert.Equal(new HoldAnswer(offer.Run, 1, HoldAnswers.Keep, (int)Runs.Rules.Options.Offer.TotalSeconds), await AtOnceAsync(_runner, Naming(offer)));
        Time.Advance(Runs.Rules.Options.Offer);
        Assert.Equal(HoldAnswers.Abandon, (await AtOnceAsync(_runner, Naming(offer))).Answer);
    }

    /// <summary>Its row is locked by nobody: the accept that is on its way would wait for it.</summary>
    [Fact]
    public async Task A_named_offer_that_this_replica_made_is_answered_without_a_write()
    {
        var offer = await OfferedAsync();
        await Runs.Database.ExecuteAsync($"update runs set deadline = 1 where id = {offer.Run}", Cancel);
        Assert.Equal(HoldAnswers.Keep, (await AtOnceAsync(_runner, Naming(offer))).Answer);
        Assert.Equal(HoldAnswers.Abandon, Assert.Single(await Runs.Holds.AnswerAsync(_runner, [Naming(offer)], Cancel)).Answer);
    }

    [Fact]
    public async Task Only_what_is_named_as_an_offer_is_taken_for_one()
    {
        var offer = await OfferedAsync();
        await Runs.CancelAsync(offer.Run);
        Assert.Equal(HoldAnswers.Abandon, (await AtOnceAsync(_runner, Naming(offer) with { State = AttemptStates.Running })).Answer);
    }

    [Fact]
    public async Task What_another_replica_saw_accepted_and_canceled_is_told_by_the_answer_that_asks()
    {
        var offer = await OfferedAsync();
        await using var other = RunsHarness.On(Test.Database, Time);
        Assert.False((await other.AcceptAsync(_runner, offer)).IsRefused);
        await other.CancelAsync(offer.Run);

        Assert.Equal(HoldAnswers.Cancel, Assert.Single(await Runs.Holds.AnswerAsync(_runner, [Naming(offer)], Cancel)).Answer);
        Assert.Equal(HoldAnswers.Cancel, (await AtOnceAsync(_runner, Naming(offer) with { State = AttemptStates.Accepted })).Answer);
    }

    /// <summary>A runner of many short runs polls many times a second: a lease that has just been renewed by an accept or a start is answered from memory, and its row not written.</summary>
    [Fact]
    public async Task A_lease_that_was_renewed_within_the_recheck_time_is_not_written_again_and_later_it_is()
    {
        var offer = await OfferedAsync();
        Assert.False((await Runs.AcceptAsync(_runner, offer)).IsRefused);
        var (hold, deadline) = (Naming(offer) with { State = AttemptStates.Accepted }, Runs.Rules.LeaseEnd);

        Time.Advance(Runs.Rules.Options.LivenessRecheck / 2);
        Assert.Equal(HoldAnswers.Keep, (await AtOnceAsync(_runner, hold)).Answer);
        Assert.Equal(deadline, (await Runs.Store.FindAsync(offer.Run, Cancel))!.Deadline);

        Time.Advance(Runs.Rules.Options.LivenessRecheck);
        Assert.Equal(new HoldAnswer(offer.Run, 1, HoldAnswers.Keep, (int)Runs.Rules.Options.Lease.TotalSeconds, 3600), (await AtOnceAsync(_runner, hold)) with { TimeoutSeconds = 3600 });
        Assert.Equal(Runs.Rules.LeaseEnd, (await Runs.Store.FindAsync(offer.Run, Cancel))!.Deadline);
    }

    [Fact]
    public async Task A_lease_is_answered_from_memory_to_its_own_session_and_runner_only_and_not_when_it_is_to_end()
    {
        var offer = await OfferedAsync();
        await Runs.AcceptAsync(_runner, offer);
        var hold = Naming(offer) with { State = AttemptStates.Accepted };
        Assert.Equal(HoldAnswers.Abandon, (await AtOnceAsync(await Runs.RunnerAsync("rnr_2", "col_1"), hold)).Answer);
        await Runs.SessionAsync(_runner, "second");
        Assert.Equal(HoldAnswers.Abandon, (await AtOnceAsync(_runner, hold)).Answer);
        await Runs.CancelAsync(offer.Run);
        Assert.Equal(HoldAnswers.Cancel, (await AtOnceAsync((await Runs.Directory.FindActiveAsync("rnr_1", null, Cancel))!, hold)).Answer);
    }

    /// <summary>Another runner's, or another session's of the same one.</summary>
    [Fact]
    public async Task What_is_remembered_of_one_session_is_nobody_elses()
    {
        var offer = await OfferedAsync();
        var stranger = await Runs.RunnerAsync("rnr_2", "col_1");
        Assert.Equal(new HoldAnswer(offer.Run, 1, HoldAnswers.Abandon, 0), await AtOnceAsync(stranger, Naming(offer)));
        await Runs.SessionAsync(_runner, "second");
        Assert.Null(Runs.OffersOut.Deadline("ses_of_nobody", Naming(offer)));
        Assert.True((await Runs.AcceptAsync(_runner, offer)).IsRefused);
    }

    /// <summary>The accept was taken, its answer lost with the session: the runner that still makes the call has the run by the next.</summary>
    [Fact]
    public async Task A_new_session_keeps_what_it_names_as_being_accepted()
    {
        var offer = await OfferedAsync();
        await Runs.AcceptAsync(_runner, offer);
        var newer = await Runs.SessionAsync(_runner, "second");

        Assert.Equal(HoldAnswers.Keep, (await AtOnceAsync(newer, Naming(offer))).Answer);
        Assert.False((await Runs.AcceptAsync(newer, offer)).IsRefused);
        Assert.False((await Runs.StartAsync(newer, offer)).IsRefused);
    }

    private static Hold Naming(OfferedRun offer) => new(offer.Run, offer.Attempt, AttemptStates.Offered);

    private async Task<HoldAnswer> AtOnceAsync(ActiveRunner runner, Hold hold) => Assert.Single(await Runs.Holds.AnswerAtOnceAsync(runner, [hold], Cancel));

    /// <summary>As by a poll: first it looks what stands.</summary>
    private async Task<OfferedRun> OfferedAsync()
    {
        Assert.Empty(await Runs.Claims.StandingAsync("rnr_1", _runner.Session!.Session, [], Runs.Rules.Now, Cancel));
        await Runs.CreateRunAsync();
        return (await Runs.OfferAsync(_runner))!;
    }
}
