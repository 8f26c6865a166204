using System.Net;
using Lanyard.Identity;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Http;
using Lanyard.Server.Operations;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Lanyard.Server.Tests.Operations;

/// <summary>What a run or a machine does to other runs, and what keeps it from doing more.</summary>
[Line("4.2")]
public sealed class OperationTests : IAsyncLifetime
{
    private readonly ManualTime _time = new();
    private OperationsServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await OperationsServer.StartAsync(time: _time);

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task A_run_starts_sees_extends_and_cancels_a_run_that_its_definition_names()
    {
        var parent = await _server.LiveAsync("parent", ""","repository":"demo/app","ref":"refs/heads/main","environment":"prod" """);

        var started = await _server.StartAsync(parent, "child", ""","variables":{"A":"1"}""");
        Assert.True(started.Status == HttpStatusCode.Created, started.Body);
        var child = started.Json.GetProperty("id").GetString()!;
        var seen = await _server.RunAsync(child);
        Assert.Equal("1", seen.GetProperty("variables").GetProperty("A").GetString());

        // For the same repository, ref and environment, by the run.
        var context = seen.GetProperty("context");
        Assert.Equal(("demo/app", "refs/heads/main", "prod", parent, "stated"), (Text("repository"), Text("ref"), Text("environment"), Text("actor"), Text("source")));

        var extended = await _server.DoAsync(parent, child, "extend", """{"seconds":300}""");
        Assert.Equal((HttpStatusCode.OK, 900), (extended.Status, extended.Json.GetProperty("timeoutSeconds").GetInt32()));
        Assert.Equal("queued", (await _server.Server.GetAsync($"/runtime/runs/{child}", parent)).Json.GetProperty("state").GetString());
        Assert.Equal("canceled", (await _server.DoAsync(parent, child, "cancel")).Json.GetProperty("state").GetString());
        Assert.Equal(HttpStatusCode.Conflict, (await _server.DoAsync(parent, child, "extend", """{"seconds":1}""")).Status);

        var audit = (await _server.Server.GetAsync("/v1/audit?limit=500")).Body;
        foreach (var action in (string[])["operation.start", "operation.extend", "operation.cancel"]) Assert.Contains($"\"{action}\"", audit, StringComparison.Ordinal);
        Assert.Contains($"\"root\":\"{parent}\"", audit, StringComparison.Ordinal);

        string? Text(string name) => context.GetProperty(name).GetString();
    }

    [Fact]
    public async Task More_time_reaches_the_runner_and_ends_at_a_day()
    {
        var parent = await _server.LiveAsync("parent");
        var child = (await _server.StartAsync(parent, "child")).Json.GetProperty("id").GetString()!;
        await _server.TakeAsync(child);
        var hold = new Hold(child, 1, AttemptStates.Running);
        Assert.Equal(600, (await _server.Runner.HeartbeatAsync(hold)).Value!.Answers.Single().TimeoutSeconds);

        Assert.Equal(HttpStatusCode.OK, (await _server.DoAsync(parent, child, "extend", """{"seconds":400}""")).Status);

        Assert.Equal(1000, (await _server.Runner.HeartbeatAsync(hold)).Value!.Answers.Single().TimeoutSeconds);

        // Past its first end it still lives, as long as its lease is renewed; past the new one it does not.
        for (var i = 0; i < 24; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(30));
            await _server.Runner.HeartbeatAsync(hold);
        }

