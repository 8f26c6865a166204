using System.Net;
using System.Text.Json;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("5.5")]
public sealed class SqliteBatchTests() : BatchTests(DatabaseKind.Sqlite);

[Line("5.5")]
[Needs("postgres")]
public sealed class PostgresBatchTests() : BatchTests(DatabaseKind.Postgres);

/// <summary>Accepts, starts and ends of several attempts in one call: what is wrong with one is that one's alone.</summary>
public abstract class BatchTests(DatabaseKind kind) : IAsyncLifetime
{
    private readonly List<Hold> _offered = [];
    private RunsServer _runs = null!;
    private SimulatedRunner _runner = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _runs = await RunsServer.StartAsync(kind);
        _runner = await _runs.RunnerAsync("r1", "one");
        await _runner.OpenAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_runs is not null)
            await _runs.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task Fifty_runs_go_through_three_calls_and_each_decision_is_one_event_of_an_unbroken_chain()
    {
        var offered = await OfferedAsync(Batches.MostCalls);

        var accepted = (await _runner.BatchAsync(offered.Select(run => _runner.Accept(run)))).Value!.Answers;
        var started = (await _runner.BatchAsync(offered.Select(run => _runner.Start(run)))).Value!.Answers;
        var ended = (await _runner.BatchAsync(offered.Select(run => _runner.End(run)))).Value!.Answers;

        Assert.Equal(offered.Select(run => (200, run, $"runtime.{run}.1")), accepted.Select(answer => (answer.Status, answer.Payload!.Run, answer.Payload.RuntimeToken)));
        Assert.All(started, answer => Assert.Equal((200, "running"), (answer.Status, answer.Answer!.State)));
        Assert.All(ended, answer => Assert.Equal((200, "ended"), (answer.Status, answer.Answer!.State)));
        foreach (var run in offered)
        {
            Assert.Equal("succeeded", (await _runs.RunAsync(run)).GetProperty("state").GetString());
            Assert.Equal(["attempt.accept", "attempt.end"], await EventsOfAsync(run));
        }
        await ChainIsIntactAsync();
    }

    [Fact]
    public async Task Calls_of_one_run_are_done_in_the_order_in_which_they_are_asked()
    {
        var runs = await OfferedAsync(3);

        var answers = (await _runner.BatchAsync(
            _runner.Start(runs[0]), _runner.Accept(runs[1]), _runner.Accept(runs[0]), _runner.Start(runs[1]), _runner.End(runs[1]), _runner.End(runs[2]))).Value!.Answers;

        Assert.Equal([409, 200, 200, 200, 200, 409], answers.Select(answer => answer.Status));
        Assert.Equal("urn:lanyard:problem:stale-attempt", answers[0].Problem!.Type);
        Assert.Equal(["running", "ended"], [answers[3].Answer!.State, answers[4].Answer!.State]);
        Assert.Equal(["accepted", "ended", "offered"], await Task.WhenAll(runs.Select(AttemptStateAsync)));
    }

    [Fact]
    public async Task The_same_call_twice_in_a_batch_and_the_same_batch_twice_have_one_effect()
    {
        var run = (await OfferedAsync(1))[0];
        BatchedCall[] calls = [_runner.Accept(run), _runner.Accept(run), _runner.Start(run), _runner.Start(run), _runner.End(run), _runner.End(run)];

        var first = (await _runner.BatchAsync(calls)).Value!.Answers;
        var again = (await _runner.BatchAsync(calls)).Value!.Answers;

        Assert.All(first, answer => Assert.Equal(200, answer.Status));
        Assert.Equal([410, 410, 410, 410, 200, 200], again.Select(answer => answer.Status));
        Assert.Equal(["attempt.accept", "attempt.end"], (await EventsOfAsync(run)).Distinct().Where(action => action != "attempt.start"));
        Assert.Equal(1, (await _runs.RunAsync(run)).GetProperty("attempts").GetArrayLength());
        await ChainIsIntactAsync();
    }

    [Fact]
    public async Task What_is_foreign_stale_over_or_nothing_at_all_is_refused_for_itself_and_the_others_are_done()
    {
        var stranger = await _runs.RunnerAsync("r2", "two");
        await stranger.OpenAsync();
        var foreign = await _runs.CreateAsync(path: "/v1/workspaces/demo/collections/two/runs");
        Assert.Single((await stranger.PollAsync()).Value!.Offers);
        var runs = await OfferedAsync(3);
        await _runner.AcceptAsync(runs[1]);
        await _runner.EndAsync(runs[1]);
        var stale = _runner.Accept(runs[2]) with { Body = JsonSerializer.SerializeToElement(new AcceptRequest("ses_01k00000000000000000000000"), RunnerJson.Default.AcceptRequest) };

        var answers = (await _runner.BatchAsync(
            _runner.Accept(foreign), _runner.Accept("run_01k00000000000000000000000"), _runner.Accept("no-run"), _runner.Accept(runs[0], -1), stale, _runner.Start(runs[1]),
            _runner.Accept(runs[0]))).Value!.Answers;

        Assert.Equal([404, 404, 404, 404, 409, 410, 200], answers.Select(answer => answer.Status));
        Assert.Equal(answers[1].Problem, answers[0].Problem);
        Assert.Equal("offered", await AttemptStateAsync(runs[2]));
        Assert.Equal("offered", await AttemptStateAsync(foreign, "two"));
    }

    [Fact]
    public async Task A_newer_session_fences_every_call_of_a_batch_of_the_older_one()
    {
        var runs = await OfferedAsync(2);
        await _runner.AcceptAsync(runs[0]);
        var older = _runs.Speak(_runner.Id, "r1");
        await older.OpenAsync();
        BatchedCall[] calls = [older.Start(runs[0]), older.End(runs[0]), older.Accept(runs[1])];
        await _runner.OpenAsync("another-nonce-of-16");

        Assert.Equal([409, 409, 409], (await older.BatchAsync(calls)).Value!.Answers.Select(answer => answer.Status));
        Assert.Equal("accepted", await AttemptStateAsync(runs[0]));
    }

    [Fact]
    public async Task A_body_or_kind_that_is_not_of_the_protocol_spoils_no_other_call()
    {
        var runs = await OfferedAsync(2);
        var body = JsonDocument.Parse($$"""{"session":"{{_runner.Session}}","more":1}""").RootElement;
        BatchedCall[] calls =
        [
            _runner.Accept(runs[0]) with { Kind = "steal" }, _runner.Accept(runs[0]) with { Body = body }, _runner.Accept(runs[0]) with { Body = JsonDocument.Parse("\"half\"").RootElement },
            _runner.End(runs[0], "gone"), _runner.Accept(runs[1]),
        ];
        var json = JsonSerializer.Serialize(new BatchRequest(calls), RunnerJson.Default.BatchRequest).Replace("\"half\"", """{"session":"\ud800"}""", StringComparison.Ordinal);
        var said = await _runs.Server.SendAsync(HttpMethod.Post, "/v1/runner/calls", "runner-r1", json);
        var answers = JsonSerializer.Deserialize(said.Body, RunnerJson.Default.BatchResponse)!.Answers;

        Assert.Equal([400, 400, 400, 400, 200], answers.Select(answer => answer.Status));
        Assert.Equal(
            ["kind: must be accept, start or end", "more: is unknown", "a text has half a surrogate pair", "outcome: must be succeeded, failed, canceled, timed_out or runner_error"],
            answers.Take(4).Select(answer => answer.Problem!.Mistakes!.Single().ToString()));
        Assert.Equal("offered", await AttemptStateAsync(runs[0]));
    }

    [Fact]
    public async Task A_request_that_is_not_of_the_protocol_is_refused_as_a_whole_and_nothing_is_done()
    {
        var run = (await OfferedAsync(1))[0];
        var good = JsonSerializer.Serialize(_runner.Accept(run), RunnerJson.Default.BatchedCall);
        async Task<(int, string?)> SayAsync(string json)
        {
            var answer = await _runs.Server.SendAsync(HttpMethod.Post, "/v1/runner/calls", "runner-r1", json);
            return ((int)answer.Status, answer.Problem == "request-malformed" ? answer.Mistakes[0] : answer.Problem);
        }

        Assert.Equal((400, "calls: must be 1 to 50"), await SayAsync($$"""{"calls":[{{string.Join(',', Enumerable.Repeat(good, 51))}}]}"""));
        Assert.Equal((400, "calls: must be 1 to 50"), await SayAsync("""{"calls":[]}"""));
        Assert.Equal((400, "calls[1].more: is unknown"), await SayAsync($$"""{"calls":[{{good}},{"more":1}]}"""));
        Assert.Equal((400, "more: is unknown"), await SayAsync($$"""{"more":1,"calls":[{{good}}]}"""));
        Assert.Equal((400, "calls[1].body: is missing"), await SayAsync($$"""{"calls":[{{good}},{"kind":"accept","run":"{{run}}","attempt":1}]}"""));
        Assert.Equal((400, "calls[1]: its kind and run must be at most 64 characters"), await SayAsync($$"""{"calls":[{{good}},{{good.Replace(run, new string('r', 65), StringComparison.Ordinal)}}]}"""));
        Assert.Equal((413, "request-too-large"), await SayAsync($$"""{"calls":[{{good}}],"more":"{{new string('x', 1 << 20)}}"}"""));
        Assert.Equal("offered", await AttemptStateAsync(run));
        Assert.Empty(await EventsOfAsync(run));
    }

    [Fact]
    public async Task Nobody_but_a_runner_may_call_so_and_not_its_pods_either()
    {
        var run = (await OfferedAsync(1))[0];
        var json = JsonSerializer.Serialize(new BatchRequest([_runner.Accept(run)]), RunnerJson.Default.BatchRequest);
        _runs.Server.Be(new Principal
        {
            Kind = PrincipalKind.Pod, Name = "pod", SubjectId = run, Attempt = 1, RunnerId = _runner.Id, TokenSha256 = new string('2', 64), ExpiresAt = DateTimeOffset.MaxValue,
        });

        Assert.Equal(HttpStatusCode.NotFound, (await _runs.Server.SendAsync(HttpMethod.Post, "/v1/runner/calls", "pod", json)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await _runs.Server.SendAsync(HttpMethod.Post, "/v1/runner/calls", "admin", json)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await _runs.Server.SendAsync(HttpMethod.Post, "/v1/runner/calls", null, json)).Status);
        Assert.Equal("offered", await AttemptStateAsync(run));
    }

    [Fact]
    public async Task A_call_that_fails_here_is_told_so_and_can_be_made_again_and_the_others_are_done()
    {
        var runs = await OfferedAsync(3);
        _runs.WithoutTokens[runs[1]] = true;
        var answers = (await _runner.BatchAsync(runs.Select(run => _runner.Accept(run)))).Value!.Answers;
        _runs.WithoutTokens.Clear();

        Assert.Equal([200, 500, 200], answers.Select(answer => answer.Status));
        Assert.Equal(200, (await _runner.BatchAsync(_runner.Accept(runs[1]))).Value!.Answers[0].Status);
        Assert.Equal(["attempt.accept"], await EventsOfAsync(runs[1]));
    }

    [Fact]
    public async Task An_accept_whose_payload_is_large_is_not_done_but_asked_for_by_itself_and_only_its_own_runner_is_told_so()
    {
        var stranger = await _runs.RunnerAsync("r2", "two");
        await stranger.OpenAsync();
        var small = (await OfferedAsync(1))[0];
        var large = (await OfferedAsync(1, $$"""{"definition":"build","variables":{"X":"{{new string('x', 20_000)}}"} }"""))[0];

        var answers = (await _runner.BatchAsync(_runner.Accept(large), _runner.Accept(small))).Value!.Answers;
        var told = (await stranger.BatchAsync(stranger.Accept(large))).Value!.Answers[0];

        Assert.Equal([Batches.AskSingly, 200], answers.Select(answer => answer.Status));
        Assert.Equal("urn:lanyard:problem:ask-singly", answers[0].Problem!.Type);
        Assert.Equal(404, told.Status);
        Assert.Equal("offered", await AttemptStateAsync(large));
        Assert.DoesNotContain("attempt.accept", await EventsOfAsync(large));
        Assert.Equal(20_000, (await _runner.AcceptAsync(large)).Value!.Variables["X"].Length);
        Assert.Equal(200, (await _runner.BatchAsync(_runner.Start(large))).Value!.Answers[0].Status);
    }

    [Fact]
    public async Task The_payloads_of_a_whole_batch_stay_small_enough_for_a_runner_to_read()
    {
        var runs = await OfferedAsync(Batches.MostCalls, $$"""{"definition":"build","variables":{"X":"{{new string('<', 2_000)}}"} }""");
        var said = await _runner.BatchAsync(runs.Select(run => _runner.Accept(run)));

        Assert.All(said.Value!.Answers, answer => Assert.Equal(200, answer.Status));
        Assert.InRange(said.Body.Length, 50 * 12_000, 2 << 20);
    }

    private async Task<string[]> OfferedAsync(int count, string json = """{"definition":"build"}""")
    {
        for (var i = 0; i < count; i++)
            await _runs.CreateAsync(json);
        var offers = new List<Offer>();
        while (offers.Count < count)
        {
            var more = (await _runner.PollAsync(count - offers.Count, 20, [.. _offered])).Value!.Offers;
            offers.AddRange(more);
            _offered.AddRange(more.Select(offer => new Hold(offer.Run, offer.Attempt, AttemptStates.Offered)));
        }
        return [.. offers.Select(offer => offer.Run)];
    }

    private async Task<string> AttemptStateAsync(string run) => await AttemptStateAsync(run, "one");

    private async Task<string> AttemptStateAsync(string run, string collection) =>
        (await _runs.RunAsync(run, $"/v1/workspaces/demo/collections/{collection}/runs")).GetProperty("attempts")[0].GetProperty("state").GetString()!;

    /// <summary>What the audit has of the run's first attempt, apart from its creation.</summary>
    private async Task<List<string>> EventsOfAsync(string run) =>
        (await _runs.Server.Database.QueryAsync($"select action, event from audit_events order by seq", static row => (Action: row.GetString(0), Event: row.GetString(1)), Cancel))
            .Where(told => told.Event.Contains($"\"{run}/1\"", StringComparison.Ordinal)).Select(told => told.Action).ToList();

    private async Task ChainIsIntactAsync() => Assert.True((await _runs.Server.GetAsync("/v1/audit/verify")).Json.GetProperty("intact").GetBoolean());
}
