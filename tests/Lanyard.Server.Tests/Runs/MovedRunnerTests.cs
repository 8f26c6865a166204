using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("2.11")]
public sealed class SqliteMovedRunnerTests() : MovedRunnerTests(DatabaseKind.Sqlite);

[Line("2.11")]
[Needs("postgres")]
public sealed class PostgresMovedRunnerTests() : MovedRunnerTests(DatabaseKind.Postgres);

/// <summary>Collections are walls for a runner too from the moment on at which it is taken out of one.</summary>
public abstract class MovedRunnerTests(DatabaseKind kind) : RunsServerFixture(kind)
{
    [Fact]
    public async Task What_was_offered_before_is_neither_offered_again_nor_given_to_whoever_no_longer_serves_the_collection()
    {
        var runner = await Runs.RunnerAsync("r1", "one", "two");
        await runner.OpenAsync();
        var run = await Runs.CreateAsync();
        Assert.Equal(run, Assert.Single((await runner.PollAsync()).Value!.Offers).Run);

        await MoveAsync("two");

        Assert.Empty((await runner.PollAsync()).Value!.Offers);
        var accepted = await runner.AcceptAsync(run);
        Assert.Null(accepted.Value);
        Assert.DoesNotContain("hello", accepted.Body, StringComparison.Ordinal);
        Assert.Null((await runner.BatchAsync(runner.Accept(run))).Value!.Answers[0].Payload);
        Assert.Equal("offered", await Runs.Server.Database.QuerySingleOrNullAsync($"select attempt_state from runs where id = {run}", static row => row.GetString(0), Cancel));
    }

    [Fact]
    public async Task What_it_has_accepted_it_brings_to_its_end_and_is_told_again_what_that_is()
    {
        var runner = await Runs.RunnerAsync("r1", "one", "two");
        await runner.OpenAsync();
        await Runs.CreateAsync();
        var run = await runner.TakeAsync();

        await MoveAsync("two");

        Assert.NotNull((await runner.AcceptAsync(run)).Value);
        await runner.StartAsync(run);
        Assert.Equal("ended", (await runner.EndAsync(run)).Value!.State);
    }

    private async Task MoveAsync(string collection) => (await Server.PutAsync(
        "/v1/workspaces/demo/runners/r1",
        $$"""{"spec":{"collections":["{{collection}}"],"identity":{"cluster":"lab","subject":"system:serviceaccount:runners:r1"} } }""", ifMatch: "*")).Made();
}
