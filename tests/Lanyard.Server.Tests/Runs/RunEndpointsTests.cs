using System.Net;
using Lanyard.Identity;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Collections;
using Lanyard.Server.Http;
using Lanyard.Server.Runs;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("2.9")]
public sealed class SqliteRunEndpointsTests() : RunEndpointsTests(DatabaseKind.Sqlite);

[Line("2.9")]
[Needs("postgres")]
public sealed class PostgresRunEndpointsTests() : RunEndpointsTests(DatabaseKind.Postgres);

/// <summary>Runs over HTTP, from the caller's and the runner's side.</summary>
public abstract class RunEndpointsTests(DatabaseKind kind) : IAsyncLifetime
{
    private RunsServer _runs = null!;

    private TestServer Server => _runs.Server;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _runs = await RunsServer.StartAsync(kind);

    public async ValueTask DisposeAsync()
    {
        if (_runs is not null)
            await _runs.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task A_run_goes_from_its_creation_to_its_end_and_shows_what_happened()
    {
        var runner = await _runs.RunnerAsync("r1", "one");
        Assert.Equal(["demo/one"], (await runner.OpenAsync()).Collections);
        var poll = runner.PollAsync(1, 20);
        var run = await _runs.CreateAsync("""{"definition":"build","variables":{"X":"y"},"phase":"plan","repository":"acme/app","environment":"prod"}""");
        var offer = Assert.Single((await poll.WaitAsync(TimeSpan.FromSeconds(120), Cancel)).Value!.Offers);
        Assert.Equal((run, 1, "demo", "one"), (offer.Run, offer.Attempt, offer.Workspace, offer.Collection));

        var payload = (await runner.AcceptAsync(run)).Value!;
        Assert.Equal($"runtime.{run}.1", payload.RuntimeToken);
        Assert.Equal($"{TestServer.SomeUrl}/oidc/demo", payload.Issuer);
        Assert.Equal(("build", "plan", 600, "y"), (payload.Definition, payload.Phase, payload.TimeoutSeconds, payload.Variables["X"]));
        Assert.Equal([("hello", 30), ("bye", 600)], payload.Steps.Select(s => (s.Name, s.TimeoutSeconds)));
        Assert.Null(payload.Steps[0].OidcAudiences);
        Assert.Equal(["sts.amazonaws.com"], payload.Steps[1].OidcAudiences!);

        Assert.Equal("running", (await runner.StartAsync(run)).Value!.State);
        await runner.StepAsync(run, 0, "running");
        await runner.StepAsync(run, 0, "succeeded", 0);
        await runner.LogAsync(run, 0, "hello\n"u8.ToArray());
        Assert.Equal("ended", (await runner.EndAsync(run, log: "hello\n"u8.ToArray())).Value!.State);

        var shown = await _runs.RunAsync(run);
        Assert.Equal("succeeded", shown.GetProperty("state").GetString());
        Assert.Equal("acme/app", shown.GetProperty("context").GetProperty("repository").GetString());
        var attempt = shown.GetProperty("attempts")[0];
        Assert.Equal(("r1", 6, true), (attempt.GetProperty("runner").GetString(), attempt.GetProperty("logBytes").GetInt64(), attempt.GetProperty("logComplete").GetBoolean()));
        Assert.Equal(("hello", "succeeded", 0), (attempt.GetProperty("steps")[0].GetProperty("name").GetString(), attempt.GetProperty("steps")[0].GetProperty("state").GetString(), attempt.GetProperty("steps")[0].GetProperty("exitCode").GetInt32()));
        Assert.Equal("hello\n", (await Server.GetAsync($"{RunsServer.Runs}/{run}/logs")).Body);
        Assert.Equal("llo\n", (await Server.GetAsync($"{RunsServer.Runs}/{run}/logs?offset=2")).Body);
    }

    [Fact]
    [Line("2.12")]
    public async Task Each_decision_of_a_run_is_one_audit_event()
    {
        var runner = await _runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        await _runs.CreateAsync();
        var run = await runner.TakeAsync();
        await runner.AcceptAsync(run);
        await runner.EndAsync(run);
        await runner.EndAsync(run);
        await runner.StartAsync(run);
        var actions = await Server.Database.QueryAsync(
            $"select action, decision from audit_events order by seq", static row => row.GetString(0) + " " + row.GetString(1), Cancel);
        Assert.Single(actions, a => a.StartsWith("run.create", StringComparison.Ordinal));
        Assert.Single(actions, a => a.StartsWith("attempt.accept", StringComparison.Ordinal));
        Assert.Single(actions, a => a.StartsWith("attempt.end", StringComparison.Ordinal));
        Assert.Single(actions, a => a.StartsWith("attempt.start", StringComparison.Ordinal));
        Assert.Single(actions, a => a.StartsWith("runner.session", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_lost_accept_answer_is_had_again_by_the_same_call()
    {
        var runner = await _runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        var run = await _runs.CreateAsync();
        await runner.PollAsync();
        var first = await runner.AcceptAsync(run);
        var second = await runner.AcceptAsync(run);
        Assert.Equal(HttpStatusCode.OK, second.Status);
        Assert.Equal(first.Value!.RuntimeToken, second.Value!.RuntimeToken);
        Assert.Equal(1, (await _runs.RunAsync(run)).GetProperty("attempts").GetArrayLength());
    }

    [Fact]
    public async Task A_lost_offer_comes_again_with_the_next_poll_of_the_session_and_not_to_another()
    {
        var runner = await _runs.RunnerAsync("r1", "one");
        var other = await _runs.RunnerAsync("r2", "one");
        await runner.OpenAsync();
        await other.OpenAsync();
        var run = await _runs.CreateAsync();
        await runner.PollAsync();
        Assert.Empty((await other.PollAsync()).Value!.Offers);
        var again = Assert.Single((await runner.PollAsync()).Value!.Offers);
        Assert.Equal((run, 1), (again.Run, again.Attempt));
        Assert.Empty((await runner.PollAsync(1, 0, new Hold(run, 1, AttemptStates.Offered))).Value!.Offers);
    }

    [Fact]
    public async Task Calls_of_a_stale_session_are_409_those_after_the_end_410_and_those_of_a_stranger_404()
    {
        var runner = await _runs.RunnerAsync("r1", "one");
        var stranger = await _runs.RunnerAsync("r2", "one");
        await runner.OpenAsync();
        await stranger.OpenAsync();
        await _runs.CreateAsync();
        var run = await runner.TakeAsync();
        Assert.Equal(HttpStatusCode.NotFound, (await stranger.StartAsync(run)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await stranger.LogAsync(run, 0, [1])).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await stranger.EndAsync(run)).Status);

        var older = _runs.Speak(runner.Id, "r1");
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
        var runner = await _runs.RunnerAsync("r1", "one");
        Assert.Equal(HttpStatusCode.Gone, (await runner.PollAsync()).Status);
    }

    [Fact]
    public async Task A_cancel_reaches_the_waiting_poll_and_the_run_is_canceled_when_the_process_is_dead()
    {
        var runner = await _runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        await _runs.CreateAsync();
        var run = await runner.TakeAsync();
        var poll = runner.PollAsync(0, 30, new Hold(run, 1, AttemptStates.Running));
        var canceled = await Server.SendAsync(HttpMethod.Post, $"{RunsServer.Runs}/{run}/cancel", "admin");
        Assert.Equal("running", canceled.Json.GetProperty("state").GetString());
        Assert.Equal(HoldAnswers.Cancel, Assert.Single((await poll.WaitAsync(TimeSpan.FromSeconds(120), Cancel)).Value!.Answers).Answer);
        Assert.False(await _runs.Get<AttemptLiveness>().IsAliveAsync(run, 1, Cancel));
        Assert.Equal(HttpStatusCode.OK, (await runner.LogAsync(run, 0, "stopping"u8.ToArray())).Status);
        Assert.Equal("canceling", (await runner.StepAsync(run, 0, "canceled")).Value!.State);
        await runner.EndAsync(run, RunStates.Canceled, log: "stopping"u8.ToArray());
        Assert.Equal("canceled", (await _runs.RunAsync(run)).GetProperty("state").GetString());
        Assert.Equal(HttpStatusCode.OK, (await Server.SendAsync(HttpMethod.Post, $"{RunsServer.Runs}/{run}/cancel", "admin")).Status);
    }

    [Fact]
    public async Task The_same_idempotency_key_makes_one_run_and_with_another_body_none()
    {
        async Task<Answer> CreateAsync(string body)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, RunsServer.Runs) { Content = new StringContent(body, null, "application/json") };
            request.Headers.Add("Authorization", "Bearer admin");
            request.Headers.Add("Idempotency-Key", "deploy-42");
            using var response = await Server.Client.SendAsync(request, Cancel);
            return new(response.StatusCode, await response.Content.ReadAsStringAsync(Cancel), response.Content.Headers.ContentType?.MediaType, response.Headers);
        }

        var first = await CreateAsync("""{"definition":"build","variables":{"A":"1","B":"2"}}""");
        var second = await CreateAsync("""{ "variables":{"B":"2","A":"1"}, "definition":"build" }""");
        Assert.Equal((HttpStatusCode.Created, HttpStatusCode.OK), (first.Status, second.Status));
        Assert.Equal(first.Made(), second.Made());
        Assert.Equal(HttpStatusCode.Conflict, (await CreateAsync("""{"definition":"build"}""")).Status);
        Assert.Equal(1, (await Server.GetAsync(RunsServer.Runs)).Json.GetProperty("items").GetArrayLength());
    }

    [Fact]
    public async Task Every_mistake_of_a_request_is_told_at_once_and_nothing_is_made()
    {
        var answer = await Server.SendAsync(
            HttpMethod.Post,
            RunsServer.Runs,
            "admin",
            """{"definition":"No","priority":101,"phase":"a b","variables":{"LANYARD_RUN":"x","1A":"y"},"labels":["a b"],"environment":"a:b","repository":""}""");
        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        Assert.Equal(
            ["definition", "environment", "labels[0]", "phase", "priority", "repository", "variables.1A", "variables.LANYARD_RUN"],
            answer.Mistakes.Select(m => m.Split(": ")[0]).Order(StringComparer.Ordinal));
        Assert.Equal(["definition: the collection has no such definition", "runner: no such runner serves the collection"],
            (await Server.SendAsync(HttpMethod.Post, RunsServer.Runs, "admin", """{"definition":"none","runner":"none"}""")).Mistakes);
        Assert.Empty((await Server.GetAsync(RunsServer.Runs)).Json.GetProperty("items").EnumerateArray());
    }

    [Fact]
    public async Task Runs_are_listed_newest_first_page_by_page_and_by_state()
    {
        var runs = new List<string>();
        for (var i = 0; i < 5; i++)
            runs.Add(await _runs.CreateAsync());
        await Server.SendAsync(HttpMethod.Post, $"{RunsServer.Runs}/{runs[0]}/cancel", "admin");
        var first = (await Server.GetAsync($"{RunsServer.Runs}?limit=3")).Json;
        var second = (await Server.GetAsync($"{RunsServer.Runs}?limit=3&after={first.GetProperty("next").GetString()}")).Json;
        var listed = first.GetProperty("items").EnumerateArray().Concat(second.GetProperty("items").EnumerateArray()).Select(r => r.GetProperty("id").GetString()!);
        Assert.Equal(runs.OrderDescending(StringComparer.Ordinal), listed);
        Assert.Equal(4, (await Server.GetAsync($"{RunsServer.Runs}?state=queued")).Json.GetProperty("items").GetArrayLength());
        Assert.Equal(HttpStatusCode.BadRequest, (await Server.GetAsync($"{RunsServer.Runs}?state=lost")).Status);
    }

    [Fact]
    [Line("2.11")]
    public async Task What_is_foreign_and_what_does_not_exist_is_the_same_answer()
    {
        var run = await _runs.CreateAsync();
        var foreign = Server.Be("foreign", new RoleBinding(new Scope("ws_none", null), Role.Admin));
        string[] paths = [$"{RunsServer.Runs}/{run}", $"{RunsServer.Runs}/{run}/logs", RunsServer.Runs, "/v1/workspaces/demo/runners/r1", "/v1/workspaces/demo/runners"];
        foreach (var path in paths)
        {
            var missing = await Server.GetAsync("/v1/workspaces/none/collections/none/runs/run_none", foreign.Name);
            Assert.Equal(missing.Comparable, (await Server.GetAsync(path, foreign.Name)).Comparable);
        }
        var far = "/v1/workspaces/other/collections/far/runs";
        var missingRun = await Server.GetAsync($"{far}/{Ids.New("run", TimeProvider.System)}");
        Assert.Equal(missingRun.Comparable, (await Server.GetAsync($"{far}/{run}")).Comparable);
        Assert.Equal(missingRun.Comparable, (await Server.SendAsync(HttpMethod.Post, $"{far}/{run}/cancel", "admin")).Comparable);
        Assert.Equal(missingRun.Comparable, (await Server.SendAsync(HttpMethod.Post, $"/v1/runner/attempts/{run}/1/accept", "admin", """{"session":"s"}""")).Comparable);
    }

    [Fact]
    public async Task A_viewer_sees_a_run_and_may_neither_make_nor_cancel_one()
    {
        var run = await _runs.CreateAsync();
        Server.Be("viewer", new RoleBinding(Scope.Instance, Role.Viewer));
        Assert.Equal(HttpStatusCode.OK, (await Server.GetAsync($"{RunsServer.Runs}/{run}", "viewer")).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await Server.SendAsync(HttpMethod.Post, RunsServer.Runs, "viewer", """{"definition":"build"}""")).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await Server.SendAsync(HttpMethod.Post, $"{RunsServer.Runs}/{run}/cancel", "viewer")).Status);
        Assert.Equal("queued", (await _runs.RunAsync(run)).GetProperty("state").GetString());
    }

    [Fact]
    public async Task Log_chunks_are_taken_in_order_once_and_never_rewritten()
    {
        var runner = await _runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        await _runs.CreateAsync();
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
        Assert.False((await _runs.RunAsync(run)).GetProperty("attempts")[0].GetProperty("logComplete").GetBoolean());
    }

    [Fact]
    public async Task A_follower_gets_what_is_written_while_it_waits_and_hears_of_the_end()
    {
        var runner = await _runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        await _runs.CreateAsync();
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
        var runner = await _runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        await _runs.CreateAsync();
        var run = await runner.TakeAsync();
        Assert.Equal(HttpStatusCode.BadRequest, (await runner.StepAsync(run, 2, "running")).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await runner.StepAsync(run, 0, "exploded")).Status);
        Assert.Equal(HttpStatusCode.OK, (await runner.StepAsync(run, 1, "running")).Status);
    }

    [Fact]
    [Line("2.10")]
    public async Task A_living_attempt_has_the_identity_that_its_definition_allows_and_a_dead_one_none()
    {
        var identity = _runs.Get<RunIdentity>();
        var runner = await _runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        await _runs.CreateAsync("""{"definition":"build","phase":"apply","environment":"prod","ref":"refs/heads/main"}""");
        var run = await runner.TakeAsync();
        var uuid = (await Server.GetAsync("/v1/workspaces/demo/collections/one/definitions/build")).Json.GetProperty("spec").GetProperty("uuid").GetString();

        var aws = (await identity.GrantAsync(run, 1, "sts.amazonaws.com", cancellationToken: Cancel)).Value;
        Assert.Equal($"system:serviceaccount:test:workspace.demo.buildingblockdefinition.{uuid}", aws.Subject);
        Assert.Equal(("demo", "RS256", null), (aws.Workspace, aws.Algorithm, aws.Lifetime));
        var vault = (await identity.GrantAsync(run, 1, "vault", cancellationToken: Cancel)).Value;
        Assert.Equal("workspace:demo:collection:one:definition:build:phase:apply:environment:prod", vault.Subject);
        Assert.Equal(("ES256", TimeSpan.FromSeconds(120)), (vault.Algorithm, vault.Lifetime));
        Assert.Equal(("r1", 1L, false, run), (vault.Claims["runner"], vault.Claims["attempt"], vault.Claims["runner_shared"], vault.Claims["run"]));
        Assert.False(vault.Claims.ContainsKey("repository"));
        Assert.False((await identity.GrantAsync(run, 1, $"{TestServer.SomeUrl}/oidc/demo", cancellationToken: Cancel)).IsRefused);

        Assert.Equal(RefusalReason.AudienceNotAllowed, (await identity.GrantAsync(run, 1, "elsewhere", cancellationToken: Cancel)).Refusal.Reason);
        Assert.Equal(RefusalReason.SubjectEnded, (await identity.GrantAsync(run, 2, "vault", cancellationToken: Cancel)).Refusal.Reason);
        await runner.EndAsync(run);
        Assert.Equal(RefusalReason.SubjectEnded, (await identity.GrantAsync(run, 1, "vault", cancellationToken: Cancel)).Refusal.Reason);
    }

    [Fact]
    [Line("2.10")]
    public async Task A_subject_can_be_asked_for_by_name_and_each_template_is_counted_apart()
    {
        const string definition = "/v1/workspaces/demo/collections/one/definitions/build";
        var spec = """
            {"spec":{"steps":[{"name":"a","script":"true"}],"audiences":[
            {"audience":"aws","subject":"fine","subjects":{"fine":"run:{run}","coarse":"workspace:{workspace}"}},{"audience":"vault"}]}}
            """;
        var id = (await Server.PutAsync(definition, spec, ifMatch: "*")).Made();
        var (identity, uses) = (_runs.Get<RunIdentity>(), _runs.Get<SubjectUses>());
        var runner = await _runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        await _runs.CreateAsync();
        var run = await runner.TakeAsync();

        var fine = (await identity.GrantAsync(run, 1, "aws", cancellationToken: Cancel)).Value;
        var coarse = (await identity.GrantAsync(run, 1, "aws", "coarse", cancellationToken: Cancel)).Value;
        var vault = (await identity.GrantAsync(run, 1, "vault", "lanyard", cancellationToken: Cancel)).Value;
        Assert.Equal(($"run:{run}", "workspace:demo", "lanyard"), (fine.Subject, coarse.Subject, vault.Use.Template));
        foreach (var name in (string[])["bitbucket", "default", "lanyard", "run:{run}", ""])
            Assert.Equal(RefusalReason.ScopeNotAllowed, (await identity.GrantAsync(run, 1, "aws", name, cancellationToken: Cancel)).Refusal.Reason);
        Assert.Equal(RefusalReason.ScopeNotAllowed, (await identity.GrantAsync(run, 1, "vault", "coarse", cancellationToken: Cancel)).Refusal.Reason);

        await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Task.Run(() => uses.Count(fine.Use), Cancel)));
        await uses.FlushAsync(Cancel);
        uses.Count(fine.Use);
        uses.Count(coarse.Use);
        uses.Count(fine.Use with { DefinitionId = "def_gone" });
        Assert.Equal([("aws", "coarse", 1L), ("aws", "fine", 51L)], (await uses.ListAsync(id, Cancel)).Select(u => (u.Audience, u.Template, u.Tokens)));
        Assert.Empty(await uses.ListAsync("def_gone", Cancel));
    }

    [Theory]
    [Line("6.2")]
    [InlineData("claims.phase == 'apply' && claims.attempt == 1 && !claims.runner_shared", true)]
    [InlineData("claims.definition == 'guarded' && claims.run.startsWith('run_') && claims.?repository.orValue('none') == 'none'", true)]
    [InlineData("claims.phase == 'plan'", false)]
    [InlineData("claims.repository == 'acme/app'", false)]
    [InlineData("claims.repository != 'acme/app'", false)]
    [InlineData("claims.attempt == '1'", false)]
    public async Task A_run_gets_no_token_for_an_audience_or_a_subject_whose_condition_is_not_true_of_it(string condition, bool expected)
    {
        foreach (var member in (string[])[$"\"condition\":\"{condition}\"", $"\"conditions\":{{\"fine\":\"{condition}\"}}"])
        {
            (await Server.PutAsync(
                "/v1/workspaces/demo/collections/one/definitions/guarded",
                $$$"""{"spec":{"steps":[{"name":"hello","script":"true"}],"audiences":[{"audience":"aws","subject":"fine","subjects":{"fine":"run:{run}","coarse":"w:{workspace}"},{{{member}}}}]}}""",
                ifMatch: member.StartsWith("\"conditions", StringComparison.Ordinal) ? "*" : null)).Made();
            var runner = await _runs.RunnerAsync($"r{member.Length}", "one");
            await runner.OpenAsync();
            await _runs.CreateAsync("""{"definition":"guarded","phase":"apply"}""");
            var run = await runner.TakeAsync();

            var fine = await _runs.Get<RunIdentity>().GrantAsync(run, 1, "aws", cancellationToken: Cancel);
            var coarse = await _runs.Get<RunIdentity>().GrantAsync(run, 1, "aws", "coarse", cancellationToken: Cancel);

            Assert.Equal((expected, expected || member.StartsWith("\"conditions", StringComparison.Ordinal)), (!fine.IsRefused, !coarse.IsRefused));
            if (!expected) Assert.Equal(RefusalReason.AudienceNotAllowed, fine.Refusal.Reason);
            await runner.EndAsync(run);
        }
    }
}
