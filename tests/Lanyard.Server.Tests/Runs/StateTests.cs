using System.Net;
using System.Text;
using Lanyard.Server.Http;
using Lanyard.Server.Runs;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("5.6")]
public sealed class SqliteStateTests() : StateTests(DatabaseKind.Sqlite);

[Line("5.6")]
[Needs("postgres")]
public sealed class PostgresStateTests() : StateTests(DatabaseKind.Postgres);

/// <summary>States with locks and versions: from the server's side, and by callers that try to get round it.</summary>
public abstract class StateTests(DatabaseKind kind) : OpentofuTests(kind)
{
    [Fact]
    public async Task A_lock_that_a_lost_plan_left_behind_is_given_to_the_next()
    {
        var run = await TakeAsync("infra");
        await Runner.RawAsync(HttpMethod.Post, run, "state/lock", Lock);
        Time.Advance(TimeSpan.FromSeconds(61));
        await Runs.Get<RunSweeper>().SweepAsync(Cancel);
        Assert.Equal(run, await Runner.TakeAsync());
        Assert.Equal(HttpStatusCode.NoContent, (await Runner.RawAsync(HttpMethod.Post, run, "state/lock", Lock.Replace("lock-1", "lock-2", StringComparison.Ordinal), 2)).Status);
    }

    /// <summary>The tool's calls come through a step's hands.</summary>
    [Theory]
    [InlineData("""{"ID":"a\u0000"}""")]
    [InlineData("""{"ID":"\ud800"}""")]
    [InlineData("""{"ID":""}""")]
    [InlineData("[]")]
    public async Task A_lock_whose_id_is_no_text_is_a_mistake_and_no_outage(string asked)
    {
        var run = await TakeAsync("infra");
        Assert.Equal(HttpStatusCode.BadRequest, (await Runner.RawAsync(HttpMethod.Post, run, "state/lock", asked)).Status);
        Assert.Equal(HttpStatusCode.Conflict, (await Runner.RawAsync(HttpMethod.Post, run, "state/unlock", asked)).Status);
    }

    [Fact]
    public async Task Of_many_locks_at_once_one_is_given()
    {
        var run = await TakeAsync("infra");
        var said = await Task.WhenAll(Enumerable.Range(0, 10).Select(i => Runner.RawAsync(HttpMethod.Post, run, "state/lock", $$"""{"ID":"lock-{{i}}"}""")));
        Assert.Single(said, s => s.Status == HttpStatusCode.NoContent);
        Assert.Equal(9, said.Count(s => s.Status == HttpStatusCode.Locked));
    }

    [Fact]
    public async Task A_state_is_written_by_who_has_the_lock_and_by_nobody_else()
    {
        var run = await ApplyAsync("infra");
        Assert.Equal(HttpStatusCode.NoContent, (await Runner.RawAsync(HttpMethod.Get, run, "state", attempt: 2)).Status);
        Assert.Equal(HttpStatusCode.Conflict, (await Runner.RawAsync(HttpMethod.Post, run, "state?ID=lock-1", "{}", 2)).Status);
        await Runner.RawAsync(HttpMethod.Post, run, "state/lock", Lock, 2);
        Assert.Equal(HttpStatusCode.Conflict, (await Runner.RawAsync(HttpMethod.Post, run, "state", "{}", 2)).Status);
        Assert.Equal(HttpStatusCode.Conflict, (await Runner.RawAsync(HttpMethod.Post, run, "state?ID=lock-2", "{}", 2)).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await Runner.RawAsync(HttpMethod.Post, run, "state?ID=lock-1", """{"serial":1,"password":"hunter2"}""", 2)).Status);
        Assert.Equal((HttpStatusCode.OK, """{"serial":1,"password":"hunter2"}"""), await Runner.RawAsync(HttpMethod.Get, run, "state", attempt: 2));
        var box = Assert.Single(await Runs.Server.Database.QueryAsync($"select box from states", static row => row.GetFieldValue<byte[]>(0), Cancel));
        Assert.DoesNotContain("hunter2", Encoding.Latin1.GetString(box), StringComparison.Ordinal);

