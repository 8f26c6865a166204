using Lanyard.Server.Cache;
using Lanyard.Server.Storage;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

/// <summary>PostgreSQL learns what a table holds about a minute after it was filled: until then its planner guesses.</summary>
[Line("4.5")]
[Needs("postgres")]
public sealed class CachePlanTests
{
    [Fact]
    public async Task An_entry_is_found_by_its_whole_name_while_the_planner_knows_nothing_of_the_table()
    {
        await using var test = await TestDatabase.CreateAsync(DatabaseKind.Postgres);
        var database = test.Database;
        await database.ExecuteAsync($"alter table cache_entries set (autovacuum_enabled = false)");
        await database.ExecuteAsync($"alter table cache_entries drop constraint cache_entries_workspace_fkey");
        await database.ExecuteAsync(
            $"""
            insert into cache_entries (id, workspace, repository, scope, version, key, folded, state, live, blob, staged_bytes, staged_count, committed, size, subject, provenance, created,
                pending_until, ready_at, used_at)
            select n, {"ws_1"}, {"demo/app"}, {"refs/heads/main"}, {"v"}, 'k' || n, 'k' || n, 'pending', true, 'b' || n, 0, 0, false, 0, {"machine_1"}, {"{}"}, n, 0, 0, 0
            from generate_series(1, 2000) as s(n)
            """);

        var plan = await database.QueryAsync(
            $"explain select id from cache_entries where {CacheEntryStore.Is(new CacheName("ws_1", "demo/app", "refs/heads/main", "v", "k77"))}", static row => row.GetString(0));

        Assert.Contains(plan, static line => line.Contains("cache_entries_key", StringComparison.Ordinal));
    }
}
