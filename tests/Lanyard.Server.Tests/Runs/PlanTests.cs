using System.Net;
using System.Text;
using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Http;
using Lanyard.Server.Runs;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("5.6")]
public sealed class SqlitePlanTests() : PlanTests(DatabaseKind.Sqlite);

[Line("5.6")]
[Needs("postgres")]
public sealed class PostgresPlanTests() : PlanTests(DatabaseKind.Postgres);

/// <summary>Plan, approval, apply; states with locks and versions: from the server's side, and by callers that try to get round it.</summary>
public abstract class PlanTests(DatabaseKind kind) : IAsyncLifetime
{
    private const string Home = "/v1/workspaces/demo/collections/one";
    private const string Lock = """{"ID":"lock-1","Operation":"OperationTypeApply","Who":"me"}""";
    private readonly ManualTime _time = new();
    private RunsServer _runs = null!;
    private SimulatedRunner _runner = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _runs = await RunsServer.StartAsync(kind, time: _time);
        foreach (var (slug, more) in ((string, string)[])[("infra", ""), ("auto", ",\"approval\":false"), ("shared", ",\"state\":\"infra\"")])
            (await _runs.Server.PutAsync(
                $"{Home}/definitions/{slug}", """{"spec":{"steps":[{"name":"fetch","script":"true"}],"opentofu":{"files":{"main.tf":"# SLUG"}MORE}}}""".Replace("SLUG", slug, StringComparison.Ordinal).Replace("MORE", more, StringComparison.Ordinal))).Made();
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
    public async Task A_plan_with_changes_waits_for_a_human_and_what_is_applied_is_what_was_planned()
    {
        var run = await PlanAsync("infra", "the plan");
        var held = await _runs.RunAsync(run);
        Assert.Equal(("queued", "apply", "approval", 2), (Text(held, "state"), Text(held, "phase"), Text(held, "waitingFor"), held.GetProperty("plan").GetProperty("add").GetInt32()));
        Assert.Empty((await _runner.PollAsync()).Value!.Offers);
        Assert.Equal("approval", (await _runs.Server.GetAsync($"{RunsServer.Runs}/{run}/why")).Json.GetProperty("reasons")[0].GetProperty("code").GetString());
        Assert.Contains("labels=\"executor:process\",runner=\"\",state=\"waiting_for_human\"} 1", (await _runs.Server.GetAsync("/metrics")).Body, StringComparison.Ordinal);

        (await _runs.Server.PutAsync($"{Home}/definitions/infra", """{"spec":{"steps":[],"opentofu":{"files":{"main.tf":"# changed meanwhile"}}}}""", ifMatch: "*")).Made();
        Assert.Equal(HttpStatusCode.OK, (await SayAsync(run, "approve")).Status);
        var offer = Assert.Single((await _runner.PollAsync()).Value!.Offers);
        Assert.Equal((run, 2), (offer.Run, offer.Attempt));
        var payload = (await _runner.AcceptAsync(run, 2)).Value!;
        Assert.Equal(("apply", "apply", "# infra"), (payload.Phase, payload.Opentofu!.Action, payload.Opentofu.Files!["main.tf"]));
        Assert.Equal([("fetch", ":"), ("opentofu", ":")], payload.Steps.Select(s => (s.Name, s.Script!)));
        Assert.Equal((HttpStatusCode.OK, "the plan"), await _runner.RawAsync(HttpMethod.Get, run, "plan", attempt: 2));
        Assert.Equal(HttpStatusCode.Conflict, (await _runner.RawAsync(HttpMethod.Put, run, "plan", "another", 2)).Status);
        await _runner.StartAsync(run, 2);
        await _runner.EndAsync(run, attempt: 2);
        var done = await _runs.RunAsync(run);
        Assert.Equal(("succeeded", 2), (Text(done, "state"), done.GetProperty("attempts").GetArrayLength()));
        Assert.False(done.TryGetProperty("waitingFor", out _));
    }

