using Lanyard.Server.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Storage;

[Line("2.14")]
public sealed class SqliteTransactionTests() : TransactionContract(DatabaseKind.Sqlite);

[Line("2.14")]
[Needs("postgres")]
public sealed class PostgresTransactionTests() : TransactionContract(DatabaseKind.Postgres);

/// <summary>What every database must do with transactions and with many writers at once, whatever its dialect.</summary>
public abstract class TransactionContract(DatabaseKind kind) : DatabaseTestBase(kind)
{
    [Fact]
    public async Task A_transaction_that_throws_leaves_nothing()
    {
        await Assert.ThrowsAsync<InvalidOperationException>(() => Database.TransactionAsync(async transaction =>
        {
            await transaction.ExecuteAsync($"insert into things (id) values ({"a"})");
            throw new InvalidOperationException("no");
        }));

        Assert.Equal(0, await Count());
    }

    [Fact]
    public async Task After_a_violation_a_transaction_takes_no_further_statement_and_leaves_nothing()
    {
        await Insert("a");

        await Assert.ThrowsAnyAsync<Exception>(() => Database.TransactionAsync(async transaction =>
        {
            await transaction.ExecuteAsync($"insert into things (id) values ({"b"})");
            await Assert.ThrowsAsync<ConstraintViolationException>(() => transaction.ExecuteAsync($"insert into things (id) values ({"a"})"));
            await transaction.ExecuteAsync($"insert into things (id) values ({"c"})");
        }));

        Assert.Equal(1, await Count());
    }

    [Fact]
    public async Task A_transaction_sees_its_own_changes_and_what_follows_the_commit_sees_them_too()
    {
        var seen = new List<long?>();

        await Database.TransactionAsync(async transaction =>
        {
            await transaction.ExecuteAsync($"insert into things (id) values ({"a"})");
            seen.Add(await transaction.ScalarAsync($"select count(*) from things"));
            transaction.OnCommitted(() => seen.Add(100));
        });

        seen.Add(await Count());
        Assert.Equal([1, 100, 1], seen);
    }

    [Fact]
    public async Task What_should_follow_a_commit_does_not_follow_a_failure()
    {
        var ran = false;

        await Assert.ThrowsAsync<ConstraintViolationException>(() => Database.TransactionAsync(async transaction =>
        {
            transaction.OnCommitted(() => ran = true);
            await transaction.ExecuteAsync($"insert into things (id, parent) values ({"b"}, {"nobody"})");
        }));

        Assert.False(ran);
    }

    [Fact]
    public async Task A_transaction_that_is_kept_after_its_end_refuses_statements()
    {
        Transaction? kept = null;
        await Database.TransactionAsync(transaction =>
        {
            kept = transaction;
            return Task.CompletedTask;
        });

        await Assert.ThrowsAsync<InvalidOperationException>(() => kept!.ExecuteAsync($"delete from things"));
    }

    [Fact]
    public async Task Fifty_parallel_claims_of_twenty_rows_give_each_row_once()
    {
        await Insert([.. Enumerable.Range(0, 20).Select(i => $"t{i:00}")]);
        var skipLocked = Database.SkipLocked;

        var claims = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => Task.Run(() => Database.QueryAsync(
            $"""
            update things set n = {i} where id =
            (select id from things where n is null order by id limit 1 {skipLocked}) returning id
            """,
            row => row.GetString(0)))));

        var claimed = claims.SelectMany(rows => rows).ToList();
        Assert.Equal(20, claimed.Count);
        Assert.Equal(20, claimed.Distinct(StringComparer.Ordinal).Count());
    }

    [Fact]
    public async Task One_failing_writer_among_many_takes_nobody_along()
    {
        await Insert("taken");

        var writers = Enumerable.Range(0, 200).Select(i => Task.Run(() => Database.TransactionAsync(async transaction =>
        {
            await transaction.ExecuteAsync($"insert into parents (id) values ({$"p{i}"})");
            await transaction.ExecuteAsync($"insert into things (id, parent) values ({(i % 10 == 0 ? "taken" : $"w{i}")}, {$"p{i}"})");
        }))).ToList();
        await Task.WhenAll(writers).ContinueWith(_ => { }, TaskScheduler.Default);

        Assert.Equal(20, writers.Count(writer => writer.Exception?.InnerException is ConstraintViolationException));
        Assert.Equal(180, writers.Count(writer => writer.IsCompletedSuccessfully));
        Assert.Equal(181, await Count());
        Assert.Equal(180, await Database.ScalarAsync($"select count(*) from parents"));
    }

    [Fact]
    public async Task Parallel_increments_lose_none()
    {
        await Database.ExecuteAsync($"insert into things (id, n) values ({"a"}, {0})");
        var forUpdate = Database.ForUpdate;

        await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => Task.Run(() => Database.TransactionAsync(async transaction =>
        {
            var n = await transaction.ScalarAsync($"select n from things where id = {"a"} {forUpdate}");
            await transaction.ExecuteAsync($"update things set n = {n + 1} where id = {"a"}");
        }))));

        Assert.Equal(100, await Database.ScalarAsync($"select n from things where id = {"a"}"));
    }

    [Fact]
    public async Task A_cancelled_write_changes_nothing()
    {
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => Database.ExecuteAsync($"insert into things (id) values ({"a"})", new CancellationToken(canceled: true)));

        Assert.Equal(0, await Count());
    }

    [Fact]
    public async Task A_reader_that_throws_undoes_the_change_or_the_change_is_whole()
    {
        await Insert("a");

        await Assert.ThrowsAsync<FormatException>(() => Database.TransactionAsync(transaction => transaction.QueryAsync<int>(
            $"update things set n = {1} returning id", _ => throw new FormatException())));

        Assert.Equal(1, await Database.ScalarAsync($"select count(*) from things where n is null"));
    }
}
