using System.Net;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Http;
using Lanyard.Server.Runs;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("2.9")]
public sealed class SqliteRunProtocolTests() : RunProtocolTests(DatabaseKind.Sqlite);

[Line("2.9")]
[Needs("postgres")]
public sealed class PostgresRunProtocolTests() : RunProtocolTests(DatabaseKind.Postgres);

/// <summary>Runs over HTTP, from the runner's side.</summary>
public abstract class RunProtocolTests(DatabaseKind kind) : RunsServerFixture(kind)
{
    [Fact]
    public async Task A_lost_accept_answer_is_had_again_by_the_same_call()
    {
        var runner = await Runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        var run = await Runs.CreateAsync();
        await runner.PollAsync();
        var first = await runner.AcceptAsync(run);
        var second = await runner.AcceptAsync(run);
        Assert.Equal(HttpStatusCode.OK, second.Status);
        Assert.Equal(first.Value!.RuntimeToken, second.Value!.RuntimeToken);
        Assert.Equal(1, (await Runs.RunAsync(run)).GetProperty("attempts").GetArrayLength());
    }

    [Fact]
    public async Task A_lost_offer_comes_again_with_the_next_poll_of_the_session_and_not_to_another()
    {
        var runner = await Runs.RunnerAsync("r1", "one");
        var other = await Runs.RunnerAsync("r2", "one");
        await runner.OpenAsync();
        await other.OpenAsync();
        var run = await Runs.CreateAsync();
        await runner.PollAsync();
        Assert.Empty((await other.PollAsync()).Value!.Offers);
        var again = Assert.Single((await runner.PollAsync()).Value!.Offers);
        Assert.Equal((run, 1), (again.Run, again.Attempt));
        Assert.Empty((await runner.PollAsync(1, 0, new Hold(run, 1, AttemptStates.Offered))).Value!.Offers);
    }

