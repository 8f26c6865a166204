using Lanyard.Server.Operations;
using Lanyard.Server.Tests.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Operations;

[Line("4.2")]
public sealed class SqliteLoopGuardTests() : LoopGuardTests(DatabaseKind.Sqlite);

[Line("4.2")]
[Needs("postgres")]
public sealed class PostgresLoopGuardTests() : LoopGuardTests(DatabaseKind.Postgres);

/// <summary>Starts of several replicas are counted together.</summary>
public abstract class LoopGuardTests(DatabaseKind kind) : IAsyncLifetime
{
    private TestDatabase _database = null!;

    public async ValueTask InitializeAsync() => _database = await TestDatabase.CreateAsync(kind);

    public async ValueTask DisposeAsync()
    {
        if (_database is not null) await _database.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task Starts_at_once_are_counted_in_one_statement_each()
    {
        var guard = new LoopGuard(_database.Database, new ManualTime());

        var refusals = await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => guard.TakeAsync(new OperationChain("run_x", 0), CancellationToken.None)));

        Assert.Equal(LoopGuard.MaxPerMinute, refusals.Count(static refusal => refusal is null));
    }

    /// <summary>At the turn of a minute one replica is in it and another, whose clock is behind, is not yet: who asks them by turns must not begin anew with each.</summary>
    [Fact]
    public async Task Replicas_whose_clocks_differ_count_one_minute_together()
    {
        var (ahead, behind) = (new ManualTime(DateTimeOffset.FromUnixTimeSeconds(1_900_000_020)), new ManualTime(DateTimeOffset.FromUnixTimeSeconds(1_900_000_019)));
        var (first, second) = (new LoopGuard(_database.Database, ahead), new LoopGuard(_database.Database, behind));
        var taken = 0;
        for (var i = 0; i < 3 * LoopGuard.MaxPerMinute; i++)
        {
            if (await (i % 2 == 0 ? first : second).TakeAsync(new OperationChain("run_z", 1), CancellationToken.None) is null) taken++;
        }

        Assert.Equal(LoopGuard.MaxPerMinute, taken);
        ahead.Advance(TimeSpan.FromMinutes(1));
        Assert.Null(await first.TakeAsync(new OperationChain("run_z", 1), CancellationToken.None));

        // A clock that was an hour ahead and is set right shuts nobody out for an hour.
        var wrong = new LoopGuard(_database.Database, new ManualTime(DateTimeOffset.FromUnixTimeSeconds(1_900_003_600)));
        Assert.Null(await wrong.TakeAsync(new OperationChain("run_z", 1), CancellationToken.None));
        Assert.Null(await first.TakeAsync(new OperationChain("run_z", 1), CancellationToken.None));
    }
}
