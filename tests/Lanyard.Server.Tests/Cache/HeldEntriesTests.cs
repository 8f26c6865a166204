using System.Net;
using Lanyard.Server.Cache.Limits;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Cache;

[Line("4.7")]
public sealed class SqliteHeldEntriesTests() : HeldEntriesTests(DatabaseKind.Sqlite);

[Line("4.7")]
[Needs("postgres")]
public sealed class PostgresHeldEntriesTests() : HeldEntriesTests(DatabaseKind.Postgres);

/// <summary>What was given out is not evicted, and is no way round the quotas either.</summary>
public abstract class HeldEntriesTests(DatabaseKind kind) : CacheQuotaTests(kind)
{
    [Theory]
    [InlineData("repositoryBytes")]
    [InlineData("workspaceBytes")]
    public async Task Where_twice_the_quota_is_held_by_look_ups_nothing_more_is_taken_in_until_some_of_it_may_go(string quota)
    {
        var machine = await Cache.MachineAsync();
        foreach (var key in (string[])["a", "b", "c"])
        {
            await SaveAsync(machine, key, 90);
            Assert.Equal(key, await Cache.FindAsync(machine, key));
        }

        await SetAsync($$"""{"{{quota}}":100}""");
        var url = await Cache.ReserveAsync(machine, "more");
        await SaveAsync(machine, "d", 10);

        await Eventually.HoldsAsync(async () => await StatusOfPutAsync(url) == HttpStatusCode.RequestEntityTooLarge, "nothing more is taken in");
        foreach (var key in (string[])["a", "b", "c"]) Assert.Equal(key, await Cache.FindAsync(machine, key));

        var tries = 0;
        await Eventually.HoldsAsync(
            async () =>
            {
                await ForgetReadsAsync();
                return await StatusOfPutAsync(await Cache.ReserveAsync(await Cache.MachineAsync(), $"later-{tries++}")) == HttpStatusCode.Created;
            },
            "there is room again");
    }

    private async Task<HttpStatusCode> StatusOfPutAsync(string url)
    {
        using var answer = await Cache.PutAsync(url, [1]);
        return answer.StatusCode;
    }
}
