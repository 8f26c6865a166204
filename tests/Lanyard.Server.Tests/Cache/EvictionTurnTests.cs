using Lanyard.Server.Cache;
using Lanyard.Server.Storage;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>Workspaces of one replica that make way at once, and what they hold of the database meanwhile.</summary>
[Line("4.7")]
[Line("4.9")]
[Needs("postgres")]
public sealed class EvictionTurnTests() : CacheQuotaTests(DatabaseKind.Postgres)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task While_one_workspace_waits_for_another_replica_the_quota_of_another_holds()
    {
        await Cache.Server.MakeWorkspaceAsync("other");
        Assert.Equal(200, (int)(await Cache.Server.PutAsync("/v1/workspaces/other/cache/settings", """{"repositoryBytes":15}""")).Status);
        await SetAsync("""{"repositoryBytes":15}""");
        await using var busy = await HoldAsync("acme");

        foreach (var repository in (string[])["demo/a", "demo/b", "demo/c", "demo/d", "demo/e", "demo/f"]) await SaveTwoAsync(await Cache.MachineAsync(repository));
        await Eventually.HoldsAsync(async () => await SessionsAsync() == 2, "one waits for the workspace");
        await SaveTwoAsync(await Cache.MachineAsync(workspace: "other"));

        await Eventually.HoldsAsync(async () => await ReadyAsync("other") == 1, "what is over the other workspace's quota is evicted", TimeSpan.FromSeconds(120));
        Assert.Equal(12, await ReadyAsync("acme"));
        await busy.DisposeAsync();
        await Eventually.HoldsAsync(async () => await ReadyAsync("acme") == 6, "what is over its quota is evicted", TimeSpan.FromSeconds(120));
    }

    [Fact]
    public async Task However_many_are_over_their_quotas_so_many_connections_are_held_and_no_more()
    {
        var names = Enumerable.Range(0, CacheSweeper.WorkspacesAtOnce + 3).Select(static i => $"full-{i}").ToArray();
        var busy = new List<DatabaseHold>();
        foreach (var name in names)
        {
            await Cache.Server.MakeWorkspaceAsync(name);
            Assert.Equal(200, (int)(await Cache.Server.PutAsync($"/v1/workspaces/{name}/cache/settings", """{"workspaceBytes":15}""")).Status);
            busy.Add(await HoldAsync(name));
        }

        foreach (var name in names)
        {
            foreach (var repository in (string[])["demo/a", "demo/b"]) await SaveAsync(await Cache.MachineAsync(repository, workspace: name), "k", 10);
        }

        await Eventually.HoldsAsync(async () => await SessionsAsync() == names.Length + CacheSweeper.WorkspacesAtOnce, "as many wait as may");
        await SweepAsync();
        await Eventually.HoldsAsync(async () => await SessionsAsync() == names.Length + CacheSweeper.WorkspacesAtOnce, "the sweep waits for none, and no more than those do");

        foreach (var one in busy) await one.DisposeAsync();
        foreach (var name in names) await Eventually.HoldsAsync(async () => await ReadyAsync(name) == 1, "each is within its quota", TimeSpan.FromSeconds(120));
        await Eventually.HoldsAsync(async () => await SessionsAsync() == 0, "nobody holds anything any more");
    }

    private async Task SaveTwoAsync(string machine)
    {
        foreach (var key in (string[])["a", "b"]) await SaveAsync(machine, key, 10);
    }

    private async Task<DatabaseHold> HoldAsync(string workspace)
    {
        var id = (await Cache.Server.GetAsync($"/v1/workspaces/{workspace}")).Json.GetProperty("id").GetString();
        return (await Cache.Server.Database.HoldAsync($"cache eviction {id}", isWaiting: true, Cancel))!;
    }

    private Task<long?> SessionsAsync() => Cache.Server.Database.ScalarAsync($"select count(*) from pg_stat_activity where application_name = 'lanyard hold' and datname = current_database()");

    private Task<long?> ReadyAsync(string workspace) => Cache.Server.Database.ScalarAsync(
        $"select count(*) from cache_entries where state = 'ready' and workspace = (select id from workspaces where slug = {workspace})");
}
