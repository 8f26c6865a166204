using System.Net;
using Lanyard.Identity;
using Lanyard.Server.Http;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("2.9")]
public sealed class SqliteRunEndpointsTests() : RunEndpointsTests(DatabaseKind.Sqlite);

[Line("2.9")]
[Needs("postgres")]
public sealed class PostgresRunEndpointsTests() : RunEndpointsTests(DatabaseKind.Postgres);

/// <summary>Runs over HTTP, from the caller's side.</summary>
public abstract class RunEndpointsTests(DatabaseKind kind) : RunsServerFixture(kind)
{
    [Fact]
    public async Task A_run_goes_from_its_creation_to_its_end_and_shows_what_happened()
    {
        var runner = await Runs.RunnerAsync("r1", "one");
        Assert.Equal(["demo/one"], (await runner.OpenAsync()).Collections);
        var poll = runner.PollAsync(1, 20);
        var run = await Runs.CreateAsync("""{"definition":"build","variables":{"X":"y"},"phase":"plan","repository":"acme/app","environment":"prod"}""");
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

        var shown = await Runs.RunAsync(run);
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
        var runner = await Runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        await Runs.CreateAsync();
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
        var other = await CreateAsync("""{"definition":"build"}""");
        Assert.Equal(HttpStatusCode.Conflict, other.Status);
        Assert.Contains("the idempotency key was used with another body", other.Body, StringComparison.Ordinal);
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
            runs.Add(await Runs.CreateAsync());
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
        var run = await Runs.CreateAsync();
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
        var run = await Runs.CreateAsync();
        Server.Be("viewer", new RoleBinding(Scope.Instance, Role.Viewer));
        Assert.Equal(HttpStatusCode.OK, (await Server.GetAsync($"{RunsServer.Runs}/{run}", "viewer")).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await Server.SendAsync(HttpMethod.Post, RunsServer.Runs, "viewer", """{"definition":"build"}""")).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await Server.SendAsync(HttpMethod.Post, $"{RunsServer.Runs}/{run}/cancel", "viewer")).Status);
        Assert.Equal("queued", (await Runs.RunAsync(run)).GetProperty("state").GetString());
    }
}
