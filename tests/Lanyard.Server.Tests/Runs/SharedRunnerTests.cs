using System.Net;
using Lanyard.Server.Runs;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Runs;

[Line("5.5")]
public sealed class SqliteSharedRunnerTests() : SharedRunnerTests(DatabaseKind.Sqlite);

[Line("5.5")]
[Needs("postgres")]
public sealed class PostgresSharedRunnerTests() : SharedRunnerTests(DatabaseKind.Postgres);

/// <summary>A runner of the instance that serves collections of two workspaces, as its resource says.</summary>
public abstract class SharedRunnerTests(DatabaseKind kind) : RunsServerFixture(kind)
{
    private const string Far = "/v1/workspaces/other/collections/far/runs";

    [Fact]
    public async Task It_is_offered_runs_of_each_workspace_by_the_weights_of_its_resource_and_of_no_other_collection()
    {
        var runner = await PoolAsync();
        await Runs.CreateAsync(path: "/v1/workspaces/demo/collections/two/runs");
        for (var i = 0; i < 10; i++)
        {
            await Runs.CreateAsync();
            await Runs.CreateAsync("""{"definition":"build","priority":100}""", Far);
        }

        var offers = (await runner.PollAsync(8)).Value!.Offers;
        Assert.Equal((6, 2), (offers.Count(static o => o is { Workspace: "demo", Collection: "one" }), offers.Count(static o => o is { Workspace: "other", Collection: "far" })));
    }

    [Fact]
    public async Task Each_run_has_the_identity_of_its_own_workspace_which_says_that_the_runner_is_shared()
    {
        var runner = await PoolAsync();
        foreach (var (workspace, path) in ((string, string)[])[("demo", RunsServer.Runs), ("other", Far)])
        {
            var run = await Runs.CreateAsync(path: path);
            Assert.Equal(run, await runner.TakeAsync());
            var payload = (await runner.AcceptAsync(run)).Value!;
            Assert.Equal((workspace, $"{TestServer.SomeUrl}/oidc/{workspace}"), (payload.Workspace, payload.Issuer));
            var grant = (await Runs.Get<RunIdentity>().GrantAsync(run, 1, "vault", cancellationToken: Cancel)).Value;
            Assert.Equal((workspace, workspace, "pool", true), (grant.Workspace, grant.Claims["workspace"], grant.Claims["runner"], grant.Claims["runner_shared"]));
        }
    }

    [Fact]
    public async Task A_run_may_name_it_and_where_the_workspace_has_a_runner_of_that_name_means_its_own()
    {
        var pool = await PoolAsync();
        var named = await Runs.CreateAsync("""{"definition":"build","runner":"pool"}""");
        var own = await Runs.RunnerAsync("pool", "one");
        await own.OpenAsync();
        Assert.Empty((await own.PollAsync()).Value!.Offers);
        Assert.Equal(named, Assert.Single((await pool.PollAsync()).Value!.Offers).Run);

        var nearer = await Runs.CreateAsync("""{"definition":"build","runner":"pool"}""");
        Assert.DoesNotContain((await pool.PollAsync(4)).Value!.Offers, offer => offer.Run == nearer);
        Assert.Equal(nearer, Assert.Single((await own.PollAsync()).Value!.Offers).Run);
        var refused = await Server.SendAsync(HttpMethod.Post, "/v1/workspaces/demo/collections/two/runs", "admin", """{"definition":"build","runner":"pool"}""");
        Assert.Equal(HttpStatusCode.BadRequest, refused.Status);
        Assert.Contains("no such runner serves the collection", refused.Body, StringComparison.Ordinal);
    }

    private async Task<SimulatedRunner> PoolAsync()
    {
        var id = (await Server.PutAsync(
            "/v1/runners/pool", """{"spec":{"collections":["demo/one","other/far"],"weights":{"demo/one":3},"identity":{"cluster":"demo/lab","subject":"s"}}}""")).Made();
        var runner = Runs.Speak(id, "shared-pool");
        await runner.OpenAsync();
        return runner;
    }
}