        var other = await Runs.RunnerAsync("r2", "one");
        await other.OpenAsync();
        foreach (var (method, path, body) in ((HttpMethod, string, string?)[])[
            (HttpMethod.Get, "state", null), (HttpMethod.Post, "state?ID=lock-1", "{}"), (HttpMethod.Post, "state/lock", Lock), (HttpMethod.Post, "state/unlock", Lock), (HttpMethod.Get, "plan", null)])
            Assert.Equal(HttpStatusCode.NotFound, (await other.RawAsync(method, run, path, body)).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await Runner.RawAsync(HttpMethod.Post, run, "state/unlock", Lock, 2)).Status);
        Assert.Equal(HttpStatusCode.Conflict, (await Runner.RawAsync(HttpMethod.Post, run, "state?ID=lock-1", "{}", 2)).Status);
    }

    /// <summary>A pull request's code may run in a plan, and what is approved afterwards would be applied to a state of its making.</summary>
    [Fact]
    public async Task An_attempt_that_plans_locks_and_reads_a_state_and_does_not_write_it()
    {
        Assert.Equal(HttpStatusCode.OK, (await PushAsync("""{"version":4,"serial":1,"lineage":"l"}""")).Status);
        var run = await TakeAsync("infra");
        Assert.Equal(HttpStatusCode.NoContent, (await Runner.RawAsync(HttpMethod.Post, run, "state/lock", Lock)).Status);
        Assert.Equal(HttpStatusCode.Conflict, (await Runner.RawAsync(HttpMethod.Post, run, "state?ID=lock-1", """{"version":4,"serial":2,"lineage":"l"}""")).Status);
        Assert.Equal((HttpStatusCode.OK, """{"version":4,"serial":1,"lineage":"l"}"""), await Runner.RawAsync(HttpMethod.Get, run, "state"));
        Assert.Equal(HttpStatusCode.NoContent, (await Runner.RawAsync(HttpMethod.Post, run, "state/unlock", Lock)).Status);
    }

    [Fact]
    public async Task An_attempt_that_has_heard_of_anothers_lock_can_neither_give_it_back_nor_take_it_over()
    {
        var run = await ApplyAsync("infra");
        await Runner.RawAsync(HttpMethod.Post, run, "state/lock", Lock, 2);
        var second = await TakeAsync("shared");
        var (status, told) = await Runner.RawAsync(HttpMethod.Post, second, "state/lock", """{"ID":"lock-2"}""");
        Assert.Equal(HttpStatusCode.Locked, status);
        Assert.Equal(HttpStatusCode.Conflict, (await Runner.RawAsync(HttpMethod.Post, second, "state/unlock", told)).Status);
        Assert.Equal(HttpStatusCode.Locked, (await Runner.RawAsync(HttpMethod.Post, second, "state/lock", told)).Status);
        Assert.Equal(HttpStatusCode.Conflict, (await Runner.RawAsync(HttpMethod.Post, second, "state?ID=lock-1", "{}")).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await Runner.RawAsync(HttpMethod.Post, run, "state/lock", Lock, 2)).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await Runner.RawAsync(HttpMethod.Post, run, "state?ID=lock-1", "{}", 2)).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await Runner.RawAsync(HttpMethod.Post, run, "state/unlock", Lock, 2)).Status);
    }

    [Fact]
    public async Task A_canceled_attempt_still_saves_its_state_until_it_has_ended()
    {
        var run = await ApplyAsync("infra");
        await Runner.RawAsync(HttpMethod.Post, run, "state/lock", Lock, 2);
        await Runs.Server.SendAsync(HttpMethod.Post, $"{RunsServer.Runs}/{run}/cancel", "admin", "{}");
        Assert.Equal(HttpStatusCode.NoContent, (await Runner.RawAsync(HttpMethod.Post, run, "state?ID=lock-1", """{"serial":2}""", 2)).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await Runner.RawAsync(HttpMethod.Post, run, "state/unlock", Lock, 2)).Status);
        await Runner.EndAsync(run, "canceled", 2);
        Assert.Equal(HttpStatusCode.Gone, (await Runner.RawAsync(HttpMethod.Post, run, "state?ID=lock-1", "{}", 2)).Status);
        var state = (await Runs.Server.GetAsync($"{Home}/states")).Json.GetProperty("items")[0];
        Assert.Equal((1, false), (state.GetProperty("version").GetInt32(), state.TryGetProperty("lock", out _)));
    }

    [Fact]
    public async Task The_last_twenty_versions_of_a_state_are_kept()
    {
        var run = await ApplyAsync("infra");
        await Runner.RawAsync(HttpMethod.Post, run, "state/lock", Lock, 2);
        for (var i = 0; i < 23; i++)
            await Runner.RawAsync(HttpMethod.Post, run, "state?ID=lock-1", $$"""{"serial":{{i}}}""", 2);
        Assert.Equal((20, 4), ((int)(await Runs.Server.Database.ScalarAsync($"select count(*) from states", Cancel))!, (int)(await Runs.Server.Database.ScalarAsync($"select min(version) from states", Cancel))!));
        Assert.Equal("""{"serial":22}""", (await Runner.RawAsync(HttpMethod.Get, run, "state", attempt: 2)).Body);
    }

    [Fact]
    public async Task The_versions_of_a_state_are_everybodys_to_see_and_an_admins_to_read_and_each_reading_is_audited()
    {
        var run = await ApplyAsync("infra");
        await Runner.RawAsync(HttpMethod.Post, run, "state/lock", Lock, 2);
        for (var i = 1; i < 4; i++)
            await Runner.RawAsync(HttpMethod.Post, run, "state?ID=lock-1", $$"""{"serial":{{i}}}""", 2);
        var workspace = (await Runs.Server.GetAsync("/v1/workspaces/demo")).Json.GetProperty("id").GetString()!;
        foreach (var role in (Role[])[Role.Viewer, Role.Operator])
        {
            Runs.Server.Be("looker", new RoleBinding(new Scope(workspace, null), role));
            var seen = await Runs.Server.GetAsync($"{Home}/states/infra/versions", "looker");
            Assert.Equal([3, 2, 1], seen.Json.GetProperty("items").EnumerateArray().Select(v => v.GetProperty("version").GetInt32()));
            Assert.All(seen.Json.GetProperty("items").EnumerateArray(), v => Assert.Equal(run, Text(v, "run")));
            Assert.Equal(HttpStatusCode.Forbidden, (await Runs.Server.GetAsync($"{Home}/states/infra/versions/2", "looker")).Status);
            Assert.Equal(HttpStatusCode.Forbidden, (await PushAsync("""{"version":4,"serial":1,"lineage":"l"}""", "*", "looker")).Status);
        }

        Assert.Equal("""{"serial":2}""", (await Runs.Server.GetAsync($"{Home}/states/infra/versions/2")).Body);
        foreach (var absent in (string[])["infra/versions/4", "infra/versions/0", "infra/versions/x", "infra/versions/-1", "other/versions/1", "other/versions"])
            Assert.Equal(HttpStatusCode.NotFound, (await Runs.Server.GetAsync($"{Home}/states/{absent}")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await Runs.Server.GetAsync("/v1/workspaces/demo/collections/two/states/infra/versions/2")).Status);
        var audited = (await Runs.Server.GetAsync("/v1/audit?limit=500")).Body.Split('\n').Where(line => line.Contains("\"state.read\"", StringComparison.Ordinal));
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
        var box = Assert.Single(await Runs.Server.Database.QueryAsync($"select box from states", static row => row.GetFieldValue<byte[]>(0), Cancel));
        Assert.DoesNotContain("hunter2", Encoding.Latin1.GetString(box), StringComparison.Ordinal);

        // A run works on it: it finds what was pushed, and nobody pushes beneath it.
        var run = await ApplyAsync("infra");
        await Runner.RawAsync(HttpMethod.Post, run, "state/lock", Lock, 2);
        Assert.Equal((HttpStatusCode.OK, state), await Runner.RawAsync(HttpMethod.Get, run, "state", attempt: 2));
        var beneath = await PushAsync(state, "*");
        Assert.Equal((HttpStatusCode.Conflict, $": infra is locked by attempt 2 of {run} (lock lock-1)"), (beneath.Status, Assert.Single(beneath.Mistakes)));
        Assert.Equal(HttpStatusCode.NoContent, (await Runner.RawAsync(HttpMethod.Post, run, "state?ID=lock-1", """{"version":4,"serial":8,"lineage":"l"}""", 2)).Status);
        await Runner.RawAsync(HttpMethod.Post, run, "state/unlock", Lock, 2);

        // Who still thinks of the first version overwrites nothing.
        var stale = (await Runs.Server.GetAsync($"{Home}/states/infra/versions")).ETag!.Replace(".2", ".1", StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.PreconditionFailed, (await PushAsync(state, stale)).Status);
        Assert.Equal(HttpStatusCode.OK, (await PushAsync(state, stale.Replace(".1", ".2", StringComparison.Ordinal))).Status);
        var row = (await Runs.Server.GetAsync($"{Home}/states")).Json.GetProperty("items")[0];
        Assert.Equal((3, false, false), (row.GetProperty("version").GetInt32(), row.TryGetProperty("lock", out _), row.TryGetProperty("run", out _)));
        Assert.Equal((HttpStatusCode.OK, state), await Runner.RawAsync(HttpMethod.Get, run, "state", attempt: 2));
    }

    [Fact]
    public async Task A_state_is_forgotten_by_an_admin_who_knows_its_last_version_where_nobody_works_on_it()
    {
        Assert.Equal(HttpStatusCode.NotFound, (await Runs.Server.DeleteAsync($"{Home}/states/infra")).Status);
        Assert.Equal(HttpStatusCode.OK, (await PushAsync("""{"version":4,"serial":1,"lineage":"l"}""")).Status);
        var etag = (await Runs.Server.GetAsync($"{Home}/states/infra/versions")).ETag!;
        var run = await ApplyAsync("infra");
        await Runner.RawAsync(HttpMethod.Post, run, "state/lock", Lock, 2);
        Assert.Equal(HttpStatusCode.Conflict, (await Runs.Server.DeleteAsync($"{Home}/states/infra", ifMatch: etag)).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await Runner.RawAsync(HttpMethod.Post, run, "state?ID=lock-1", """{"serial":2}""", 2)).Status);
        await Runner.RawAsync(HttpMethod.Post, run, "state/unlock", Lock, 2);

        Assert.Equal((HttpStatusCode)428, (await Runs.Server.DeleteAsync($"{Home}/states/infra", ifMatch: null)).Status);
        Assert.Equal(HttpStatusCode.PreconditionFailed, (await Runs.Server.DeleteAsync($"{Home}/states/infra", ifMatch: etag)).Status);
        var workspace = (await Runs.Server.GetAsync("/v1/workspaces/demo")).Json.GetProperty("id").GetString()!;
        Runs.Server.Be("operator", new RoleBinding(new Scope(workspace, null), Role.Operator));
        Assert.Equal(HttpStatusCode.Forbidden, (await Runs.Server.DeleteAsync($"{Home}/states/infra", "operator")).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await Runs.Server.DeleteAsync($"{Home}/states/infra", ifMatch: etag.Replace(".1", ".2", StringComparison.Ordinal))).Status);

        Assert.Equal(HttpStatusCode.NotFound, (await Runs.Server.GetAsync($"{Home}/states/infra/versions")).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await Runner.RawAsync(HttpMethod.Get, run, "state", attempt: 2)).Status);
        Assert.Equal(0, await Runs.Server.Database.ScalarAsync($"select count(*) from state_locks", Cancel));
    }

    /// <summary>What nobody could find any more would still be there, and cost.</summary>
    [Fact]
    public async Task A_collection_with_a_state_is_not_deleted()
    {
        const string other = "/v1/workspaces/demo/collections/states";
        Assert.Equal(HttpStatusCode.Created, (await Runs.Server.PutAsync(other, """{"spec":{}}""")).Status);
        await Runs.Server.PutAsync($"{other}/states/net", """{"version":4,"serial":1,"lineage":"l"}""");

        var refused = await Runs.Server.DeleteAsync(other);
        Assert.Equal((HttpStatusCode.Conflict, ": states (net) still live in it: delete them first"), (refused.Status, Assert.Single(refused.Mistakes)));
        await Runs.Server.DeleteAsync($"{other}/states/net");
        Assert.Equal(HttpStatusCode.NoContent, (await Runs.Server.DeleteAsync(other)).Status);
    }

    [Fact]
    public async Task Of_many_pushes_and_locks_at_once_none_is_beneath_another()
    {
        Assert.Equal(HttpStatusCode.OK, (await PushAsync("""{"version":4,"serial":1,"lineage":"l"}""")).Status);
        var etag = (await Runs.Server.GetAsync($"{Home}/states/infra/versions")).ETag!;
        var pushed = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => PushAsync($$"""{"version":4,"serial":{{i}},"lineage":"l"}""", etag)));
        Assert.Single(pushed, p => p.Status == HttpStatusCode.OK);
        Assert.All(pushed, p => Assert.Contains(p.Status, (HttpStatusCode[])[HttpStatusCode.OK, HttpStatusCode.PreconditionFailed, HttpStatusCode.Conflict]));
        Assert.Equal(2, await Runs.Server.Database.ScalarAsync($"select max(version) from states", Cancel));
        Assert.Equal(0, await Runs.Server.Database.ScalarAsync($"select count(*) from state_locks", Cancel));
    }

    /// <param name="ifMatch">Null: what is there, if anything, is not known.</param>
    private Task<Answer> PushAsync(string state, string? ifMatch = null, string by = "admin") =>
        Runs.Server.SendAsync(HttpMethod.Put, $"{Home}/states/infra", by, state, ifMatch: ifMatch);
}
