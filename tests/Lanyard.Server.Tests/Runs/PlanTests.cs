using System.Net;
using System.Text;
using Lanyard.Identity;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Audit;
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

/// <summary>Plan, approval, apply: from the server's side, and by callers that try to get round it.</summary>
public abstract class PlanTests(DatabaseKind kind) : OpentofuTests(kind)
{
    [Fact]
    public async Task A_plan_with_changes_waits_for_a_human_and_what_is_applied_is_what_was_planned()
    {
        var run = await PlanAsync("infra", "the plan");
        var held = await Runs.RunAsync(run);
        Assert.Equal(("queued", "apply", "approval", 2), (Text(held, "state"), Text(held, "phase"), Text(held, "waitingFor"), held.GetProperty("plan").GetProperty("add").GetInt32()));
        Assert.Empty((await Runner.PollAsync()).Value!.Offers);
        Assert.Equal("approval", (await Runs.Server.GetAsync($"{RunsServer.Runs}/{run}/why")).Json.GetProperty("reasons")[0].GetProperty("code").GetString());
        Assert.Contains("labels=\"executor:process\",runner=\"\",state=\"waiting_for_human\"} 1", (await Runs.Server.GetAsync("/metrics")).Body, StringComparison.Ordinal);

        (await Runs.Server.PutAsync($"{Home}/definitions/infra", """{"spec":{"steps":[],"opentofu":{"files":{"main.tf":"# changed meanwhile"}}}}""", ifMatch: "*")).Made();
        Assert.Equal(HttpStatusCode.OK, (await SayAsync(run, "approve")).Status);
        var offer = Assert.Single((await Runner.PollAsync()).Value!.Offers);
        Assert.Equal((run, 2), (offer.Run, offer.Attempt));
        var payload = (await Runner.AcceptAsync(run, 2)).Value!;
        Assert.Equal(("apply", "apply", "# infra"), (payload.Phase, payload.Opentofu!.Action, payload.Opentofu.Files!["main.tf"]));
        Assert.Equal([("fetch", ":"), ("opentofu", ":")], payload.Steps.Select(s => (s.Name, s.Script!)));
        Assert.Equal((HttpStatusCode.OK, "the plan"), await Runner.RawAsync(HttpMethod.Get, run, "plan", attempt: 2));
        Assert.Equal(HttpStatusCode.Conflict, (await Runner.RawAsync(HttpMethod.Put, run, "plan", "another", 2)).Status);
        await Runner.StartAsync(run, 2);
        await Runner.EndAsync(run, attempt: 2);
        var done = await Runs.RunAsync(run);
        Assert.Equal(("succeeded", 2), (Text(done, "state"), done.GetProperty("attempts").GetArrayLength()));
        Assert.False(done.TryGetProperty("waitingFor", out _));
    }

    [Fact]
    public async Task A_plan_is_encrypted_where_it_lies_and_gone_when_its_run_is_over()
    {
        var run = await PlanAsync("infra", "the-plan-with-a-password");
        var box = Assert.Single(await Runs.Server.Database.QueryAsync($"select box from plans", static row => row.GetFieldValue<byte[]>(0), Cancel));
        Assert.DoesNotContain("password", Encoding.Latin1.GetString(box), StringComparison.Ordinal);
        await SayAsync(run, "discard");
        await Runs.Get<Lanyard.Server.Runs.Opentofu.PlanStore>().RemoveFinishedAsync(Cancel);
        Assert.Equal(0, await Runs.Server.Database.ScalarAsync($"select count(*) from plans", Cancel));
        Assert.Equal(("canceled", "discarded"), await Runs.RunAsync(run) is var view ? (Text(view, "state"), Text(view, "reason")) : default);
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
        var view = await Runs.RunAsync(run);
        Assert.Equal((state, waitingFor, action), (Text(view, "state"), Text(view, "waitingFor"), Text(view, "action")));
        Assert.Equal(definition == "auto" && state == "queued" ? 1 : 0, (await Runner.PollAsync()).Value!.Offers.Count);
    }

    [Fact]
    public async Task A_plan_that_never_came_is_nothing_to_approve()
    {
        var run = await TakeAsync("infra");
        await Runner.EndAsync(run);
        Assert.Equal(("failed", RunReasons.NoPlan), await Runs.RunAsync(run) is var view ? (Text(view, "state"), Text(view, "reason")) : default);
        var late = await SayAsync(run, "approve");
        Assert.Equal((HttpStatusCode.Conflict, $": {run} does not wait for approval"), (late.Status, Assert.Single(late.Mistakes)));
    }

    private static AuditEvent Told => new("test.plan");

    /// <summary>Whoever approves has seen the summary of the plan that was made last: a slow upload of an attempt that was lost meanwhile must not end up under it.</summary>
    [Fact]
    public async Task A_plan_that_arrives_late_takes_the_place_of_no_other_and_of_none_that_was_approved()
    {
        var run = await TakeAsync("infra");
        Time.Advance(TimeSpan.FromSeconds(61));
        await Runs.Get<RunSweeper>().SweepAsync(Cancel);
        Assert.Equal(run, await Runner.TakeAsync());
        Assert.Equal(HttpStatusCode.NoContent, (await Runner.RawAsync(HttpMethod.Put, run, "plan", "the second", 2)).Status);
        var plans = Runs.Get<Lanyard.Server.Runs.Opentofu.PlanStore>();
        Assert.False(await plans.PutAsync(run, 1, "the first"u8.ToArray(), 0, Told, Cancel));
        Assert.True(await plans.PutAsync(run, 2, "the second"u8.ToArray(), 0, Told, Cancel));
        await Runner.PlannedAsync(run, 1, 2);
        await SayAsync(run, "approve");

        Assert.False(await plans.PutAsync(run, 2, "another"u8.ToArray(), 0, Told, Cancel));
        Assert.Equal("the second", Encoding.UTF8.GetString((await plans.FindAsync(run, Cancel))!));
    }

