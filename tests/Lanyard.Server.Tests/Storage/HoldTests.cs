using Lanyard.Server.Storage;
using Lanyard.Testing;
using Npgsql;
using Xunit;

namespace Lanyard.Server.Tests.Storage;

/// <summary>Names that one replica at a time has.</summary>
[Line("2.8")]
[Needs("postgres")]
public sealed class HoldTests : IAsyncLifetime
{
    private TestDatabase _test = null!;
    private Database _other = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _test = await TestDatabase.CreateAsync(DatabaseKind.Postgres);
        _other = _test.OpenAnother();
    }

    public async ValueTask DisposeAsync()
    {
        await _other.DisposeAsync();
        await _test.DisposeAsync();
    }

    [Fact]
    public async Task A_name_is_one_replicas_until_it_lets_go_and_other_names_are_free()
    {
        var first = (await _test.Database.HoldAsync("a", isWaiting: true, Cancel))!;
        await using var elsewhere = await _other.HoldAsync("b", isWaiting: false, Cancel);
        Assert.NotNull(elsewhere);
        Assert.Null(await _other.HoldAsync("a", isWaiting: false, Cancel));
        var second = _other.HoldAsync("a", isWaiting: true, Cancel);
        await WaitersAsync(1);
        Assert.False(second.IsCompleted);
        await first.CheckAsync(Cancel);

        await first.DisposeAsync();
        await (await second)!.DisposeAsync();
        Assert.Equal(1, await LocksAsync());
    }

    [Fact]
    public async Task Whoever_stops_waiting_leaves_nothing_behind()
    {
        await using var first = (await _test.Database.HoldAsync("a", isWaiting: true, Cancel))!;
        using var gone = new CancellationTokenSource();
        var second = _other.HoldAsync("a", isWaiting: true, gone.Token);
        await WaitersAsync(1);

        await gone.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        await WaitersAsync(0);
    }

    [Fact]
    public async Task A_replica_whose_connection_has_died_hears_of_it_and_another_goes_on()
    {
        await using var first = (await _test.Database.HoldAsync("a", isWaiting: true, Cancel))!;
        var second = _other.HoldAsync("a", isWaiting: true, Cancel);
        await WaitersAsync(1);

        await _test.Database.QueryAsync($"select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted and database = (select oid from pg_database where datname = current_database())", static row => row.GetBoolean(0));

        await using var taken = (await second)!;
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => first.CheckAsync(Cancel));
        await taken.CheckAsync(Cancel);
    }

    private Task WaitersAsync(int count) => Eventually.HoldsAsync(
        async () => await _test.Database.ScalarAsync(
            $"select count(*) from pg_locks where locktype = 'advisory' and not granted and database = (select oid from pg_database where datname = current_database())") == count,
        $"{count} wait");

    private async Task<long?> LocksAsync()
    {
        // A connection that is closed is the server's for a moment longer.
        await Eventually.HoldsAsync(async () => await CountAsync() == 1, "one lock is left");
        return await CountAsync();
    }

    private Task<long?> CountAsync() => _test.Database.ScalarAsync(
        $"select count(*) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())");
}
