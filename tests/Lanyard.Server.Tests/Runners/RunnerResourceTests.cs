using System.Net;
using System.Text.Json;
using Lanyard.Server.Http;
using Lanyard.Server.Runners;
using Lanyard.Server.Tests.Runs;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runners;

[Line("2.8")]
public sealed class SqliteRunnerResourceTests() : RunnerResourceTests(DatabaseKind.Sqlite);

[Line("2.8")]
[Needs("postgres")]
public sealed class PostgresRunnerResourceTests() : RunnerResourceTests(DatabaseKind.Postgres);

/// <summary>Runners as resources, and hosts that ask to become one.</summary>
public abstract class RunnerResourceTests(DatabaseKind kind) : IAsyncLifetime
{
    private const string Jwk = """{"kty":"EC","crv":"P-256","x":"a","y":"b"}""";
    private RunsServer _runs = null!;

    private TestServer Server => _runs.Server;

    public async ValueTask InitializeAsync() => _runs = await RunsServer.StartAsync(kind);

    public async ValueTask DisposeAsync()
    {
        if (_runs is not null)
            await _runs.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task A_runner_of_a_cluster_is_found_by_that_clusters_record_and_subject_and_by_no_other()
    {
        var runner = await _runs.RunnerAsync("r1", "one");
        var directory = _runs.Get<RunnerDirectory>();
        Assert.Equal(runner.Id, (await directory.FindAsync("clu_lab", "system:serviceaccount:runners:r1"))!.Id);
        Assert.Null(await directory.FindAsync("clu_other", "system:serviceaccount:runners:r1"));
        Assert.Null(await directory.FindAsync("clu_lab", "system:serviceaccount:runners:r2"));
    }

    /// <summary>It is remembered who is a runner and who is none, and every change is seen at once.</summary>
    [Fact]
    public async Task Who_becomes_a_runner_is_one_at_once_and_who_was_one_is_none()
    {
        const string subject = "system:serviceaccount:runners:r1";
        var directory = _runs.Get<RunnerDirectory>();
        Assert.Null(await directory.FindAsync("clu_lab", subject));
        var runner = await _runs.RunnerAsync("r1", "one");
        Assert.Equal(runner.Id, (await directory.FindAsync("clu_lab", subject))!.Id);

        Assert.Equal(HttpStatusCode.NoContent, (await Server.DeleteAsync("/v1/workspaces/demo/runners/r1")).Status);
        Assert.Null(await directory.FindAsync("clu_lab", subject));
    }

    [Fact]
    public async Task One_identity_belongs_to_one_runner()
    {
        await _runs.RunnerAsync("r1", "one");
        var second = await Server.PutAsync(
            "/v1/workspaces/demo/runners/r2",
            """{"spec":{"collections":["one"],"identity":{"cluster":"lab","subject":"system:serviceaccount:runners:r1"}}}""");
        Assert.Equal(HttpStatusCode.Conflict, second.Status);
        Assert.Contains("its identity is another runner's", Assert.Single(second.Mistakes), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NotFound, (await Server.GetAsync("/v1/workspaces/demo/runners/r2")).Status);
    }

    [Fact]
    public async Task A_workspaces_runner_can_not_be_connected_to_another_workspaces_collection()
    {
        var answer = await Server.PutAsync(
            "/v1/workspaces/demo/runners/r1",
            """{"spec":{"collections":["one","other/far","none"],"identity":{"cluster":"no-such","subject":"s"}}}""");
        Assert.Equal(
            ["spec.collections[1]: the workspace has no such collection", "spec.collections[2]: the workspace has no such collection",
                "spec.identity.cluster: the workspace has no such cluster"],
            answer.Mistakes);
    }

    [Fact]
    public async Task A_shared_runner_serves_collections_of_several_workspaces_and_is_the_instances()
    {
        var put = await Server.PutAsync(
            "/v1/runners/pool", """{"spec":{"collections":["demo/one","other/far"],"identity":{"cluster":"demo/lab","subject":"s"},"weights":{"demo/one":3}}}""");
        var runner = _runs.Speak(put.Made(), "pool");
        Assert.Equal(["demo/one", "other/far"], (await runner.OpenAsync()).Collections);
        Server.Be("of demo", new RoleBinding(new Scope((await Server.GetAsync("/v1/workspaces/demo")).Json.GetProperty("id").GetString(), null), Role.Admin));
        Assert.Equal(HttpStatusCode.NotFound, (await Server.GetAsync("/v1/runners/pool", "of demo")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await Server.DeleteAsync("/v1/runners/pool", "of demo")).Status);
    }

    [Fact]
    public async Task Without_sandboxes_a_session_serves_the_first_collection_only()
    {
        var runner = await _runs.RunnerAsync("r1", "two", "one");
        Assert.Equal(["demo/two"], (await runner.OpenAsync(sandboxed: false)).Collections);
    }

    [Fact]
    public async Task Every_mistake_of_a_spec_is_told_at_once()
    {
        var answer = await Server.PutAsync(
            "/v1/workspaces/demo/runners/r1",
            """{"spec":{"collections":["one","one"],"identity":{"cluster":"lab","keyThumbprint":"short"},"concurrency":0,"state":"off","labels":["a b"],"weights":{"two":0}}}""");
        Assert.Equal(
            ["spec.collections", "spec.concurrency", "spec.identity", "spec.identity.keyThumbprint", "spec.labels", "spec.state", "spec.weights.two", "spec.weights.two"],
            answer.Mistakes.Select(m => m.Split(": ")[0]).Order(StringComparer.Ordinal));
        Assert.Equal(HttpStatusCode.BadRequest, (await Server.PutAsync("/v1/workspaces/demo/runners/r1", """{"spec":{"collections":[],"identity":{},"pool":1}}""")).Status);
    }

    [Fact]
    public async Task A_change_needs_the_version_that_it_changes()
    {
        await _runs.RunnerAsync("r1", "one");
        const string Path = "/v1/workspaces/demo/runners/r1";
        var got = await Server.GetAsync(Path);
        const string Paused = """{"spec":{"collections":["one"],"identity":{"cluster":"lab","subject":"s"},"state":"paused"}}""";
        Assert.Equal(HttpStatusCode.PreconditionRequired, (await Server.PutAsync(Path, Paused)).Status);
        Assert.Equal(HttpStatusCode.PreconditionFailed, (await Server.PutAsync(Path, Paused, ifMatch: "rnr_x.1")).Status);
        Assert.Equal(HttpStatusCode.OK, (await Server.PutAsync(Path, Paused, ifMatch: got.ETag)).Status);
        Assert.Equal(HttpStatusCode.PreconditionFailed, (await Server.DeleteAsync(Path, ifMatch: got.ETag)).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await Server.DeleteAsync(Path)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await Server.GetAsync(Path)).Status);
    }