    [Fact]
    public async Task The_end_of_a_run_that_does_not_exist_is_404_and_makes_no_file()
    {
        var runner = await Runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        Assert.Equal(HttpStatusCode.NotFound, (await runner.EndAsync("run_01k00000000000000000000000", log: [1])).Status);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(Runs.Get<Instance>().DataDirectory, "logs")));
    }

    [Fact]
    public async Task Calls_of_a_stale_session_are_409_those_after_the_end_410_and_those_of_a_stranger_404()
    {
        var runner = await Runs.RunnerAsync("r1", "one");
        var stranger = await Runs.RunnerAsync("r2", "one");
        await runner.OpenAsync();
        await stranger.OpenAsync();
        await Runs.CreateAsync();
        var run = await runner.TakeAsync();
        Assert.Equal(HttpStatusCode.NotFound, (await stranger.StartAsync(run)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await stranger.LogAsync(run, 0, [1])).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await stranger.EndAsync(run)).Status);

        var older = Runs.Speak(runner.Id, "r1");
        await older.OpenAsync("nonce-of-16-chars");
        await runner.OpenAsync("another-nonce-of-16");
        Assert.Equal(HttpStatusCode.Conflict, (await older.StartAsync(run)).Status);
        Assert.Equal(HttpStatusCode.Conflict, (await older.LogAsync(run, 0, [1])).Status);
        Assert.Equal(HttpStatusCode.Conflict, (await older.PollAsync()).Status);
        Assert.Equal(HttpStatusCode.Conflict, (await older.HeartbeatAsync()).Status);
        Assert.Equal(HttpStatusCode.Conflict, (await runner.StartAsync(run, 2)).Status);

        Assert.Equal(HttpStatusCode.OK, (await runner.EndAsync(run)).Status);
        Assert.Equal(HttpStatusCode.OK, (await runner.EndAsync(run)).Status);
        Assert.Equal(HttpStatusCode.Gone, (await runner.StartAsync(run)).Status);
        Assert.Equal(HttpStatusCode.Gone, (await runner.LogAsync(run, 0, [1])).Status);
        Assert.Equal(HttpStatusCode.Gone, (await runner.StepAsync(run, 0, "succeeded")).Status);
    }

    [Fact]
    public async Task A_runner_without_a_session_is_told_to_open_one()
    {
        var runner = await Runs.RunnerAsync("r1", "one");
        Assert.Equal(HttpStatusCode.Gone, (await runner.PollAsync()).Status);
    }

    [Fact]
    public async Task A_cancel_reaches_the_waiting_poll_and_the_run_is_canceled_when_the_process_is_dead()
    {
        var runner = await Runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        await Runs.CreateAsync();
        var run = await runner.TakeAsync();
        var poll = runner.PollAsync(0, 30, new Hold(run, 1, AttemptStates.Running));
        var canceled = await Server.SendAsync(HttpMethod.Post, $"{RunsServer.Runs}/{run}/cancel", "admin");
        Assert.Equal("running", canceled.Json.GetProperty("state").GetString());
        Assert.Equal(HoldAnswers.Cancel, Assert.Single((await poll.WaitAsync(TimeSpan.FromSeconds(120), Cancel)).Value!.Answers).Answer);
        Assert.False(await Runs.Get<AttemptLiveness>().IsAliveAsync(run, 1, Cancel));
        Assert.Equal(HttpStatusCode.OK, (await runner.LogAsync(run, 0, "stopping"u8.ToArray())).Status);
        Assert.Equal("canceling", (await runner.StepAsync(run, 0, "canceled")).Value!.State);
        await runner.EndAsync(run, RunStates.Canceled, log: "stopping"u8.ToArray());
        Assert.Equal("canceled", (await Runs.RunAsync(run)).GetProperty("state").GetString());
        Assert.Equal(HttpStatusCode.OK, (await Server.SendAsync(HttpMethod.Post, $"{RunsServer.Runs}/{run}/cancel", "admin")).Status);
    }

    [Fact]
    public async Task Log_chunks_are_taken_in_order_once_and_never_rewritten()
    {
        var runner = await Runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        await Runs.CreateAsync();
        var run = await runner.TakeAsync();
        Assert.Equal(5, (await runner.LogAsync(run, 0, "abcde"u8.ToArray())).Value!.NextOffset);
        Assert.Equal(5, (await runner.LogAsync(run, 0, "abcde"u8.ToArray())).Value!.NextOffset);
        Assert.Equal(7, (await runner.LogAsync(run, 3, "defg"u8.ToArray())).Value!.NextOffset);
        var gap = await runner.LogAsync(run, 9, "zz"u8.ToArray());
        Assert.Equal((HttpStatusCode.RequestedRangeNotSatisfiable, 7), (gap.Status, gap.Value!.NextOffset));
        Assert.Equal(HttpStatusCode.BadRequest, (await runner.LogAsync(run, 0, "abXde"u8.ToArray())).Status);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await runner.LogAsync(run, 7, new byte[(1 << 20) + 1])).Status);
        Assert.Equal("abcdefg", (await Server.GetAsync($"{RunsServer.Runs}/{run}/logs")).Body);
        await runner.EndAsync(run, log: "abcdefg!"u8.ToArray());
        Assert.False((await Runs.RunAsync(run)).GetProperty("attempts")[0].GetProperty("logComplete").GetBoolean());
    }

    [Fact]
    public async Task A_chunk_whose_length_nobody_told_is_taken_whole_or_not_at_all()
    {
        var runner = await Runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        await Runs.CreateAsync();
        var run = await runner.TakeAsync();
        var text = Enumerable.Range(0, 1 << 20).Select(static i => (byte)('a' + (i % 23))).ToArray();
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await runner.ChunkedLogAsync(run, 0, [.. text, 0])).Status);
        Assert.Equal(4096, (await runner.ChunkedLogAsync(run, 0, text[..4096])).Value!.NextOffset);
        Assert.Equal(text.Length, (await runner.ChunkedLogAsync(run, 0, text)).Value!.NextOffset);
        Assert.Equal(System.Text.Encoding.ASCII.GetString(text), (await Server.GetAsync($"{RunsServer.Runs}/{run}/logs")).Body);
    }

    [Fact]
    public async Task A_follower_gets_what_is_written_while_it_waits_and_hears_of_the_end()
    {
        var runner = await Runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        await Runs.CreateAsync();
        var run = await runner.TakeAsync();
        var follow = Server.GetAsync($"{RunsServer.Runs}/{run}/logs?offset=0&follow=true");
        await runner.LogAsync(run, 0, "one"u8.ToArray());
        var answer = await follow.WaitAsync(TimeSpan.FromSeconds(120), Cancel);
        Assert.Equal(("one", "false"), (answer.Body, answer.Headers.GetValues("Lanyard-Log-Over").Single()));
        follow = Server.GetAsync($"{RunsServer.Runs}/{run}/logs?offset=3&follow=true");
        await runner.EndAsync(run, log: "one"u8.ToArray());
        answer = await follow.WaitAsync(TimeSpan.FromSeconds(120), Cancel);
        Assert.Equal((HttpStatusCode.NoContent, "true"), (answer.Status, answer.Headers.GetValues("Lanyard-Log-Over").Single()));
    }

    [Fact]
    public async Task A_step_that_the_run_does_not_have_is_refused()
    {
        var runner = await Runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        await Runs.CreateAsync();
        var run = await runner.TakeAsync();
        Assert.Equal(HttpStatusCode.BadRequest, (await runner.StepAsync(run, 2, "running")).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await runner.StepAsync(run, 0, "exploded")).Status);
        Assert.Equal(HttpStatusCode.OK, (await runner.StepAsync(run, 1, "running")).Status);
    }
}
