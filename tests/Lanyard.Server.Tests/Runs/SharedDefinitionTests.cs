using System.Net;
using Lanyard.Identity;
using Lanyard.Server.Http;
using Lanyard.Server.Runs;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("5.4")]
public sealed class SqliteSharedDefinitionTests() : SharedDefinitionTests(DatabaseKind.Sqlite);

[Line("5.4")]
[Needs("postgres")]
public sealed class PostgresSharedDefinitionTests() : SharedDefinitionTests(DatabaseKind.Postgres);

/// <summary>A definition of <c>other</c> that names <c>demo</c>: demo's collections run it, and its identity is other's.</summary>
public abstract class SharedDefinitionTests(DatabaseKind kind) : IAsyncLifetime
{
    private const string Definition = "/v1/workspaces/other/collections/far/definitions/network";
    private const string Shared = """{"definition":"other/far/network"}""";
    private RunsServer _runs = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private TestServer Server => _runs.Server;

    public async ValueTask InitializeAsync()
    {
        _runs = await RunsServer.StartAsync(kind);
        (await Server.PutAsync(Definition, Spec())).Made();
    }

    public async ValueTask DisposeAsync()
    {
        if (_runs is not null) await _runs.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task The_run_is_the_consumers_its_identity_the_owners_and_both_workspaces_are_claims()
    {
        var (run, runner) = await TakenAsync();
        var payload = (await runner.AcceptAsync(run)).Value!;
        Assert.Equal(("demo", "one", $"{TestServer.SomeUrl}/oidc/other"), (payload.Workspace, payload.Collection, payload.Issuer));
        Assert.Equal($"{TestServer.SomeUrl}/oidc/other", payload.DefaultAudience);

        var uuid = (await Server.GetAsync(Definition)).Json.GetProperty("spec").GetProperty("uuid").GetString();
        var grant = await GrantAsync(run, "aws");
        Assert.Equal($"system:serviceaccount:test:workspace.other.buildingblockdefinition.{uuid}", grant.Subject);
        Assert.Equal("other", grant.Workspace);
        Assert.Equal(("other", "far", "network", "demo", "one"), (Claim("workspace"), Claim("collection"), Claim("definition"), Claim("consumer_workspace"), Claim("consumer_collection")));
        Assert.Equal(
            (await IdOfAsync("/v1/workspaces/other"), await IdOfAsync("/v1/workspaces/demo")), (Claim("workspace_id"), Claim("consumer_workspace_id")));
        Assert.Equal("by:demo/one", (await GrantAsync(run, "fine")).Subject);

        Assert.Equal("other/far/network", (await _runs.RunAsync(run)).GetProperty("definition").GetString());
        Assert.Empty((await Server.GetAsync("/v1/workspaces/other/collections/far/runs")).Json.GetProperty("items").EnumerateArray());

        string? Claim(string name) => grant.Claims[name] as string;
    }

    [Fact]
    public async Task What_the_consumer_says_of_its_work_and_its_runner_can_not_pass_for_the_owners()
    {
        (await Server.PutAsync("/v1/workspaces/other/runners/r1", """{"spec":{"collections":["far"],"identity":{"cluster":"lab","subject":"owners"}}}""")).Made();
        var (run, _) = await TakenAsync("""{"definition":"other/far/network","repository":"other/infrastructure","ref":"refs/heads/main","environment":"prod"}""");

        var grant = await GrantAsync(run, "aws");
        foreach (var name in (string[])["repository", "ref", "environment", "actor", "context_source", "runner"]) Assert.False(grant.Claims.ContainsKey(name), name);
        Assert.Equal(("other/infrastructure", "prod", "r1"), (grant.Claims["consumer_repository"], grant.Claims["consumer_environment"], grant.Claims["consumer_runner"]));
        Assert.Equal(RefusalReason.ScopeNotAllowed, (await TryAsync(run, "runner")).Refusal.Reason);
        Assert.Equal(RefusalReason.ScopeNotAllowed, (await TryAsync(run, "pipeline")).Refusal.Reason);
    }

    [Fact]
    public async Task The_consumers_own_cloud_block_gets_no_token_of_the_owner()
    {
        (await Server.PutAsync(
            "/v1/workspaces/demo/collections/one", """{"spec":{"cloud":{"vault":{"address":"https://vault.demo","audience":"demo-vault","role":"r"}}}}""", ifMatch: "*")).Made();
        var (run, runner) = await TakenAsync();

        Assert.Null((await runner.AcceptAsync(run)).Value!.Cloud);
        Assert.Equal(RefusalReason.AudienceNotAllowed, (await TryAsync(run, "demo-vault")).Refusal.Reason);
    }

    [Fact]
    public async Task What_is_not_shared_and_what_does_not_exist_are_the_same()
    {
        (await Server.PutAsync("/v1/workspaces/other/collections/far/definitions/secret", """{"spec":{"steps":[{"name":"a","script":"true"}],"sharedWith":["third"]}}""")).Made();
        var missing = await PostAsync("other/far/nothing");
        Assert.Equal(HttpStatusCode.BadRequest, missing.Status);
        foreach (var name in (string[])["other/far/secret", "other/far/build", "other/none/network", "nobody/far/network"])
            Assert.Equal(missing.Comparable, (await PostAsync(name)).Comparable);
        foreach (var name in (string[])["other/network", "other/far/network/x", "//", "../far/network"])
            Assert.StartsWith("definition: ", Assert.Single((await PostAsync(name)).Mistakes), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_may_run_it_sees_nothing_more_of_the_owner_and_the_owner_nothing_of_the_run()
    {
        var (run, _) = await TakenAsync();
        Be("of demo", "demo");
        Be("of other", "other");
        Assert.Equal(HttpStatusCode.NotFound, (await Server.GetAsync(Definition, "of demo")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await Server.GetAsync("/v1/workspaces/other/collections/far/definitions", "of demo")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await Server.GetAsync($"{RunsServer.Runs}/{run}", "of other")).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await Server.GetAsync($"/v1/workspaces/other/collections/far/runs/{run}", "of other")).Status);
        Assert.Equal(HttpStatusCode.Created, (await Server.SendAsync(HttpMethod.Post, RunsServer.Runs, "of demo", Shared)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await Server.SendAsync(HttpMethod.Post, RunsServer.Runs, "of other", Shared)).Status);
    }

    [Fact]
    public async Task No_token_is_made_after_the_owner_has_taken_the_definition_back()
    {
        var (run, _) = await TakenAsync();
        Assert.False((await TryAsync(run, "aws")).IsRefused);
        (await Server.PutAsync(Definition, Spec("third"), ifMatch: "*")).Made();

        Assert.Equal(RefusalReason.AudienceNotAllowed, (await TryAsync(run, "aws")).Refusal.Reason);
        Assert.Equal(HttpStatusCode.BadRequest, (await PostAsync("other/far/network")).Status);
        (await Server.PutAsync(Definition, Spec(), ifMatch: "*")).Made();
        Assert.False((await TryAsync(run, "aws")).IsRefused);
        await Server.DeleteAsync(Definition);
        Assert.Equal(RefusalReason.AudienceNotAllowed, (await TryAsync(run, "aws")).Refusal.Reason);
    }

    [Fact]
    public async Task Only_an_admin_of_the_workspace_shares_and_whether_the_other_exists_is_not_said()
    {
        var (workspace, collection) = (await IdOfAsync("/v1/workspaces/other"), await IdOfAsync("/v1/workspaces/other/collections/far"));
        Server.Be("of far", new RoleBinding(new Scope(workspace, collection), Role.Admin));
        var more = await Server.PutAsync(Definition, Spec("demo", "third"), "of far", ifMatch: "*");
        Assert.Equal(HttpStatusCode.Forbidden, more.Status);
        Assert.StartsWith("spec.sharedWith", Assert.Single(more.Mistakes), StringComparison.Ordinal);
        (await Server.PutAsync(Definition, Spec("demo"), "of far", ifMatch: "*")).Made();
        (await Server.PutAsync(Definition, Spec(), "of far", ifMatch: "*")).Made();
        (await Server.PutAsync(Definition, Spec("no-such-workspace"), ifMatch: "*")).Made();
        Assert.Equal(HttpStatusCode.BadRequest, (await Server.PutAsync(Definition, Spec("No Slug"), ifMatch: "*")).Status);
    }

    [Fact]
    public async Task A_state_of_a_shared_definition_is_in_the_consumers_collection_and_none_of_its_own_definitions()
    {
        const string tofu = """{"spec":{"steps":[],"opentofu":{"files":{"main.tf":""},"state":"network"},"sharedWith":["demo"]}}""";
        (await Server.PutAsync(Definition, tofu, ifMatch: "*")).Made();
        (await Server.PutAsync("/v1/workspaces/demo/collections/one/definitions/network", """{"spec":{"steps":[],"opentofu":{"files":{"main.tf":""}}}}""")).Made();
        var (run, runner) = await TakenAsync();
        Assert.Equal(HttpStatusCode.NoContent, (await runner.RawAsync(HttpMethod.Post, run, "state/lock", """{"ID":"l1"}""")).Status);
        await _runs.CreateAsync("""{"definition":"network"}""");
        var own = await runner.TakeAsync();
        Assert.Equal(HttpStatusCode.NoContent, (await runner.RawAsync(HttpMethod.Post, own, "state/lock", """{"ID":"l2"}""")).Status);
    }

    private static string Spec(params string[] shared) => $$$$"""
        {"spec":{"steps":[{"name":"a","script":"true"}],"operations":[{"definition":"build","actions":["start"]}],"sharedWith":[{{{{string.Join(',', (shared.Length == 0 ? ["demo"] : shared).Select(static slug => $"\"{slug}\""))}}}}],
        "audiences":[{"audience":"aws","subject":"meshstack-definition"},{"audience":"fine","subject":"by:{consumer_workspace}/{consumer_collection}"},
        {"audience":"runner","subject":"meshstack-runner"},{"audience":"pipeline","subject":"repo:{repository}"}]}}
        """;

    private void Be(string name, string workspace) =>
        Server.Be(name, new RoleBinding(new Scope(IdOfAsync($"/v1/workspaces/{workspace}").GetAwaiter().GetResult(), null), Role.Admin));

    private async Task<string> IdOfAsync(string path) => (await Server.GetAsync(path)).Json.GetProperty("id").GetString()!;

    private Task<Answer> PostAsync(string definition) => Server.SendAsync(HttpMethod.Post, RunsServer.Runs, "admin", $$"""{"definition":"{{definition}}"}""");

    private async Task<(string Run, SimulatedRunner Runner)> TakenAsync(string json = Shared)
    {
        var runner = await _runs.RunnerAsync("r1", "one");
        await runner.OpenAsync();
        await _runs.CreateAsync(json);
        return (await runner.TakeAsync(), runner);
    }

    private async Task<RunIdentityGrant> GrantAsync(string run, string audience) => (await TryAsync(run, audience)).Value;

    private Task<Outcome<RunIdentityGrant>> TryAsync(string run, string audience) => _runs.Get<RunIdentity>().GrantAsync(run, 1, audience, cancellationToken: Cancel);
}