    [Fact]
    public async Task A_paused_runner_is_offered_nothing_and_a_deleted_one_does_not_exist()
    {
        var runner = await _runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        const string Path = "/v1/workspaces/demo/runners/r1";
        const string Identity = "\"identity\":{\"cluster\":\"lab\",\"subject\":\"system:serviceaccount:runners:r1\"}";
        await Server.PutAsync(Path, $$$"""{"spec":{"collections":["one"],{{{Identity}}},"state":"paused"}}""", ifMatch: "*");
        await _runs.CreateAsync();
        Assert.Empty((await runner.PollAsync()).Value!.Offers);
        await Server.PutAsync(Path, $$$"""{"spec":{"collections":["one"],{{{Identity}}} } }""", ifMatch: "*");
        Assert.Single((await runner.PollAsync()).Value!.Offers);
        await Server.DeleteAsync(Path);
        Assert.Equal(HttpStatusCode.NotFound, (await runner.PollAsync()).Status);
    }

    [Fact]
    public async Task A_runner_with_a_limit_of_its_own_is_given_no_more_than_that()
    {
        var id = (await Server.PutAsync(
            "/v1/workspaces/demo/runners/r1", """{"spec":{"collections":["one"],"identity":{"cluster":"lab","subject":"s"},"concurrency":2}}""")).Made();
        var runner = _runs.Speak(id, "r1");
        await runner.OpenAsync();
        for (var i = 0; i < 5; i++)
            await _runs.CreateAsync();
        Assert.Equal(2, (await runner.PollAsync(4)).Value!.Offers.Count);
    }

