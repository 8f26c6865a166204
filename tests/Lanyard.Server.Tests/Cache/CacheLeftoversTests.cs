using Lanyard.Server.Cache;
using Lanyard.Server.Cache.Blobs;
using Lanyard.Server.Cache.Limits;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

[Line("4.4")]
[Line("4.7")]
public sealed class SqliteCacheLeftoversTests() : CacheLeftoversTests(DatabaseKind.Sqlite);

[Line("4.4")]
[Line("4.7")]
[Needs("postgres")]
public sealed class PostgresCacheLeftoversTests() : CacheLeftoversTests(DatabaseKind.Postgres);

/// <summary>What a replica stores for an entry that another has purged, and is killed before it takes it away again.</summary>
public abstract class CacheLeftoversTests(DatabaseKind kind) : CacheQuotaTests(kind)
{
    [Fact]
    public async Task Bytes_that_a_killed_server_left_behind_the_purge_of_their_entry_go_all_the_same()
    {
        var machine = await Cache.MachineAsync();
        await Cache.PutAsync(await Cache.ReserveAsync(machine, "k"), [1, 2, 3]);
        var blob = BlobOf(Cache.Files.Single());
        await DeleteAllAsync(machine);
        Assert.Empty(Cache.Files);

        await StoreAsync(blob);
        await SweepBothAsync();
        Assert.Single(Cache.Files);

        // An upload could still be under way until then.
        Time.Advance(CacheLeftovers.After);
        await SweepBothAsync();
        Assert.Empty(Cache.Files);
        Assert.Equal(0, await Cache.Server.Database.ScalarAsync($"select count(*) from cache_leftovers"));
    }

    [Fact]
    public async Task Of_what_was_reserved_long_ago_nothing_is_looked_for_and_of_living_entries_nothing_is_taken()
    {
        var machine = await Cache.MachineAsync();
        await SaveAsync(machine, "old", 10);
        Time.Advance(TimeSpan.FromHours(5));
        machine = await Cache.MachineAsync();
        await DeleteAllAsync(machine, "repository");
        await SaveAsync(machine, "new", 10);
        Assert.Equal(0, await Cache.Server.Database.ScalarAsync($"select count(*) from cache_leftovers"));

        Time.Advance(TimeSpan.FromHours(1));
        await SweepBothAsync();

        Assert.Equal("new", await Cache.FindAsync(machine, "new"));
    }

    private static string BlobOf(string file) => Path.GetFileName(Path.GetDirectoryName(file)!);

    private async Task DeleteAllAsync(string machine, string by = "subject") => Assert.Equal(200, (int)(await Cache.Server.SendAsync(
        HttpMethod.Post, $"{Home}/delete", "admin", $$"""{"producer":{"{{by}}":"{{(by == "subject" ? machine : "demo/app")}}"} }""")).Status);

    /// <summary>As a replica does, up to the moment in which it is killed.</summary>
    private async Task StoreAsync(string blob) => Assert.NotNull(await Cache.Server.Services.GetRequiredService<BlobStore>().WriteAsync(
        blob, new MemoryStream([1, 2, 3]), 3, new WorkspaceKey(new byte[32], isEncrypting: false), TestContext.Current.CancellationToken));

    private async Task SweepBothAsync()
    {
        await SweepAsync();
        await Cache.Server.Services.GetRequiredService<CacheLeftovers>().SweepAsync(TestContext.Current.CancellationToken);
    }
}
