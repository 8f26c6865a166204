using Lanyard.Testing;
using Xunit;

namespace Lanyard.EndToEnd.Tests.Runs;

/// <summary>SIGKILL and SIGSTOP to PostgreSQL at each state of a run: it costs time, and no attempt.</summary>
[Needs("postgres")]
[Needs("bwrap")]
[Line("5.8")]
public sealed class StoppedDatabasesTests
{
    [Theory]
    [InlineData("queued")]
    [InlineData("offered")]
    [InlineData("accepted")]
    [InlineData("running")]
    [InlineData("canceling")]
    [InlineData("ending")]
    public Task A_database_that_is_killed_and_comes_back_costs_time_only(string state) =>
        WithoutAsync(state, static postgres => postgres.KillAsync(), static postgres => postgres.StartAgainAsync());

    [Theory]
    [InlineData("queued")]
    [InlineData("offered")]
    [InlineData("accepted")]
    [InlineData("running")]
    [InlineData("canceling")]
    [InlineData("ending")]
    public Task A_database_that_stands_still_for_a_while_costs_time_only(string state) =>
        WithoutAsync(state, static postgres => postgres.FreezeAsync(), static postgres => postgres.ThawAsync());

    private static async Task WithoutAsync(string state, Func<PostgresCluster, Task> end, Func<PostgresCluster, Task> begin)
    {
        await using var postgres = await PostgresCluster.StartAsync();
        Assert.True(postgres is not null, "PostgreSQL is not installed: eng/postgres");
        await using var scene = await FaultScene.StartAsync(StagedRun.BeforeOf(state), postgres.Location);
        var run = await StagedRun.BringAsync(scene, state);

        await end(postgres);
        await run.GoOnAsync();
        await Task.Delay(TimeSpan.FromSeconds(5), TimeProvider.System, TestContext.Current.CancellationToken); // the fault itself: nothing is kept
        await begin(postgres);

        await run.EndsAsync();
    }
}
