using Lanyard.Protocol.Runs;
using Lanyard.Server.Runs;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("5.5")]
public sealed class SqliteLingeringAttemptsTests() : LingeringAttemptsTests(DatabaseKind.Sqlite);

[Line("5.5")]
[Needs("postgres")]
public sealed class PostgresLingeringAttemptsTests() : LingeringAttemptsTests(DatabaseKind.Postgres);

/// <summary>An attempt that takes its time to end (its grace, a pod that does not go) has one of its runner's places, and no more than that.</summary>
public abstract class LingeringAttemptsTests(DatabaseKind kind) : OneRunnerFixture(kind)
{
    [Fact]
    public async Task A_poll_that_is_told_of_a_cancel_brings_the_work_that_waits_too()
    {
        var (canceled, waiting) = (await CanceledAsync(), await Runs.CreateAsync());

        var poll = (await Runner.PollAsync(1, 20, new Hold(canceled, 1, AttemptStates.Running))).Value!;

        Assert.Equal(HoldAnswers.Cancel, Assert.Single(poll.Answers).Answer);
        Assert.Equal(waiting, Assert.Single(poll.Offers).Run);
    }

    [Fact]
    public async Task A_poll_that_names_what_is_over_brings_the_work_that_waits_too()
    {
        await Runs.CreateAsync();
        var over = await Runner.TakeAsync();
        await Runner.EndAsync(over);
        var waiting = await Runs.CreateAsync();

        var poll = (await Runner.PollAsync(1, 20, new Hold(over, 1, AttemptStates.Running))).Value!;

        Assert.Equal(HoldAnswers.Abandon, Assert.Single(poll.Answers).Answer);
        Assert.Equal(waiting, Assert.Single(poll.Offers).Run);
    }

    [Fact]
    public async Task A_poll_that_knows_of_the_cancel_waits_for_work_as_any_other()
    {
        var canceled = await CanceledAsync();
        var poll = Runner.PollAsync(1, 40, new Hold(canceled, 1, AttemptStates.Canceling));
        await Eventually.HoldsAsync(() => Task.FromResult(poll.IsCompleted || Runs.Get<Dispatch>().Waiting == 1), "it waits");
        var waiting = await Runs.CreateAsync();

        var answer = (await poll).Value!;

        Assert.Equal(HoldAnswers.Cancel, Assert.Single(answer.Answers).Answer);
        Assert.Equal(waiting, Assert.Single(answer.Offers).Run);
    }

    [Fact]
    public async Task Without_work_news_is_answered_at_once()
    {
        var canceled = await CanceledAsync();
        var poll = (await Runner.PollAsync(1, 50, new Hold(canceled, 1, AttemptStates.Running)).WaitAsync(TimeSpan.FromSeconds(30), Cancel)).Value!;

        Assert.Equal(HoldAnswers.Cancel, Assert.Single(poll.Answers).Answer);
        Assert.Empty(poll.Offers);
    }

    /// <summary>Its runner has been asked to end it, and gives it its grace.</summary>
    private async Task<string> CanceledAsync()
    {
        await Runs.CreateAsync();
        var run = await Runner.TakeAsync();
        await Runner.StartAsync(run);
        await Server.SendAsync(HttpMethod.Post, $"{RunsServer.Runs}/{run}/cancel", "admin", "{}");
        return run;
    }
}