    [Fact]
    public async Task A_host_asks_is_approved_by_its_fingerprint_and_is_a_runner_from_then_on()
    {
        var (fingerprint, state) = await AskAsync("host1");
        Assert.Equal("pending", state);
        Assert.Equal((fingerprint, "pending"), await AskAsync("host1"));
        var listed = Assert.Single((await Server.GetAsync("/v1/runner-requests")).Json.GetProperty("items").EnumerateArray());
        Assert.Equal(("builder", "host.example"), (listed.GetProperty("name").GetString(), listed.GetProperty("hostname").GetString()));
        Assert.Null(await _runs.Get<RunnerDirectory>().FindByKeyAsync(fingerprint));

        var approved = await Server.SendAsync(
            HttpMethod.Post, $"/v1/runner-requests/{fingerprint}/approve", "admin", """{"collections":["demo/one"],"labels":["metal"]}""");
        Assert.Equal("builder", approved.Json.GetProperty("slug").GetString());
        Assert.Equal("demo", approved.Json.GetProperty("workspace").GetString());
        Assert.Equal((fingerprint, "approved"), await AskAsync("host1"));
        var known = await _runs.Get<RunnerDirectory>().FindByKeyAsync(fingerprint);
        Assert.Equal(approved.Made(), known!.Id);
        Assert.Equal("EC", JsonDocument.Parse(known.PublicJwk!).RootElement.GetProperty("kty").GetString());
        Assert.Empty((await Server.GetAsync("/v1/runner-requests")).Json.GetProperty("items").EnumerateArray());
        Assert.Equal(
            HttpStatusCode.NotFound,
            (await Server.SendAsync(HttpMethod.Post, $"/v1/runner-requests/{fingerprint}/approve", "admin", """{"collections":["demo/one"],"name":"again"}""")).Status);
    }

    [Fact]
    public async Task Nobody_approves_for_a_place_that_is_not_his()
    {
        var (fingerprint, _) = await AskAsync("host1");
        var demo = (await Server.GetAsync("/v1/workspaces/demo")).Json.GetProperty("id").GetString();
        Server.Be("of demo", new RoleBinding(new Scope(demo, null), Role.Admin));
        Server.Be("operator", new RoleBinding(new Scope(demo, null), Role.Operator));
        Task<Answer> ApproveAsync(string principal, string collections) => Server.SendAsync(
            HttpMethod.Post, $"/v1/runner-requests/{fingerprint}/approve", principal, $$"""{"collections":[{{collections}}]}""");
        Assert.Equal(HttpStatusCode.NotFound, (await ApproveAsync("operator", "\"demo/one\"")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await ApproveAsync("of demo", "\"other/far\"")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await ApproveAsync("of demo", "\"demo/one\",\"other/far\"")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await Server.GetAsync("/v1/runner-requests", "of demo")).Status);
        Assert.Null(await _runs.Get<RunnerDirectory>().FindByKeyAsync(fingerprint));
        Assert.Equal(HttpStatusCode.Created, (await ApproveAsync("of demo", "\"demo/one\"")).Status);
    }

    [Fact]
    public async Task A_request_that_its_key_has_not_signed_is_not_kept()
    {
        Server.Be("forged", []);
        var answer = await Server.SendAsync(
            HttpMethod.Post, "/v1/runner/requests", "forged", $$"""{"publicKey":{{Jwk}},"name":"builder","hostname":"host.example"}""");
        Assert.Equal(HttpStatusCode.Unauthorized, answer.Status);
        Assert.Equal(
            HttpStatusCode.Unauthorized,
            (await Server.SendAsync(HttpMethod.Post, "/v1/runner/requests", null, $$"""{"publicKey":{{Jwk}},"name":"builder","hostname":"h"}""")).Status);
        Assert.Empty((await Server.GetAsync("/v1/runner-requests")).Json.GetProperty("items").EnumerateArray());
    }

    [Fact]
    public async Task An_address_that_asks_all_the_time_is_told_to_wait()
    {
        var statuses = new List<HttpStatusCode>();
        for (var i = 0; i < 130; i++)
            statuses.Add((await Server.SendAsync(HttpMethod.Post, "/v1/runner/requests", null, "{}")).Status);
        Assert.Contains(HttpStatusCode.TooManyRequests, statuses);
        Assert.Equal(HttpStatusCode.BadRequest, statuses[0]);
    }

    private async Task<(string Fingerprint, string State)> AskAsync(string key)
    {
        Server.Be("signed-" + key, []);
        var answer = await Server.SendAsync(
            HttpMethod.Post, "/v1/runner/requests", "signed-" + key, $$"""{"publicKey":{{Jwk}},"name":"builder","hostname":"host.example"}""");
        return (answer.Json.GetProperty("fingerprint").GetString()!, answer.Json.GetProperty("state").GetString()!);
    }
}