        Assert.Equal(HoldAnswers.Keep, (await _server.Runner.HeartbeatAsync(hold)).Value!.Answers.Single().Answer);
        Assert.Equal(HttpStatusCode.Conflict, (await _server.DoAsync(parent, child, "extend", """{"seconds":86400}""")).Status);
        foreach (var (seconds, status) in ((long, HttpStatusCode)[])[(0, HttpStatusCode.BadRequest), (-1, HttpStatusCode.BadRequest), (86_401, HttpStatusCode.BadRequest), (9_999_999_999, HttpStatusCode.BadRequest)])
            Assert.Equal(status, (await _server.DoAsync(parent, child, "extend", $$"""{"seconds":{{seconds}}}""")).Status);
    }

    [Fact]
    public async Task Whatever_it_has_no_grant_for_does_not_exist_and_a_missing_action_is_forbidden()
    {
        var parent = await _server.LiveAsync("parent");
        var stop = (await _server.Server.SendAsync(HttpMethod.Post, OperationsServer.Runs, "admin", """{"definition":"stop"}""")).Made();
        var other = (await _server.Server.SendAsync(HttpMethod.Post, OperationsServer.Runs, "admin", """{"definition":"other"}""")).Made();
        var foreign = (await _server.Server.SendAsync(HttpMethod.Post, OperationsServer.Runs.Replace("/one/", "/two/", StringComparison.Ordinal), "admin", """{"definition":"child"}""")).Made();

        Assert.Equal(HttpStatusCode.Forbidden, (await _server.StartAsync(parent, "stop")).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await _server.DoAsync(parent, stop, "extend", """{"seconds":5}""")).Status);
        Assert.Equal(HttpStatusCode.OK, (await _server.DoAsync(parent, stop, "cancel")).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await _server.StartAsync(parent, "child", ""","phase":"apply" """)).Status);

        // Of another definition, of another collection, and one that there is not: the same answer to the letter.
        var missing = (await _server.Server.GetAsync("/runtime/runs/run_01k00000000000000000000000", parent)).Comparable;
        foreach (var run in (string[])[other, foreign, "nonsense"])
        {
            Assert.Equal(missing, (await _server.Server.GetAsync($"/runtime/runs/{run}", parent)).Comparable);
            Assert.Equal(HttpStatusCode.NotFound, (await _server.DoAsync(parent, run, "cancel")).Status);
        }

        Assert.Equal((await _server.StartAsync(parent, "other")).Comparable, (await _server.StartAsync(parent, "nothing-at-all")).Comparable);
        Assert.Equal(HttpStatusCode.NotFound, (await _server.StartAsync(parent, "child", ""","collection":"two" """)).Status);

        // A run whose definition says nothing may nothing.
        await _server.Runner.EndAsync(parent);
        var silent = await TakeAsync(other);
        Assert.Equal(HttpStatusCode.NotFound, (await _server.StartAsync(silent, "child")).Status);
        Assert.Contains("\"operation.start\"", (await _server.Server.GetAsync("/v1/audit?limit=500")).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_chain_of_runs_that_start_each_other_ends()
    {
        var run = await _server.LiveAsync("parent");
        for (var i = 0; i < LoopGuard.MaxDepth; i++)
        {
            var next = await _server.StartAsync(run, "parent");
            Assert.True(next.Status == HttpStatusCode.Created, next.Body);
            run = next.Json.GetProperty("id").GetString()!;
            await _server.TakeAsync(run);
        }

        var last = await _server.StartAsync(run, "parent");
        Assert.Equal(HttpStatusCode.Forbidden, last.Status);
        Assert.Contains("that started each other", (await _server.Server.GetAsync("/v1/audit?limit=500")).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Many_at_once_are_counted_together_under_their_root_and_go_on_in_the_next_minute()
    {
        var parent = await _server.LiveAsync("parent");
        var child = (await _server.StartAsync(parent, "parent")).Json.GetProperty("id").GetString()!;
        await _server.TakeAsync(child);

        var answers = await Task.WhenAll(Enumerable.Range(0, 30).Select(i => _server.StartAsync(i % 2 == 0 ? parent : child, "child")));

        Assert.Equal(LoopGuard.MaxPerMinute - 1, answers.Count(static answer => answer.Status == HttpStatusCode.Created));
        Assert.Equal(31 - LoopGuard.MaxPerMinute, answers.Count(static answer => answer.Status == HttpStatusCode.TooManyRequests));
        _time.Advance(TimeSpan.FromMinutes(1));
        _server.Be(parent);
        await _server.Runner.HeartbeatAsync(new Hold(parent, 1, AttemptStates.Running));
        Assert.Equal(HttpStatusCode.Created, (await _server.StartAsync(parent, "child")).Status);
    }

    [Fact]
    public async Task Under_one_root_only_so_many_are_started_in_all_however_slowly_and_other_roots_go_on()
    {
        var guard = _server.Server.Services.GetRequiredService<LoopGuard>();
        for (var i = 0; i < LoopGuard.MaxPerRoot; i++)
        {
            if (i % LoopGuard.MaxPerMinute == 0) _time.Advance(TimeSpan.FromMinutes(1));
            Assert.Null(await guard.TakeAsync(new OperationChain("run_x", 1), CancellationToken.None));
        }

        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(RefusalReason.Forbidden, (await guard.TakeAsync(new OperationChain("run_x", 1), CancellationToken.None))?.Reason);
        Assert.Null(await guard.TakeAsync(new OperationChain("run_y", 1), CancellationToken.None));
    }

    [Fact]
    public async Task A_machine_may_what_its_operator_could_and_what_it_was_registered_with_is_nobodys_word()
    {
        Assert.Equal(HttpStatusCode.BadRequest, (await _server.MachineAsync("""[{"collection":"none","definition":"child","actions":["start"]}]""")).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await _server.MachineAsync("""[{"collection":"one","definition":"child","actions":["destroy"]}]""")).Status);
        var made = await _server.Server.SendAsync(
            HttpMethod.Post, "/v1/workspaces/demo/machines", "admin",
            """{"repository":"demo/app","ref":"refs/heads/main","operations":[{"collection":"one","definition":"child","actions":["start"],"phases":["plan"]}]}""");
        var machine = _server.BeMachine(made);

        Assert.Equal(HttpStatusCode.Forbidden, (await _server.StartAsync(machine, "child")).Status);
        var started = await _server.StartAsync(machine, "child", ""","phase":"plan" """);
        Assert.True(started.Status == HttpStatusCode.Created, started.Body);
        var context = (await _server.RunAsync(started.Json.GetProperty("id").GetString()!)).GetProperty("context");
        Assert.Equal((machine, false), (context.GetProperty("actor").GetString(), context.TryGetProperty("repository", out _)));
        Assert.Equal(HttpStatusCode.Forbidden, (await _server.DoAsync(machine, started.Json.GetProperty("id").GetString()!, "cancel")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await _server.StartAsync(machine, "stop")).Status);

        await _server.Server.DeleteAsync($"/v1/workspaces/demo/machines/{machine}");
        Assert.Equal(HttpStatusCode.Unauthorized, (await _server.StartAsync(machine, "child", ""","phase":"plan" """)).Status);
    }

    [Fact]
    public async Task Who_is_no_operator_of_a_collection_gives_a_machine_nothing_in_it()
    {
        var one = (await _server.Server.GetAsync("/v1/workspaces/demo")).Json.GetProperty("id").GetString()!;
        _server.Server.Be("viewer", new RoleBinding(new Scope(one, null), Role.Viewer));
        _server.Server.Be("operator", new RoleBinding(new Scope(one, null), Role.Operator));

        Assert.Equal(HttpStatusCode.Forbidden, (await _server.MachineAsync("""[{"collection":"one","definition":"child","actions":["start"]}]""", "viewer")).Status);
        Assert.Equal(HttpStatusCode.Created, (await _server.MachineAsync("""[{"collection":"one","definition":"child","actions":["start"]}]""", "operator")).Status);
    }

    [Theory]
    [InlineData("POST", "/runtime/runs", "{}")]
    [InlineData("POST", "/runtime/runs", "[]")]
    [InlineData("POST", "/runtime/runs", """{"definition":"child","surprise":1}""")]
    [InlineData("POST", "/runtime/runs", """{"definition":"child","variables":{"LANYARD_RUN":"x"}}""")]
    [InlineData("POST", "/runtime/runs/run_01k00000000000000000000000/extend", "{}")]
    public async Task What_can_not_be_read_is_a_400_with_the_mistake(string method, string path, string body)
    {
        var parent = await _server.LiveAsync("parent");

        var answer = await _server.Server.SendAsync(new HttpMethod(method), path, parent, body);

        Assert.Equal((HttpStatusCode.BadRequest, "application/problem+json"), (answer.Status, answer.MediaType));
    }

    [Fact]
    public async Task Nobody_but_a_run_or_machine_gets_in()
    {
        foreach (var bearer in (string?[])[null, "admin", "runner-r"])
            Assert.Equal(HttpStatusCode.Unauthorized, (await _server.Server.SendAsync(HttpMethod.Post, "/runtime/runs", bearer, """{"definition":"child"}""")).Status);
    }

    private async Task<string> TakeAsync(string run)
    {
        // Others wait before it.
        for (var taken = await _server.Runner.TakeAsync(); taken != run; taken = await _server.Runner.TakeAsync()) await _server.Runner.EndAsync(taken);
        _server.Be(run);
        return run;
    }
}
