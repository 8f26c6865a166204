using Lanyard.Protocol.Runs;
using Lanyard.Server.Runs;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("5.5")]
public sealed class SqliteWaitingRunTests() : WaitingRunContract(DatabaseKind.Sqlite);

[Line("5.5")]
[Needs("postgres")]
public sealed class PostgresWaitingRunTests() : WaitingRunContract(DatabaseKind.Postgres);

/// <summary>How long a run waits, and when it is tried again, on every database.</summary>
public abstract class WaitingRunContract(DatabaseKind kind) : DispatchTestBase(kind)
{
    [Fact]
    public async Task A_run_gives_up_waiting_after_the_time_of_its_definition_and_counts_anew_when_it_comes_back()
    {
        var hasty = await _runs.CreateRunAsync(terms: new(QueueSeconds: 30));
        var patient = await _runs.CreateRunAsync("col_2");
        var (runner, offer) = await AcceptedAsync("rnr_1");
        Assert.Equal(hasty.Id, offer.Run);
        _time.Advance(TimeSpan.FromSeconds(61));
        await _runs.Sweeper.SweepAsync(Cancel);
        await _runs.Sweeper.SweepOwnTimesAsync(Cancel);
        Assert.Equal(RunStates.Queued, (await _runs.GetAsync(hasty.Id)).State);
        _time.Advance(TimeSpan.FromSeconds(30));
        await _runs.Sweeper.SweepOwnTimesAsync(Cancel);
        Assert.Equal((RunStates.TimedOut, RunReasons.QueueExpired), await EndOfAsync(hasty.Id));
        Assert.Null(await _runs.OfferAsync(runner));
        Assert.Equal(RunStates.Queued, (await _runs.GetAsync(patient.Id)).State);
    }

    [Fact]
    public async Task The_servers_own_time_in_queues_does_not_touch_a_run_with_a_longer_one()
    {
        var patient = await _runs.CreateRunAsync(terms: new(QueueSeconds: 10 * 86_400));
        var ordinary = await _runs.CreateRunAsync();
        _time.Advance(TimeSpan.FromDays(2));
        await _runs.Sweeper.SweepQueuesAsync(Cancel);
        await _runs.Sweeper.SweepOwnTimesAsync(Cancel);
        Assert.Equal(RunStates.Queued, (await _runs.GetAsync(patient.Id)).State);
        Assert.Equal(RunStates.TimedOut, (await _runs.GetAsync(ordinary.Id)).State);
    }

    [Fact]
    public async Task A_failed_attempt_is_tried_again_where_the_definition_says_so_and_its_log_stays_with_its_number()
    {
        var run = await _runs.CreateRunAsync(terms: new(Attempts: 2, Retry: RetryCauses.Failed));
        var runner = await _runs.RunnerAsync("rnr_1", "col_1");
        foreach (var attempt in (int[])[1, 2])
        {
            var offer = (await _runs.OfferAsync(runner))!;
            Assert.Equal((run.Id, attempt), (offer.Run, offer.Attempt));
            await _runs.AcceptAsync(runner, offer);
            await _runs.StartAsync(runner, offer);
            await _runs.EndAsync(runner, offer, RunStates.Failed);
        }
        Assert.Equal(RunStates.Failed, (await _runs.GetAsync(run.Id)).State);
        Assert.Null(await _runs.OfferAsync(runner));
        Assert.Equal((1, "failed"), Assert.Single(await _runs.Queries.AttemptsAsync(run.Id, Cancel)) is var a ? (a.Attempt, a.Outcome) : default);
    }
}
