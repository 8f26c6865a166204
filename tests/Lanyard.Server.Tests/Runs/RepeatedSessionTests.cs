using Lanyard.Protocol.Runs;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("5.8")]
public sealed class SqliteRepeatedSessionTests() : RepeatedSessionTests(DatabaseKind.Sqlite);

[Line("5.8")]
[Needs("postgres")]
public sealed class PostgresRepeatedSessionTests() : RepeatedSessionTests(DatabaseKind.Postgres);

/// <summary>A runner asks for its session again until it is answered.</summary>
public abstract class RepeatedSessionTests(DatabaseKind kind)
{
    [Fact]
    public async Task What_a_runner_had_is_its_new_sessions_also_where_the_server_died_between_the_two()
    {
        const string nonce = "nonce-of-the-next-process";
        await using var runs = await RunsServer.StartAsync(kind);
        var runner = await runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        await runs.CreateAsync();
        var run = await runner.TakeAsync();

        // What is on disk then.
        await runs.Server.Database.ExecuteAsync($"update runner_sessions set session = {"ses_01k00000000000000000000000"}, nonce = {nonce}");
        await runner.OpenAsync(nonce);

        Assert.Equal("ses_01k00000000000000000000000", runner.Session);
        Assert.Equal(1, await runs.Server.Database.ScalarAsync($"select count(*) from runs where id = {run} and session = {runner.Session}"));
        var said = await runner.HeartbeatAsync(new Hold(run, 1, AttemptStates.Running));
        Assert.Equal(HoldAnswers.Keep, Assert.Single(said.Value!.Answers).Answer);
    }

    [Fact]
    public async Task A_repeated_call_is_one_session_and_one_event()
    {
        await using var runs = await RunsServer.StartAsync(kind);
        var runner = await runs.RunnerAsync("r1", "one");

        var first = await runner.OpenAsync();
        var again = await runner.OpenAsync();
        var next = await runner.OpenAsync("nonce-of-the-next-process");

        Assert.Equal(first.Session, again.Session);
        Assert.NotEqual(first.Session, next.Session);
        Assert.Equal(2, await runs.Server.Database.ScalarAsync($"select count(*) from audit_events where action = 'runner.session'"));
    }
}
