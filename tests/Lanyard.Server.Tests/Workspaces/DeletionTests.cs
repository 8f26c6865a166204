using System.Net;
using Lanyard.Server.Audit;
using Lanyard.Server.Cache;
using Lanyard.Server.Federation;
using Lanyard.Server.Runners;
using Lanyard.Server.Storage;
using Lanyard.Server.Tests.Storage;
using Lanyard.Server.Tests.Walls;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Workspaces;

[Line("2.6")]
public sealed class SqliteDeletionTests() : DeletionTests(DatabaseKind.Sqlite);

[Line("2.6")]
[Needs("postgres")]
public sealed class PostgresDeletionTests() : DeletionTests(DatabaseKind.Postgres);

/// <summary>A workspace or collection goes when nothing lives in it any more, and leaves nothing behind that could still be believed.</summary>
public abstract class DeletionTests(DatabaseKind kind) : IAsyncLifetime
{
    private const string Acme = "/v1/workspaces/acme";
    private const string Infra = Acme + "/collections/infra";

    /// <summary>Tables with a column <c>workspace</c> of which no row may be left; audit and runs are told of, not lived in.</summary>
    private static readonly string[] Tables =
    [
        "collections", "definitions", "trust_records", "trust_policies", "clusters", "access_entries", "machine_identities", "machines", "runners", "runner_collections",
        "revocations", "cache_settings", "cache_entries",
    ];

    private WalledWorld _world = null!;

    private Database Database => _world.Server.Database;

    public async ValueTask InitializeAsync() => _world = await WalledWorld.CreateAsync(kind);

    public async ValueTask DisposeAsync()
    {
        if (_world is not null) await _world.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task A_workspace_goes_when_the_last_of_what_lives_in_it_has_gone_and_says_until_then_what_that_is()
    {
        var id = await _world.IdAsync(Acme);
        Assert.Equal(HttpStatusCode.OK, (await _world.Server.PutAsync(Acme + "/cache/settings", "{}")).Status);
        await _world.Server.SendAsync(HttpMethod.Post, Acme + "/revocations", "admin", """{"kind":"principal","value":"policy:a"}""");
        await _world.Server.SendAsync(HttpMethod.Post, $"{Infra}/runs/{_world.Names["{run}"].Existing}/cancel", "admin", "{}");
        await Database.ExecuteAsync($"update runs set finished_at = 1, live = false");
        foreach (var (path, told) in ((string, string)[])[
            (Infra + "/definitions/plan", "collections (infra, sibling)"), (Infra, "collections (infra, sibling)"), (Acme + "/collections/sibling", "collections (sibling)"),
            (Acme + "/trust-policies/deploy", "trust policies (deploy)"), (Acme + "/runners/own", "runners (own)"),
            (Acme + "/trusted-issuers/ci", "trusted issuers (ci, pushing)"), (Acme + "/trusted-issuers/pushing", "trusted issuers (pushing)"), (Acme + "/clusters/lab", "clusters (lab)"),
            (Acme + "/access-entries/prod", "access entries (prod)"), (Acme + "/machine-identities/vm", "machine identities (vm)"),
            ($"{Acme}/machines/{_world.Names["{machine}"].Existing}", $"machines ({_world.Names["{machine}"].Existing})")])
        {
            var refused = await _world.Server.DeleteAsync(Acme);
            Assert.Equal((HttpStatusCode.Conflict, "conflict"), (refused.Status, refused.Problem));
            Assert.Contains(told, Assert.Single(refused.Mistakes), StringComparison.Ordinal);
            Assert.Equal((path, HttpStatusCode.NoContent), (path, (await _world.Server.DeleteAsync(path)).Status));
        }

        Assert.Contains("cache entries (demo/app)", Assert.Single((await _world.Server.DeleteAsync(Acme)).Mistakes), StringComparison.Ordinal);
        await Database.ExecuteAsync($"delete from cache_entries");
        var last = await _world.Server.DeleteAsync(Acme);
        Assert.True(last.Status == HttpStatusCode.NoContent, last.Body);
        Assert.Empty(await LeftOfAsync(id));
    }

    [Fact]
    public async Task A_collection_goes_with_none_of_its_runs_unfinished_and_none_of_its_policies_left()
    {
        const string policy = """{"spec":{"issuer":"ci","claims":{"sub":"y"},"allow":{"roles":["viewer"]}},"collection":"infra"}""";
        Assert.Equal(HttpStatusCode.Created, (await _world.Server.PutAsync(Acme + "/trust-policies/inner", policy)).Status);
        await _world.Server.DeleteAsync(Infra + "/definitions/plan");

        var refused = await _world.Server.DeleteAsync(Infra);
        Assert.Equal(HttpStatusCode.Conflict, refused.Status);
        Assert.Equal($": trust policies (inner), runs ({_world.Names["{run}"].Existing}) still live in it: delete them first", Assert.Single(refused.Mistakes));

        await Database.ExecuteAsync($"update runs set finished_at = 1, live = false");
        await _world.Server.DeleteAsync(Acme + "/trust-policies/inner");
        Assert.Equal(HttpStatusCode.NoContent, (await _world.Server.DeleteAsync(Infra)).Status);
        Assert.Equal(1, await Database.ScalarAsync($"select count(*) from runner_collections"));
    }

    [Fact]
    public async Task Nothing_comes_into_a_workspace_or_collection_that_has_gone_since_it_was_looked_up()
    {
        var (gone, other) = (await _world.Server.MakeWorkspaceAsync("gone"), await _world.IdAsync(Acme));
        var inner = await _world.Server.MakeCollectionAsync("acme", "inner");
        Assert.Equal(HttpStatusCode.NoContent, (await _world.Server.DeleteAsync("/v1/workspaces/gone")).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await _world.Server.DeleteAsync(Acme + "/collections/inner")).Status);

        Assert.False(await AddAsync(Policy(gone, null)));
        Assert.False(await AddAsync(Policy(other, inner)));
        var record = new TrustRecord("ti_1", gone, TrustRecord.IssuerKind, "a", "https://a.example", "{}", 1, default, default);
        Assert.True((await _world.Service<TrustRecordStore>().AddAsync(record, null, new AuditEvent("test"), CancellationToken.None)).IsRefused);
        var runner = new RunnerRecord("rnr_1", gone, "a", "{}", null, null, "thumb", null, false, 1, 1, 1);
        Assert.True((await _world.Service<RunnerStore>().PutAsync(runner, [], 0, new AuditEvent("test"), CancellationToken.None)).IsRefused);
        foreach (var perMinute in (long[])[0, 200])
            Assert.Null(await _world.Service<CacheEntryStore>().InsertAsync(new CacheName(gone, "a/b", "s", "v", "k"), "m", new CacheProvenance("m", "a/b", null, null, null, ""), default, false, perMinute, CancellationToken.None));
        Assert.Empty(await LeftOfAsync(gone));
        Assert.True(await AddAsync(Policy(other, null)));
        var moved = Policy(other, inner) with { Version = 2 };
        Assert.False(await _world.Service<TrustPolicyStore>().ReplaceAsync(moved, 1, new AuditEvent("test"), CancellationToken.None));
    }