    [Fact]
    public async Task Approval_is_an_operators_once_and_a_viewer_and_another_collection_have_no_say()
    {
        var run = await PlanAsync("infra", "p");
        var workspace = (await Runs.Server.GetAsync("/v1/workspaces/demo")).Json.GetProperty("id").GetString()!;
        Runs.Server.Be("viewer", new RoleBinding(new Scope(workspace, null), Role.Viewer));
        Assert.Equal(HttpStatusCode.Forbidden, (await Runs.Server.SendAsync(HttpMethod.Post, $"{RunsServer.Runs}/{run}/approve", "viewer", "{}")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await Runs.Server.SendAsync(HttpMethod.Post, $"/v1/workspaces/demo/collections/two/runs/{run}/approve", "admin", "{}")).Status);
        var said = await Task.WhenAll(SayAsync(run, "approve"), SayAsync(run, "discard"), SayAsync(run, "approve"));
        Assert.Single(said, s => s.Status == HttpStatusCode.OK);
        Assert.Equal(2, said.Count(s => s.Status == HttpStatusCode.Conflict));
    }

    [Fact]
    public async Task An_apply_that_began_and_was_lost_is_not_tried_again_and_its_lock_is_a_humans_to_take_away()
    {
        var run = await PlanAsync("infra", "p");
        await SayAsync(run, "approve");
        await Runner.PollAsync();
        await Runner.AcceptAsync(run, 2);
        await Runner.StartAsync(run, 2);
        Assert.Equal(HttpStatusCode.NoContent, (await Runner.RawAsync(HttpMethod.Post, run, "state/lock", Lock, 2)).Status);
        Time.Advance(TimeSpan.FromSeconds(61));
        await Runs.Get<RunSweeper>().SweepAsync(Cancel);
        Assert.Equal(("failed", RunReasons.LostInApply), await Runs.RunAsync(run) is var view ? (Text(view, "state"), Text(view, "reason")) : default);
        Assert.Equal(HttpStatusCode.Gone, (await Runner.RawAsync(HttpMethod.Post, run, "state?ID=lock-1", "{}", 2)).Status);

        var next = await TakeAsync("shared");
        var (status, body) = await Runner.RawAsync(HttpMethod.Post, next, "state/lock", Lock.Replace("lock-1", "lock-2", StringComparison.Ordinal));
        Assert.Equal((HttpStatusCode.Locked, Lock), (status, body));
        var state = (await Runs.Server.GetAsync($"{Home}/states")).Json.GetProperty("items")[0];
        Assert.Equal(("infra", "lock-1", run), (Text(state, "name"), Text(state.GetProperty("lock"), "id"), Text(state.GetProperty("lock"), "run")));
        Assert.Equal(HttpStatusCode.NotFound, (await Runs.Server.DeleteAsync($"{Home}/states/infra/locks/another")).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await Runs.Server.DeleteAsync($"{Home}/states/infra/locks/lock-1")).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await Runner.RawAsync(HttpMethod.Post, next, "state/lock", Lock.Replace("lock-1", "lock-2", StringComparison.Ordinal))).Status);
    }

    [Fact]
    public async Task An_ordinary_run_has_neither_plan_nor_state_and_takes_no_action()
    {
        await Runs.CreateAsync();
        var run = await Runner.TakeAsync();
        Assert.Equal(HttpStatusCode.NotFound, (await Runner.RawAsync(HttpMethod.Get, run, "state")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await Runner.RawAsync(HttpMethod.Put, run, "plan", "x")).Status);
        foreach (var body in (string[])["""{"definition":"build","action":"plan"}""", """{"definition":"infra","phase":"apply"}""", """{"definition":"infra","action":"explode"}"""])
            Assert.Equal(HttpStatusCode.BadRequest, (await Runs.Server.SendAsync(HttpMethod.Post, RunsServer.Runs, "admin", body)).Status);
    }

    [Fact]
    public async Task Every_mistake_of_a_block_is_found_at_once()
    {
        var answer = await Runs.Server.PutAsync(
            $"{Home}/definitions/bad",
            """{"spec":{"steps":[{"name":"opentofu","script":"true"}],"opentofu":{"state":"No","folder":"../up","files":{"/etc/passwd":"x","a/../b":"x",".hidden":"x"}}}}""");
        Assert.Equal(
            ["spec.opentofu.files..hidden", "spec.opentofu.files./etc/passwd", "spec.opentofu.files.a/../b", "spec.opentofu.folder", "spec.opentofu.state", "spec.steps"],
            answer.Mistakes.Select(m => m.Split(": ")[0]).Order(StringComparer.Ordinal));
    }
}