    [Fact]
    public async Task A_plan_is_encrypted_where_it_lies_and_gone_when_its_run_is_over()
    {
        var run = await PlanAsync("infra", "the-plan-with-a-password");
        var box = Assert.Single(await _runs.Server.Database.QueryAsync($"select box from plans", static row => row.GetFieldValue<byte[]>(0), Cancel));
        Assert.DoesNotContain("password", Encoding.Latin1.GetString(box), StringComparison.Ordinal);
        await SayAsync(run, "discard");
        await _runs.Get<Lanyard.Server.Runs.Opentofu.PlanStore>().RemoveFinishedAsync(Cancel);
        Assert.Equal(0, await _runs.Server.Database.ScalarAsync($"select count(*) from plans", Cancel));
        Assert.Equal(("canceled", "discarded"), await _runs.RunAsync(run) is var view ? (Text(view, "state"), Text(view, "reason")) : default);
    }

    [Theory]
    [InlineData("infra", "apply", 0, "succeeded", null)]
    [InlineData("infra", "plan", 3, "succeeded", null)]
    [InlineData("infra", "drift", 3, "succeeded", null)]
    [InlineData("infra", "destroy", 1, "queued", "approval")]
    [InlineData("auto", "apply", 1, "queued", null)]
    [InlineData("auto", "destroy", 0, "succeeded", null)]
    public async Task What_follows_a_plan_is_by_action_changes_and_definition(string definition, string action, int changes, string state, string? waitingFor)
    {
        var run = await PlanAsync(definition, "p", changes, action);
        var view = await _runs.RunAsync(run);
        Assert.Equal((state, waitingFor, action), (Text(view, "state"), Text(view, "waitingFor"), Text(view, "action")));
        Assert.Equal(definition == "auto" && state == "queued" ? 1 : 0, (await _runner.PollAsync()).Value!.Offers.Count);
    }

    [Fact]
    public async Task A_plan_that_never_came_is_nothing_to_approve()
    {
        var run = await TakeAsync("infra");
        await _runner.EndAsync(run);
        Assert.Equal(("failed", RunReasons.NoPlan), await _runs.RunAsync(run) is var view ? (Text(view, "state"), Text(view, "reason")) : default);
        Assert.Equal(HttpStatusCode.Conflict, (await SayAsync(run, "approve")).Status);
    }

    [Fact]
    public async Task Approval_is_an_operators_once_and_a_viewer_and_another_collection_have_no_say()
    {
        var run = await PlanAsync("infra", "p");
        var workspace = (await _runs.Server.GetAsync("/v1/workspaces/demo")).Json.GetProperty("id").GetString()!;
        _runs.Server.Be("viewer", new RoleBinding(new Scope(workspace, null), Role.Viewer));
        Assert.Equal(HttpStatusCode.Forbidden, (await _runs.Server.SendAsync(HttpMethod.Post, $"{RunsServer.Runs}/{run}/approve", "viewer", "{}")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await _runs.Server.SendAsync(HttpMethod.Post, $"/v1/workspaces/demo/collections/two/runs/{run}/approve", "admin", "{}")).Status);
        var said = await Task.WhenAll(SayAsync(run, "approve"), SayAsync(run, "discard"), SayAsync(run, "approve"));
        Assert.Single(said, s => s.Status == HttpStatusCode.OK);
        Assert.Equal(2, said.Count(s => s.Status == HttpStatusCode.Conflict));
    }