    /// <summary>As a request that another replica's deletion overtakes: this one's directory knows the workspace still.</summary>
    [Theory]
    [InlineData("PUT", "cache/settings", "{}")]
    [InlineData("POST", "machines", """{"repository":"demo/app"}""")]
    [InlineData("PUT", "machine-identities/vm", """{"spec":{"proof":{"cluster":"lab","subject":"system:serviceaccount:a:b"},"machine":{}}}""")]
    [Line("4.1")]
    [Line("4.7")]
    public async Task What_a_deletion_overtakes_is_told_that_there_is_no_such_workspace_and_nothing_of_it_happens(string method, string path, string body)
    {
        var id = await _world.Server.MakeWorkspaceAsync("overtaken");
        await Database.ExecuteAsync($"delete from workspaces where id = {id}");

        var answer = await _world.Server.SendAsync(new HttpMethod(method), $"/v1/workspaces/overtaken/{path}", "admin", body);

        Assert.True((HttpStatusCode.NotFound, "not-found") == (answer.Status, answer.Problem), answer.Body);
        Assert.Empty(await LeftOfAsync(id));
    }

    /// <summary>Nothing of today's does; whatever comes to do so is to be heard of by its name.</summary>
    [Fact]
    public async Task A_cluster_that_something_needs_is_not_deleted_and_says_what_that_is()
    {
        await Database.TransactionAsync(t => t.ExecuteAsync($"create table things (cluster text, constraint things_cluster foreign key (cluster) references clusters (id))"));
        await Database.ExecuteAsync($"insert into things (cluster) values ({await _world.IdAsync(Acme + "/clusters/lab")})");
        var refused = await _world.Server.DeleteAsync(Acme + "/clusters/lab");
        Assert.Equal(HttpStatusCode.Conflict, refused.Status);
        Assert.Contains("something still needs it (", Assert.Single(refused.Mistakes), StringComparison.Ordinal);

        await Database.ExecuteAsync($"delete from things");
        Assert.Equal(HttpStatusCode.NoContent, (await _world.Server.DeleteAsync(Acme + "/clusters/lab")).Status);
    }

