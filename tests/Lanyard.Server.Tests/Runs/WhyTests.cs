using System.Net;
using System.Text.Json;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("5.5")]
public sealed class SqliteWhyTests() : WhyTests(DatabaseKind.Sqlite);

[Line("5.5")]
[Needs("postgres")]
public sealed class PostgresWhyTests() : WhyTests(DatabaseKind.Postgres);

/// <summary>The states of runners and collections over HTTP, and the reason that a run is told to wait for.</summary>
public abstract class WhyTests(DatabaseKind kind) : IAsyncLifetime
{
    private const string Collection = "/v1/workspaces/demo/collections/one";
    private readonly ManualTime _time = new();
    private RunsServer _runs = null!;

    public async ValueTask InitializeAsync() => _runs = await RunsServer.StartAsync(kind, time: _time);

    public async ValueTask DisposeAsync()
    {
        if (_runs is not null)
            await _runs.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task A_run_that_nobody_serves_says_so_and_goes_through_every_reason_until_it_is_done()
    {
        var run = await _runs.CreateAsync("""{"definition":"build","labels":["gpu"]}""");
        Assert.Equal((WhyCodes.NoRunner, "no runner serves the collection"), await FirstAsync(run));

        var runner = await _runs.RunnerAsync("r1", "one");
        Assert.Equal((WhyCodes.RunnerOffline, "runner r1 has never been online"), await FirstAsync(run));
        await runner.OpenAsync();
        Assert.Equal((WhyCodes.NoRunnerWithLabel, "no runner with label gpu is online"), await FirstAsync(run));
        _time.Advance(TimeSpan.FromMinutes(3));
        Assert.Equal((WhyCodes.RunnerOffline, "runner r1 is not online"), await FirstAsync(run));

        await runner.OpenAsync("another-nonce-of-16", labels: ["gpu"]);
        Assert.Equal(WhyCodes.Next, (await FirstAsync(run)).Code);
        await runner.PollAsync();
        Assert.Equal(WhyCodes.Offered, (await FirstAsync(run)).Code);
        await runner.AcceptAsync(run);
        await runner.StartAsync(run);
        Assert.Equal((WhyCodes.Running, "attempt 1 is running on runner r1"), await FirstAsync(run));
        await runner.EndAsync(run);
        Assert.Equal((WhyCodes.Finished, $"it succeeded at {Now()} in attempt 1 on runner r1"), await FirstAsync(run));
    }

    [Fact]
    public async Task A_run_that_has_ended_says_when_where_and_why_and_where_to_look()
    {
        (await _runs.Server.PutAsync($"{Collection}/definitions/twice", """{"spec":{"steps":[{"name":"make","script":"true"},{"name":"test","script":"false"}],"retry":{"on":["failed"],"attempts":2}}}""")).Made();
        var runner = await _runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        var run = await _runs.CreateAsync("""{"definition":"twice"}""");
        var first = Now();
        for (var attempt = 1; attempt <= 2; attempt++)
        {
            Assert.Equal(run, Assert.Single((await runner.PollAsync()).Value!.Offers).Run);
            await runner.AcceptAsync(run, attempt);
            await runner.StartAsync(run, attempt);
            await runner.StepAsync(run, 0, "succeeded", 0, attempt);
            await runner.StepAsync(run, 1, "failed", 1, attempt);
            await runner.EndAsync(run, "failed", attempt);
            _time.Advance(TimeSpan.FromSeconds(attempt == 1 ? 5 : 0));
        }

        Assert.Equal(
            [
                (WhyCodes.Finished, $"it failed at {Now()} in step test of attempt 2 on runner r1"), (WhyCodes.Attempt, $"attempt 1 on runner r1 ended (failed) at {first}"),
                (WhyCodes.Log, $"lanyard logs {run} --attempt 1 to 2"),
            ],
            (await WhyAsync(run)).Select(static reason => (reason.GetProperty("code").GetString(), reason.GetProperty("text").GetString())));

        var canceled = await _runs.CreateAsync();
        await _runs.Server.SendAsync(HttpMethod.Post, $"{RunsServer.Runs}/{canceled}/cancel", "admin", "{}");
        Assert.Equal((WhyCodes.Finished, $"it was canceled at {Now()}: no runner had it (canceled_before_start)"), await FirstAsync(canceled));
    }

    [Theory]
    [InlineData("paused", WhyCodes.RunnerPaused)]
    [InlineData("cordoned", WhyCodes.RunnerCordoned)]
    [InlineData("draining", WhyCodes.RunnerDraining)]
    public async Task A_runner_that_is_held_back_is_named_and_is_offered_nothing(string state, string code)
    {
        var runner = await _runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        await SetRunnerAsync("r1", $"\"state\":\"{state}\"");
        var run = await _runs.CreateAsync();
        var why = await WhyAsync(run);
        Assert.Equal((code, "r1"), (why[0].GetProperty("code").GetString(), why[0].GetProperty("runner").GetString()));
        var poll = await runner.PollAsync();
        Assert.Empty(poll.Value!.Offers);
        Assert.Equal(state == "draining", poll.Value.Drain is true);
        await SetRunnerAsync("r1", "\"labels\":[]");
        Assert.Single((await runner.PollAsync()).Value!.Offers);
    }

    [Fact]
    public async Task A_runners_process_says_no_label_of_itself_that_its_record_does_not_let_it_have()
    {
        var runner = await _runs.RunnerAsync("r1", "one");
        await SetRunnerAsync("r1", """ "labels":["x64"],"sessionLabels":["gpu"] """);
        var refused = await runner.TryOpenAsync("nonce-of-16-chars", true, ["gpu", "production"]);
        Assert.Equal(HttpStatusCode.BadRequest, refused.Status);
        Assert.Contains("production is none of the spec.sessionLabels of runner r1", refused.Body, StringComparison.Ordinal);

        await runner.OpenAsync(labels: ["gpu"]);
        var run = await _runs.CreateAsync("""{"definition":"build","labels":["gpu","x64"]}""");
        Assert.Equal(WhyCodes.Next, (await FirstAsync(run)).Code);
        await SetRunnerAsync("r1", """ "labels":["x64"],"sessionLabels":[] """);
        Assert.Equal((WhyCodes.NoRunnerWithLabel, "no runner with label gpu is online"), await FirstAsync(run));
        Assert.Empty((await runner.PollAsync()).Value!.Offers);
        await SetRunnerAsync("r1", """ "labels":["x64"] """);
        Assert.Equal(run, Assert.Single((await runner.PollAsync()).Value!.Offers).Run);
    }

    [Fact]
    public async Task A_cordoned_runner_takes_a_run_that_names_it()
    {
        var runner = await _runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        await SetRunnerAsync("r1", "\"state\":\"cordoned\"");
        var run = await _runs.CreateAsync("""{"definition":"build","runner":"r1"}""");
        Assert.Equal(run, Assert.Single((await runner.PollAsync()).Value!.Offers).Run);
    }

    [Fact]
    public async Task A_runner_at_capacity_and_a_collection_at_its_limit_are_told_with_their_numbers()
    {
        var runner = await _runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        await SetRunnerAsync("r1", "\"concurrency\":1");
        await _runs.CreateAsync();
        await runner.TakeAsync();
        var waiting = await _runs.CreateAsync();
        Assert.Empty((await runner.PollAsync(3)).Value!.Offers);
        Assert.Equal((WhyCodes.RunnerAtCapacity, "runner r1 is at capacity (1 of 1)"), await FirstAsync(waiting));

        (await _runs.Server.PutAsync(Collection, """{"spec":{"concurrency":1}}""", ifMatch: "*")).Made();
        Assert.Equal((WhyCodes.CollectionLimit, "the collection has 1 attempts, and its limit is 1"), await FirstAsync(waiting));
        _time.Advance(TimeSpan.FromSeconds(1));
        var last = await _runs.CreateAsync();
        Assert.Contains(await WhyAsync(last), r => r.GetProperty("text").GetString() == "1 runs of higher priority, or older, are before it");
    }

    [Fact]
    public async Task A_cordoned_collection_takes_no_runs_in_and_still_answers_a_repeated_call()
    {
        var runner = await _runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        var waiting = await _runs.CreateAsync();
        (await _runs.Server.PutAsync(Collection, """{"spec":{"state":"cordoned"}}""", ifMatch: "*")).Made();
        Assert.Equal(HttpStatusCode.Conflict, (await _runs.Server.SendAsync(HttpMethod.Post, RunsServer.Runs, "admin", """{"definition":"build"}""")).Status);
        Assert.Equal(waiting, Assert.Single((await runner.PollAsync()).Value!.Offers).Run);
        (await _runs.Server.PutAsync(Collection, """{"spec":{"state":"paused"}}""", ifMatch: "*")).Made();
        var paused = await _runs.CreateAsync();
        Assert.Equal((WhyCodes.CollectionPaused, "the collection is paused"), await FirstAsync(paused));
    }

    [Fact]
    public async Task A_collections_limit_and_state_are_checked()
    {
        var answer = await _runs.Server.PutAsync(Collection, """{"spec":{"concurrency":0,"state":"asleep"}}""", ifMatch: "*");
        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        Assert.Contains("spec.concurrency", answer.Body, StringComparison.Ordinal);
        Assert.Contains("spec.state", answer.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_definition_that_names_a_runner_goes_to_that_one_and_a_run_that_names_another_is_refused()
    {
        var mine = await _runs.RunnerAsync("r1", "one");
        var other = await _runs.RunnerAsync("r2", "one");
        await mine.OpenAsync();
        await other.OpenAsync();
        (await _runs.Server.PutAsync($"{Collection}/definitions/pinned", """{"spec":{"steps":[{"name":"a","script":"true"}],"runner":"r1"}}""")).Made();
        var run = await _runs.CreateAsync("""{"definition":"pinned"}""");
        Assert.Empty((await other.PollAsync()).Value!.Offers);
        Assert.Equal(run, Assert.Single((await mine.PollAsync()).Value!.Offers).Run);
        var refused = await _runs.Server.SendAsync(HttpMethod.Post, RunsServer.Runs, "admin", """{"definition":"pinned","runner":"r2"}""");
        Assert.Equal(HttpStatusCode.BadRequest, refused.Status);
        Assert.Contains("the definition names another", refused.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_times_of_a_definition_reach_the_runner_and_an_ephemeral_one_is_told_that_it_is()
    {
        (await _runs.Server.PutAsync(
            $"{Collection}/definitions/timed", """{"spec":{"steps":[{"name":"a","script":"true"}],"graceSeconds":120,"silenceTimeoutSeconds":30}}""")).Made();
        var runner = await _runs.RunnerAsync("r1", "one");
        await SetRunnerAsync("r1", "\"ephemeral\":true");
        Assert.True((await runner.OpenAsync()).Ephemeral);
        var run = await _runs.CreateAsync("""{"definition":"timed"}""");
        Assert.Equal(run, Assert.Single((await runner.PollAsync(4)).Value!.Offers).Run);
        await _runs.CreateAsync();
        var payload = (await runner.AcceptAsync(run)).Value!;
        Assert.Equal((120, 30), (payload.GraceSeconds, payload.SilenceSeconds));
        Assert.Empty((await runner.PollAsync(4)).Value!.Offers);
    }

    [Fact]
    public async Task Another_collections_run_has_no_reasons_to_tell()
    {
        var run = await _runs.CreateAsync();
        Assert.Equal(HttpStatusCode.NotFound, (await _runs.Server.GetAsync($"/v1/workspaces/demo/collections/two/runs/{run}/why")).Status);
    }

    private string Now() => _time.GetUtcNow().ToString("yyyy-MM-dd HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture);

    private async Task SetRunnerAsync(string slug, string members) => (await _runs.Server.PutAsync(
        $"/v1/workspaces/demo/runners/{slug}",
        $$$"""{"spec":{"collections":["one"],"identity":{"cluster":"lab","subject":"system:serviceaccount:runners:{{{slug}}}"},{{{members}}}}}""",
        ifMatch: "*")).Made();

    private async Task<JsonElement[]> WhyAsync(string run) => [.. (await _runs.Server.GetAsync($"{RunsServer.Runs}/{run}/why")).Json.GetProperty("reasons").EnumerateArray()];

    private async Task<(string? Code, string? Text)> FirstAsync(string run) =>
        (await WhyAsync(run))[0] is var first ? (first.GetProperty("code").GetString(), first.GetProperty("text").GetString()) : default;
}