    [Fact]
    public async Task An_apply_that_began_and_was_lost_is_not_tried_again_and_its_lock_is_a_humans_to_take_away()
    {
        var run = await PlanAsync("infra", "p");
        await SayAsync(run, "approve");
        await _runner.PollAsync();
        await _runner.AcceptAsync(run, 2);
        await _runner.StartAsync(run, 2);
        Assert.Equal(HttpStatusCode.NoContent, (await _runner.RawAsync(HttpMethod.Post, run, "state/lock", Lock, 2)).Status);
        _time.Advance(TimeSpan.FromSeconds(61));
        await _runs.Get<RunSweeper>().SweepAsync(Cancel);
        Assert.Equal(("failed", RunReasons.LostInApply), await _runs.RunAsync(run) is var view ? (Text(view, "state"), Text(view, "reason")) : default);
        Assert.Equal(HttpStatusCode.Gone, (await _runner.RawAsync(HttpMethod.Post, run, "state?ID=lock-1", "{}", 2)).Status);

        var next = await TakeAsync("shared");
        var (status, body) = await _runner.RawAsync(HttpMethod.Post, next, "state/lock", Lock.Replace("lock-1", "lock-2", StringComparison.Ordinal));
        Assert.Equal((HttpStatusCode.Locked, Lock), (status, body));
        var state = (await _runs.Server.GetAsync($"{Home}/states")).Json.GetProperty("items")[0];
        Assert.Equal(("infra", "lock-1", run), (Text(state, "name"), Text(state.GetProperty("lock"), "id"), Text(state.GetProperty("lock"), "run")));
        Assert.Equal(HttpStatusCode.NotFound, (await _runs.Server.DeleteAsync($"{Home}/states/infra/locks/another")).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await _runs.Server.DeleteAsync($"{Home}/states/infra/locks/lock-1")).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await _runner.RawAsync(HttpMethod.Post, next, "state/lock", Lock.Replace("lock-1", "lock-2", StringComparison.Ordinal))).Status);
    }

    [Fact]
    public async Task A_lock_that_a_lost_plan_left_behind_is_given_to_the_next()
    {
        var run = await TakeAsync("infra");
        await _runner.RawAsync(HttpMethod.Post, run, "state/lock", Lock);
        _time.Advance(TimeSpan.FromSeconds(61));
        await _runs.Get<RunSweeper>().SweepAsync(Cancel);
        Assert.Equal(run, await _runner.TakeAsync());
        Assert.Equal(HttpStatusCode.NoContent, (await _runner.RawAsync(HttpMethod.Post, run, "state/lock", Lock.Replace("lock-1", "lock-2", StringComparison.Ordinal), 2)).Status);
    }

    [Fact]
    public async Task Of_many_locks_at_once_one_is_given()
    {
        var run = await TakeAsync("infra");
        var said = await Task.WhenAll(Enumerable.Range(0, 10).Select(i => _runner.RawAsync(HttpMethod.Post, run, "state/lock", $$"""{"ID":"lock-{{i}}"}""")));
        Assert.Single(said, s => s.Status == HttpStatusCode.NoContent);
        Assert.Equal(9, said.Count(s => s.Status == HttpStatusCode.Locked));
    }

    [Fact]
    public async Task A_state_is_written_by_who_has_the_lock_and_by_nobody_else()
    {
        var run = await TakeAsync("infra");
        Assert.Equal(HttpStatusCode.NoContent, (await _runner.RawAsync(HttpMethod.Get, run, "state")).Status);
        Assert.Equal(HttpStatusCode.Conflict, (await _runner.RawAsync(HttpMethod.Post, run, "state?ID=lock-1", "{}")).Status);
        await _runner.RawAsync(HttpMethod.Post, run, "state/lock", Lock);
        Assert.Equal(HttpStatusCode.Conflict, (await _runner.RawAsync(HttpMethod.Post, run, "state", "{}")).Status);
        Assert.Equal(HttpStatusCode.Conflict, (await _runner.RawAsync(HttpMethod.Post, run, "state?ID=lock-2", "{}")).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await _runner.RawAsync(HttpMethod.Post, run, "state?ID=lock-1", """{"serial":1,"password":"hunter2"}""")).Status);
        Assert.Equal((HttpStatusCode.OK, """{"serial":1,"password":"hunter2"}"""), await _runner.RawAsync(HttpMethod.Get, run, "state"));
        var box = Assert.Single(await _runs.Server.Database.QueryAsync($"select box from states", static row => row.GetFieldValue<byte[]>(0), Cancel));
        Assert.DoesNotContain("hunter2", Encoding.Latin1.GetString(box), StringComparison.Ordinal);

        var other = await _runs.RunnerAsync("r2", "one");
        await other.OpenAsync();
        foreach (var (method, path, body) in ((HttpMethod, string, string?)[])[
            (HttpMethod.Get, "state", null), (HttpMethod.Post, "state?ID=lock-1", "{}"), (HttpMethod.Post, "state/lock", Lock), (HttpMethod.Post, "state/unlock", Lock), (HttpMethod.Get, "plan", null)])
            Assert.Equal(HttpStatusCode.NotFound, (await other.RawAsync(method, run, path, body)).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await _runner.RawAsync(HttpMethod.Post, run, "state/unlock", Lock)).Status);
        Assert.Equal(HttpStatusCode.Conflict, (await _runner.RawAsync(HttpMethod.Post, run, "state?ID=lock-1", "{}")).Status);
    }

    [Fact]
    public async Task An_attempt_that_has_heard_of_anothers_lock_can_neither_give_it_back_nor_take_it_over()
    {
        var run = await TakeAsync("infra");
        await _runner.RawAsync(HttpMethod.Post, run, "state/lock", Lock);
        var second = await TakeAsync("shared");
        var (status, told) = await _runner.RawAsync(HttpMethod.Post, second, "state/lock", """{"ID":"lock-2"}""");
        Assert.Equal(HttpStatusCode.Locked, status);
        Assert.Equal(HttpStatusCode.Conflict, (await _runner.RawAsync(HttpMethod.Post, second, "state/unlock", told)).Status);
        Assert.Equal(HttpStatusCode.Locked, (await _runner.RawAsync(HttpMethod.Post, second, "state/lock", told)).Status);
        Assert.Equal(HttpStatusCode.Conflict, (await _runner.RawAsync(HttpMethod.Post, second, "state?ID=lock-1", "{}")).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await _runner.RawAsync(HttpMethod.Post, run, "state/lock", Lock)).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await _runner.RawAsync(HttpMethod.Post, run, "state?ID=lock-1", "{}")).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await _runner.RawAsync(HttpMethod.Post, run, "state/unlock", Lock)).Status);
    }

    [Fact]
    public async Task A_canceled_attempt_still_saves_its_state_until_it_has_ended()
    {
        var run = await TakeAsync("infra");
        await _runner.RawAsync(HttpMethod.Post, run, "state/lock", Lock);
        await _runs.Server.SendAsync(HttpMethod.Post, $"{RunsServer.Runs}/{run}/cancel", "admin", "{}");
        Assert.Equal(HttpStatusCode.NoContent, (await _runner.RawAsync(HttpMethod.Post, run, "state?ID=lock-1", """{"serial":2}""")).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await _runner.RawAsync(HttpMethod.Post, run, "state/unlock", Lock)).Status);
        await _runner.EndAsync(run, "canceled");
        Assert.Equal(HttpStatusCode.Gone, (await _runner.RawAsync(HttpMethod.Post, run, "state?ID=lock-1", "{}")).Status);
        var state = (await _runs.Server.GetAsync($"{Home}/states")).Json.GetProperty("items")[0];
        Assert.Equal((1, false), (state.GetProperty("version").GetInt32(), state.TryGetProperty("lock", out _)));
    }

    [Fact]
    public async Task The_last_twenty_versions_of_a_state_are_kept()
    {
        var run = await TakeAsync("infra");
        await _runner.RawAsync(HttpMethod.Post, run, "state/lock", Lock);
        for (var i = 0; i < 23; i++)
            await _runner.RawAsync(HttpMethod.Post, run, "state?ID=lock-1", $$"""{"serial":{{i}}}""");
        Assert.Equal((20, 4), ((int)(await _runs.Server.Database.ScalarAsync($"select count(*) from states", Cancel))!, (int)(await _runs.Server.Database.ScalarAsync($"select min(version) from states", Cancel))!));
        Assert.Equal("""{"serial":22}""", (await _runner.RawAsync(HttpMethod.Get, run, "state")).Body);
    }

    [Fact]
    public async Task The_versions_of_a_state_are_everybodys_to_see_and_an_admins_to_read_and_each_reading_is_audited()
    {
        var run = await TakeAsync("infra");
        await _runner.RawAsync(HttpMethod.Post, run, "state/lock", Lock);
        for (var i = 1; i < 4; i++)
            await _runner.RawAsync(HttpMethod.Post, run, "state?ID=lock-1", $$"""{"serial":{{i}}}""");
        var workspace = (await _runs.Server.GetAsync("/v1/workspaces/demo")).Json.GetProperty("id").GetString()!;
        foreach (var role in (Role[])[Role.Viewer, Role.Operator])
        {
            _runs.Server.Be("looker", new RoleBinding(new Scope(workspace, null), role));
            var seen = await _runs.Server.GetAsync($"{Home}/states/infra/versions", "looker");
            Assert.Equal([3, 2, 1], seen.Json.GetProperty("items").EnumerateArray().Select(v => v.GetProperty("version").GetInt32()));
            Assert.All(seen.Json.GetProperty("items").EnumerateArray(), v => Assert.Equal(run, Text(v, "run")));
            Assert.Equal(HttpStatusCode.Forbidden, (await _runs.Server.GetAsync($"{Home}/states/infra/versions/2", "looker")).Status);
            Assert.Equal(HttpStatusCode.Forbidden, (await PushAsync("""{"version":4,"serial":1,"lineage":"l"}""", "*", "looker")).Status);
        }

        Assert.Equal("""{"serial":2}""", (await _runs.Server.GetAsync($"{Home}/states/infra/versions/2")).Body);
        foreach (var absent in (string[])["infra/versions/4", "infra/versions/0", "infra/versions/x", "infra/versions/-1", "other/versions/1", "other/versions"])
            Assert.Equal(HttpStatusCode.NotFound, (await _runs.Server.GetAsync($"{Home}/states/{absent}")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await _runs.Server.GetAsync("/v1/workspaces/demo/collections/two/states/infra/versions/2")).Status);
        var audited = (await _runs.Server.GetAsync("/v1/audit?limit=500")).Body.Split('\n').Where(line => line.Contains("\"state.read\"", StringComparison.Ordinal));
        Assert.Contains("\"version\":\"2\"", Assert.Single(audited), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_state_that_is_pushed_is_the_next_version_where_nobody_works_on_it_and_the_pusher_knew_the_last()
    {
        const string state = """{"version":4,"serial":7,"lineage":"l","resources":[{"password":"hunter2"}]}""";
        foreach (var wrong in (string[])["", "[]", "{}", "nonsense", """{"version":"4","serial":1,"lineage":"l"}""", """{"version":4,"serial":1}"""])
            Assert.Equal(HttpStatusCode.BadRequest, (await PushAsync(wrong)).Status);
        Assert.Equal(HttpStatusCode.OK, (await PushAsync(state)).Status);
        Assert.Equal(HttpStatusCode.PreconditionRequired, (await PushAsync(state)).Status);
        var box = Assert.Single(await _runs.Server.Database.QueryAsync($"select box from states", static row => row.GetFieldValue<byte[]>(0), Cancel));
        Assert.DoesNotContain("hunter2", Encoding.Latin1.GetString(box), StringComparison.Ordinal);

        // A run works on it: it finds what was pushed, and nobody pushes beneath it.
        var run = await TakeAsync("infra");
        await _runner.RawAsync(HttpMethod.Post, run, "state/lock", Lock);
        Assert.Equal((HttpStatusCode.OK, state), await _runner.RawAsync(HttpMethod.Get, run, "state"));
        Assert.Equal(HttpStatusCode.Conflict, (await PushAsync(state, "*")).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await _runner.RawAsync(HttpMethod.Post, run, "state?ID=lock-1", """{"version":4,"serial":8,"lineage":"l"}""")).Status);
        await _runner.RawAsync(HttpMethod.Post, run, "state/unlock", Lock);

        // Who still thinks of the first version overwrites nothing.
        var stale = (await _runs.Server.GetAsync($"{Home}/states/infra/versions")).ETag!.Replace(".2", ".1", StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.PreconditionFailed, (await PushAsync(state, stale)).Status);
        Assert.Equal(HttpStatusCode.OK, (await PushAsync(state, stale.Replace(".1", ".2", StringComparison.Ordinal))).Status);
        var row = (await _runs.Server.GetAsync($"{Home}/states")).Json.GetProperty("items")[0];
        Assert.Equal((3, false, false), (row.GetProperty("version").GetInt32(), row.TryGetProperty("lock", out _), row.TryGetProperty("run", out _)));
        Assert.Equal((HttpStatusCode.OK, state), await _runner.RawAsync(HttpMethod.Get, run, "state"));
    }

    [Fact]
    public async Task Of_many_pushes_and_locks_at_once_none_is_beneath_another()
    {
        Assert.Equal(HttpStatusCode.OK, (await PushAsync("""{"version":4,"serial":1,"lineage":"l"}""")).Status);
        var etag = (await _runs.Server.GetAsync($"{Home}/states/infra/versions")).ETag!;
        var pushed = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => PushAsync($$"""{"version":4,"serial":{{i}},"lineage":"l"}""", etag)));
        Assert.Single(pushed, p => p.Status == HttpStatusCode.OK);
        Assert.All(pushed, p => Assert.Contains(p.Status, (HttpStatusCode[])[HttpStatusCode.OK, HttpStatusCode.PreconditionFailed, HttpStatusCode.Conflict]));
        Assert.Equal(2, await _runs.Server.Database.ScalarAsync($"select max(version) from states", Cancel));
        Assert.Equal(0, await _runs.Server.Database.ScalarAsync($"select count(*) from state_locks", Cancel));
    }

    [Fact]
    public async Task An_ordinary_run_has_neither_plan_nor_state_and_takes_no_action()
    {
        await _runs.CreateAsync();
        var run = await _runner.TakeAsync();
        Assert.Equal(HttpStatusCode.NotFound, (await _runner.RawAsync(HttpMethod.Get, run, "state")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await _runner.RawAsync(HttpMethod.Put, run, "plan", "x")).Status);
        foreach (var body in (string[])["""{"definition":"build","action":"plan"}""", """{"definition":"infra","phase":"apply"}""", """{"definition":"infra","action":"explode"}"""])
            Assert.Equal(HttpStatusCode.BadRequest, (await _runs.Server.SendAsync(HttpMethod.Post, RunsServer.Runs, "admin", body)).Status);
    }

    [Fact]
    public async Task Every_mistake_of_a_block_is_found_at_once()
    {
        var answer = await _runs.Server.PutAsync(
            $"{Home}/definitions/bad",
            """{"spec":{"steps":[{"name":"opentofu","script":"true"}],"opentofu":{"state":"No","folder":"../up","files":{"/etc/passwd":"x","a/../b":"x",".hidden":"x"}}}}""");
        Assert.Equal(
            ["spec.opentofu.files..hidden", "spec.opentofu.files./etc/passwd", "spec.opentofu.files.a/../b", "spec.opentofu.folder", "spec.opentofu.state", "spec.steps"],
            answer.Mistakes.Select(m => m.Split(": ")[0]).Order(StringComparer.Ordinal));
    }

    /// <param name="ifMatch">Null: what is there, if anything, is not known.</param>
    private Task<Answer> PushAsync(string state, string? ifMatch = null, string by = "admin") =>
        _runs.Server.SendAsync(HttpMethod.Put, $"{Home}/states/infra", by, state, ifMatch: ifMatch);

    private static string? Text(JsonElement element, string name) => element.TryGetProperty(name, out var value) ? value.GetString() : null;

    private Task<Answer> SayAsync(string run, string word) => _runs.Server.SendAsync(HttpMethod.Post, $"{RunsServer.Runs}/{run}/{word}", "admin", "{}");

    private async Task<string> TakeAsync(string definition, string? action = null)
    {
        await _runs.CreateAsync(action is null ? $$"""{"definition":"{{definition}}"}""" : $$"""{"definition":"{{definition}}","action":"{{action}}"}""");
        return await _runner.TakeAsync();
    }

    /// <summary>A run whose plan is with the server and has so many changes.</summary>
    private async Task<string> PlanAsync(string definition, string plan, int changes = 2, string? action = null)
    {
        var run = await TakeAsync(definition, action);
        Assert.Equal(HttpStatusCode.NoContent, (await _runner.RawAsync(HttpMethod.Put, run, "plan", plan)).Status);
        Assert.Equal(HttpStatusCode.OK, (await _runner.PlannedAsync(run, changes)).Status);
        return run;
    }
}