    /// <summary>Whoever is not on disk yet when the deletion looks is not seen by it.</summary>
    [Fact]
    public async Task A_deletion_waits_for_what_is_just_coming_in()
    {
        var id = await _world.Server.MakeWorkspaceAsync("busy");
        var (isIn, mayGo) = (new TaskCompletionSource(), new TaskCompletionSource());
        var coming = Task.Run(() => Database.TransactionAsync(async transaction =>
        {
            await transaction.ExecuteAsync(
                $"insert into trust_policies (id, workspace, slug, spec, version, created_at, updated_at) values ({"pol_1"}, {id}, {"a"}, {"{}"}, {1}, {1}, {1})");
            isIn.TrySetResult();
            await mayGo.Task;
        }));
        await isIn.Task;
        var deletion = _world.Server.DeleteAsync("/v1/workspaces/busy");
        if (kind == DatabaseKind.Postgres)
            await Eventually.HoldsAsync(
                async () => deletion.IsCompleted || await Database.ScalarAsync($"select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()") > 0, "the deletion waits");
        mayGo.SetResult();
        await coming;

        Assert.Equal(HttpStatusCode.Conflict, (await deletion).Status);
    }

    [Fact]
    public async Task The_event_of_a_cluster_that_was_taken_away_names_what_rested_on_it()
    {
        const string policy = """{"spec":{"issuer":"cluster/lab","claims":{"sub":"y"},"allow":{"roles":["viewer"]}}}""";
        Assert.Equal(HttpStatusCode.Created, (await _world.Server.PutAsync(Acme + "/trust-policies/by-cluster", policy)).Status);

        Assert.Equal(HttpStatusCode.NoContent, (await _world.Server.DeleteAsync(Acme + "/clusters/lab")).Status);

        var told = Assert.Single((await _world.Server.GetAsync("/v1/audit?limit=1000")).Body.Split('\n'), static line => line.Contains("\"cluster.delete\"", StringComparison.Ordinal));
        Assert.Contains("\"policies\":\"by-cluster\"", told, StringComparison.Ordinal);
        Assert.Contains("\"runners\":\"own\"", told, StringComparison.Ordinal);
    }

    /// <summary>A database of before, in which a workspace was deleted that was not empty.</summary>
    [Fact]
    public async Task What_was_left_behind_before_is_taken_away_by_the_migration()
    {
        await using var test = await TestDatabase.CreateAsync(kind, migrate: false);
        var all = Migrations.Of(test.Database.Dialect);
        await test.Database.TransactionAsync(t => Migrations.RunAsync(t, [.. all.Where(static m => string.CompareOrdinal(m.Name, "0193") < 0)], TimeProvider.System));
        await test.Database.ExecuteAsync($"insert into workspaces (id, slug, version, created, updated, spec) values ('ws_1', 'a', 1, 1, 1, {"{}"})");
        foreach (var (workspace, number) in ((string?, int)[])[("ws_1", 1), ("ws_gone", 2), (null, 3)])
        {
            var id = number.ToString(System.Globalization.CultureInfo.InvariantCulture);
            await test.Database.ExecuteAsync($"insert into trust_records (id, workspace, kind, slug, issuer, spec, version, created_at, updated_at) values ({id}, {workspace}, 'issuer', 'a', 'i', {"{}"}, 1, 1, 1)");
            await test.Database.ExecuteAsync($"insert into key_sets (record, jwks, fetched_at) values ({id}, {"{}"}, 1)");
            await test.Database.ExecuteAsync($"insert into trust_policies (id, workspace, slug, spec, version, created_at, updated_at) values ({id}, {workspace}, 'a', {"{}"}, 1, 1, 1)");
            await test.Database.ExecuteAsync(
                $"insert into runners (id, workspace, slug, spec, paused, version, created, updated) values ({id}, {workspace ?? ""}, 'a', {"{}"}, false, 1, 1, 1)");
        }

        await test.Database.MigrateAsync(TimeProvider.System);

        foreach (var table in (string[])["trust_records", "trust_policies", "runners"])
            Assert.Equal((table, "1 3"), (table, string.Join(' ', await test.Database.QueryAsync($"select id from {new SqlFragment(table)} order by id", static row => row.GetString(0)))));
        Assert.Equal(2, await test.Database.ScalarAsync($"select count(*) from key_sets"));
        await Assert.ThrowsAsync<ConstraintViolationException>(() => test.Database.ExecuteAsync($"delete from workspaces where id = 'ws_1'"));
    }

    private static TrustPolicyRecord Policy(string workspace, string? collection) => new("pol_1", workspace, collection, "a", "{}", 1, default, default);

    private Task<bool> AddAsync(TrustPolicyRecord policy) => _world.Service<TrustPolicyStore>().AddAsync(policy, new AuditEvent("test"), CancellationToken.None);

    private async Task<List<string>> LeftOfAsync(string workspace)
    {
        var left = new List<string>();
        foreach (var table in Tables)
            if (await Database.ScalarAsync($"select count(*) from {new SqlFragment(table)} where workspace = {workspace}") > 0) left.Add(table);
        return left;
    }
}
