using System.Net;
using Lanyard.Server.Cache.Limits;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

[Line("4.7")]
public sealed class SqliteQuarantineQuotaTests() : QuarantineQuotaTests(DatabaseKind.Sqlite);

[Line("4.7")]
[Needs("postgres")]
public sealed class PostgresQuarantineQuotaTests() : QuarantineQuotaTests(DatabaseKind.Postgres);

/// <summary>What is quarantined takes disk like anything else: it counts, it is seen, and it does not stay for ever.</summary>
public abstract class QuarantineQuotaTests(DatabaseKind kind) : CacheQuotaTests(kind)
{
    [Theory]
    [InlineData("repositoryBytes")]
    [InlineData("workspaceBytes")]
    public async Task What_is_quarantined_counts_in_both_quotas_and_in_usage_and_nobody_pushes_it_out_by_saving(string quota)
    {
        var (good, bad) = (await Cache.MachineAsync(), await Cache.MachineAsync());
        await SaveAsync(bad, "evil", 100);
        await QuarantineAsync(bad);
        await SaveAsync(good, "old", 100);
        await SaveAsync(good, "new", 100);

        await SetAsync($$"""{"{{quota}}":250}""");
        await SweepAsync();

        Assert.Equal(["new"], await KeysAsync("ready"));
        Assert.Equal(["evil"], await KeysAsync("quarantined"));
        var usage = (await Cache.Server.GetAsync($"{Home}/usage?repository=demo/app")).Json;
        Assert.Equal(
            (2, 200, 1, 100),
            (usage.GetProperty("entries").GetInt64(), usage.GetProperty("bytes").GetInt64(), usage.GetProperty("quarantinedEntries").GetInt64(), usage.GetProperty("quarantinedBytes").GetInt64()));
        Assert.Equal(["demo/app 2 200"], await UsageAsync(""));
        Assert.Equal(["evil 1 100", "new 1 100"], (await UsageAsync("?by=key")).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Where_it_alone_is_over_a_quota_that_was_lowered_the_longest_quarantined_goes()
    {
        foreach (var key in (string[])["a", "b", "c"])
        {
            var machine = await Cache.MachineAsync();
            await SaveAsync(machine, key, 100);
            await QuarantineAsync(machine);
            Time.Advance(TimeSpan.FromSeconds(1));
        }

        await SetAsync("""{"repositoryBytes":250}""");
        await SweepAsync();

        Assert.Equal(["b", "c"], await KeysAsync("quarantined"));
        Assert.Equal(2, Cache.Files.Count);
    }

    [Theory]
    [InlineData("{}", 30)]
    [InlineData("""{"quarantineDays":2}""", 2)]
    public async Task It_goes_by_itself_so_many_days_after_it_was_quarantined_however_long_it_was_unused_before(string settings, int days)
    {
        await SetAsync(settings);
        var machine = await Cache.MachineAsync();
        await SaveAsync(machine, "evil", 100);
        Time.Advance(TimeSpan.FromDays(6));
        await QuarantineAsync(machine);

        Time.Advance(TimeSpan.FromDays(days) - TimeSpan.FromMinutes(1));
        await SweepAsync();
        Assert.Equal(["evil"], await KeysAsync("quarantined"));

        Time.Advance(TimeSpan.FromMinutes(2));
        await SweepAsync();

        // The server sweeps by itself too: it may be at it.
        await Eventually.HoldsAsync(() => Task.FromResult(Cache.Files.Count == 0), "its bytes go");
        Assert.Contains("\"why\":\"quarantined\"", (await Cache.Server.GetAsync("/v1/workspaces/acme/audit?limit=100")).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_quarantined_after_an_eviction_has_chosen_it_stays()
    {
        var machine = await Cache.MachineAsync();
        await SaveAsync(machine, "evil", 100);
        var store = Cache.Server.Services.GetRequiredService<CacheEvictionStore>();
        var workspace = (await Cache.Server.GetAsync("/v1/workspaces/acme")).Json.GetProperty("id").GetString()!;
        var chosen = await store.CandidatesAsync(workspace, "demo/app", EvictionTurn.Branches, 10, CancellationToken.None);
        Assert.Single(chosen);

        await QuarantineAsync(machine);

        Assert.Empty(await Cache.Server.Database.TransactionAsync(transaction => store.TakeOutAsync(transaction, chosen, isQuarantined: false)));
        Assert.Equal(["evil"], await KeysAsync("quarantined"));
    }

    private async Task QuarantineAsync(string subject)
    {
        var answer = await Cache.Server.SendAsync(HttpMethod.Post, $"{Home}/quarantine", "admin", $$"""{"producer":{"subject":"{{subject}}"} }""");
        Assert.Equal(HttpStatusCode.OK, answer.Status);
    }

    private async Task<IEnumerable<string>> KeysAsync(string state) =>
        (await EntriesAsync($"?state={state}")).Select(static entry => entry.GetProperty("key").GetString()!).Order(StringComparer.Ordinal);
}
