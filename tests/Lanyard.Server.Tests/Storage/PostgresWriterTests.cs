using Lanyard.Server.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Storage;

/// <summary>Two writers of a replica, and those of others, each with a transaction that changes many rows.</summary>
[Line("2.14")]
[Needs("postgres")]
public sealed class PostgresWriterTests : IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(120);
    private TestDatabase _test = null!;

    private Database Database => _test.Database;

    public async ValueTask InitializeAsync()
    {
        _test = await TestDatabase.CreateAsync(DatabaseKind.Postgres);
        await Database.ExecuteAsync($"create table things (id text not null primary key, n bigint not null)");
        await Database.ExecuteAsync($"insert into things (id, n) values ({"a"}, 0), ({"b"}, 0), ({"m"}, 0), ({"x"}, 0), ({"y"}, 0)");
        await Database.ExecuteAsync($"create sequence tried");
        await Database.ExecuteAsync($"create table tries (n bigint not null)");
    }

    public ValueTask DisposeAsync() => _test.DisposeAsync();

    /// <summary>What PostgreSQL gives up because two wait for each other is run again: a sequence, which is never undone, counts that.</summary>
    [Fact]
    public async Task Two_batches_that_change_the_same_rows_never_wait_for_each_other()
    {
        var (starters, middle) = (new TaskCompletionSource(), new TaskCompletionSource());
        List<Task> blockers = [await HoldAsync(starters.Task, "x", "y"), await HoldAsync(middle.Task, "m")];

        // Each writer has one that waits, and what comes meanwhile will be its next batch: in one order there, in the other here.
        List<Task> first = [Database.ExecuteTogetherAsync(Touch("x"), "x"), SerialAsync("y")];
        await UntilTwoWaitAsync();
        List<Task> writes = [Database.ExecuteTogetherAsync(Try(), "0"), .. ((string[])["b", "m", "a"]).Select(row => Database.ExecuteTogetherAsync(Touch(row), row))];
        writes.AddRange([Database.SerialAsync([Try()], "0", static (_, _) => Task.FromResult(0)), .. ((string[])["a", "m", "b"]).Select(SerialAsync)]);
        starters.SetResult();
        await Task.WhenAll(first).WaitAsync(Deadline);
        await UntilTwoWaitAsync();
        middle.SetResult();

        await Task.WhenAll([.. blockers, .. writes]).WaitAsync(Deadline);
        Assert.Equal(8, await Database.ScalarAsync($"select cast(sum(n) as bigint) from things"));
        Assert.Equal(2, await Database.ScalarAsync($"select last_value from tried"));
    }

    private static Sql Touch(string row) => $"update things set n = n + 1 where id = {row}";

    private static Sql Try() => $"insert into tries (n) values (nextval('tried'))";

    private Task SerialAsync(string row) => Database.SerialAsync([Touch(row)], row, static (_, _) => Task.FromResult(0));

    /// <returns>When the rows are held; the inner task ends with their transaction.</returns>
    private async Task<Task> HoldAsync(Task until, params string[] rows)
    {
        var held = new TaskCompletionSource();
        var holding = Database.TransactionAsync(async transaction =>
        {
            foreach (var row in rows) await transaction.ExecuteAsync($"update things set n = n where id = {row}");
            held.TrySetResult();
            await until;
        });
        await Task.WhenAny(held.Task, holding);
        return holding;
    }

    private async Task UntilTwoWaitAsync()
    {
        using var deadline = new CancellationTokenSource(Deadline);
        while (await Database.ScalarAsync(
            $"select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'", deadline.Token) < 2)
            await Task.Yield();
    }
}
