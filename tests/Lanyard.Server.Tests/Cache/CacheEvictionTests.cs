using System.Net;
using Lanyard.Server.Cache.Limits;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

[Line("4.7")]
public sealed class SqliteCacheEvictionTests() : CacheEvictionTests(DatabaseKind.Sqlite);

[Line("4.7")]
[Needs("postgres")]
public sealed class PostgresCacheEvictionTests() : CacheEvictionTests(DatabaseKind.Postgres);

/// <summary>Quotas, the order of eviction, and what is never evicted.</summary>
public abstract class CacheEvictionTests(DatabaseKind kind) : CacheQuotaTests(kind)
{
    [Fact]
    public async Task Over_a_repositorys_quota_the_longest_unused_go_first_and_their_bytes_with_them()
    {
        var machine = await Cache.MachineAsync();
        var other = await Cache.MachineAsync("demo/other");
        await Cache.SaveAsync(other, "elsewhere", new byte[900]);
        foreach (var key in (string[])["a", "b", "c"]) await SaveAsync(machine, key, 100);
        await ForgetReadsAsync();
        Assert.Equal("a", await Cache.FindAsync(machine, "a"));
        await ForgetReadsAsync();

        await SetAsync("""{"repositories":{"Demo/App":200}}""");
        await SweepAsync();

        Assert.Equal(new string?[] { "a", null, "c" }, new string?[] { await Cache.FindAsync(machine, "a"), await Cache.FindAsync(machine, "b"), await Cache.FindAsync(machine, "c") });
        Assert.Equal("elsewhere", await Cache.FindAsync(other, "elsewhere"));
        Assert.Equal(3, Cache.Files.Count);
    }

    [Fact]
    public async Task Pull_requests_entries_go_before_branches_even_when_they_are_newer()
    {
        var main = await Cache.MachineAsync();
        var pull = await Cache.MachineAsync(gitRef: "refs/pull/7/merge");
        await SaveAsync(main, "old", 100);
        await SaveAsync(pull, "new", 100);
        await ForgetReadsAsync();

        await SetAsync("""{"repositoryBytes":150}""");
        await SweepAsync();

        Assert.Equal("old", await Cache.FindAsync(main, "old"));
        Assert.Null(await Cache.FindAsync(pull, "new"));
    }

    [Fact]
    public async Task A_workspaces_quota_holds_over_all_its_repositories_and_over_no_other_workspace()
    {
        await Cache.Server.MakeWorkspaceAsync("other");
        var first = await Cache.MachineAsync();
        var second = await Cache.MachineAsync("demo/second");
        var foreign = await Cache.MachineAsync(workspace: "other");
        await SaveAsync(foreign, "k", 100);
        await SaveAsync(first, "k", 100);
        await SaveAsync(second, "k", 100);

        await SetAsync("""{"workspaceBytes":100}""");
        await SweepAsync();

        Assert.Equal(new string?[] { null, "k", "k" }, new string?[] { await Cache.FindAsync(first, "k"), await Cache.FindAsync(second, "k"), await Cache.FindAsync(foreign, "k") });
    }

    [Fact]
    public async Task What_was_given_out_or_is_being_read_is_never_evicted()
    {
        var machine = await Cache.MachineAsync();
        await SaveAsync(machine, "read", 3 << 20);
        await SaveAsync(machine, "unread", 100);
        var url = await Cache.DownloadUrlAsync(machine, "read");
        using var response = await Cache.Client.GetAsync(url, HttpCompletionOption.ResponseHeadersRead);
        await SetAsync("""{"repositoryBytes":1}""");

        await SweepAsync();

        Assert.Null(await Cache.FindAsync(machine, "unread"));
        Assert.Equal(CacheServer.Random(3 << 20), await response.Content.ReadAsByteArrayAsync());
        Assert.Equal(3 << 20, (await Cache.Client.GetByteArrayAsync(url)).Length);

        // The client has its last byte a moment before the server knows that the read is over.
        await Eventually.HoldsAsync(
            async () =>
            {
                await ForgetReadsAsync();
                await SweepAsync();
                return !Cache.Files.Any();
            },
            "what nobody reads any more is evicted");
    }

    [Fact]
    public async Task A_blob_that_is_being_sent_outlives_its_deletion_until_the_reader_is_done()
    {
        var machine = await Cache.MachineAsync();
        await SaveAsync(machine, "k", 1000);
        var reads = Cache.Server.Services.GetRequiredService<BlobReads>();
        var id = (await EntriesAsync(""))[0].GetProperty("id").GetString();
        var reading = reads.Begin(Path.GetFileName(Path.GetDirectoryName(Cache.Files.Single())!));

        Assert.Equal(HttpStatusCode.NoContent, (await Cache.Server.SendAsync(HttpMethod.Delete, $"{Home}/entries/{id}", "admin")).Status);
        Assert.Null(await Cache.FindAsync(machine, "k"));
        Assert.Single(Cache.Files);
        reading.Dispose();
        await SweepAsync();

        Assert.Empty(Cache.Files);
        Assert.Equal(HttpStatusCode.NotFound, (await Cache.Server.SendAsync(HttpMethod.Delete, $"{Home}/entries/{id}", "admin")).Status);
    }

    [Fact]
    public async Task Seven_days_without_a_read_are_the_end_and_a_read_begins_them_anew()
    {
        var machine = await Cache.MachineAsync();
        await SaveAsync(machine, "used", 10);
        await SaveAsync(machine, "unused", 10);
        Time.Advance(TimeSpan.FromDays(6));
        var next = await Cache.MachineAsync();
        Assert.Equal("used", await Cache.FindAsync(next, "used"));
        Time.Advance(TimeSpan.FromDays(1) + TimeSpan.FromMinutes(1));

        await SweepAsync();

        var last = await Cache.MachineAsync();
        Assert.Equal(new string?[] { "used", null }, new string?[] { await Cache.FindAsync(last, "used"), await Cache.FindAsync(last, "unused") });
    }

    [Fact]
    public async Task What_is_saved_over_the_quota_is_noticed_without_waiting_for_the_sweep()
    {
        await SetAsync("""{"repositoryBytes":250}""");
        var machine = await Cache.MachineAsync();
        foreach (var key in (string[])["a", "b", "c"]) await SaveAsync(machine, key, 100);

        // A look-up would be a use of "a", and keep it.
        await Eventually.HoldsAsync(async () => (await EntriesAsync("?state=ready")).Count == 2, "one of the three evicted", TimeSpan.FromSeconds(120));
        Assert.Null(await Cache.FindAsync(machine, "a"));
        Assert.Equal("b", await Cache.FindAsync(machine, "b"));
        Assert.Equal("c", await Cache.FindAsync(machine, "c"));
    }

    [Fact]
    public async Task A_quota_that_was_lowered_holds_after_the_next_save_without_waiting_for_the_sweep()
    {
        var machine = await Cache.MachineAsync();
        foreach (var key in (string[])["a", "b"]) await SaveAsync(machine, key, 100);
        await SetAsync("""{"repositoryBytes":150}""");

        await SaveAsync(machine, "c", 10);

        await Eventually.HoldsAsync(async () => (await EntriesAsync("?state=ready")).Count == 2, "one of the three evicted", TimeSpan.FromSeconds(120));
        Assert.Equal(["b", "c"], (await EntriesAsync("?state=ready")).Select(static entry => entry.GetProperty("key").GetString()).Order(StringComparer.Ordinal));
    }
}
