using Lanyard.Server.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Storage;

[Line("2.14")]
public sealed class SqliteSharedWritesTests() : SharedWritesContract(DatabaseKind.Sqlite);

[Line("2.14")]
[Needs("postgres")]
public sealed class PostgresSharedWritesTests() : SharedWritesContract(DatabaseKind.Postgres);

/// <summary>Writes that share a commit, and transactions that run one after another: one's failure is one's own.</summary>
public abstract class SharedWritesContract(DatabaseKind kind) : IAsyncLifetime
{
    private static readonly Sql[] Nothing = [];
    private TestDatabase _test = null!;

    private Database Database => _test.Database;

    public async ValueTask InitializeAsync()
    {
        _test = await TestDatabase.CreateAsync(kind);
        await Database.ExecuteAsync($"create table things (id text not null primary key, n bigint not null)");
        await Database.ExecuteAsync($"create table places (n bigint not null primary key, taken text not null)");
    }

    public async ValueTask DisposeAsync()
    {
        if (_test is not null)
        {
            await _test.DisposeAsync();
        }

        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task Each_of_many_statements_is_told_its_own_count_and_its_own_rows()
    {
        await Database.ExecuteAsync($"insert into things (id, n) values ({"a"}, 1), ({"b"}, 1), ({"c"}, 2)");

        var counts = Enumerable.Range(0, 100).Select(n => Database.ExecuteTogetherAsync($"update things set n = n where n = {n % 4}", $"n{n % 4}")).ToArray();
        var rows = Enumerable.Range(0, 100).Select(n => Database.QueryTogetherAsync($"update things set n = n where n = {n % 4} returning id, n", row => row.GetString(0) + row.GetInt64(1))).ToArray();

        Assert.Equal(Enumerable.Range(0, 100).Select(n => (n % 4) switch { 1 => 2, 2 => 1, _ => 0 }), await Task.WhenAll(counts));
        Assert.All((await Task.WhenAll(rows)).Select((found, n) => (found, n)), pair =>
            Assert.Equal((pair.n % 4) switch { 1 => ["a1", "b1"], 2 => ["c2"], _ => Array.Empty<string>() }, pair.found.Order(StringComparer.Ordinal)));
    }

    /// <summary>Statements that say what they change go without waiting for their counts; each third one here says it wrongly.</summary>
    [Fact]
    public async Task Who_said_wrongly_what_it_changes_is_told_the_truth_and_nothing_of_the_others_happens_twice()
    {
        var counts = await Task.WhenAll(Enumerable.Range(0, 60).Select(n => Database.SerialAsync<int>(
            [((Sql)$"insert into things (id, n) values ({"new" + n}, 0)").ChangingOne(), ((Sql)$"update things set n = n + 1 where id = {(n % 3 == 0 ? "none" : "new" + n)}").ChangingOne()],
            "new" + n,
            async (transaction, counts) =>
            {
                if (counts[1] == 1) await transaction.ExecuteLaterAsync($"insert into places (n, taken) values ({n}, {"yes"})");
                return counts[1];
            })));

        Assert.Equal(Enumerable.Range(0, 60).Select(n => n % 3 == 0 ? 0 : 1), counts);
        Assert.Equal(60, await Database.ScalarAsync($"select count(*) from things"));
        Assert.Equal(40, await Database.ScalarAsync($"select count(*) from things where n = 1"));
        Assert.Equal(40, await Database.ScalarAsync($"select count(*) from places"));
    }

    /// <summary>PostgreSQL is told them as one statement, with an array for each column.</summary>
    [Fact]
    public async Task Rows_that_are_written_as_one_statement_each_get_their_own_values_also_where_there_are_none()
    {
        await Database.ExecuteAsync($"create table kinds (id text not null primary key, n bigint, word text, flag boolean, bytes bytea)");
        var rows = Enumerable.Range(0, 40).Select(n => (Id: "k" + n, N: n % 3 == 0 ? (long?)null : n, Word: n % 4 == 0 ? null : $"it's {{{n}}}, \"{n}\" \\ NULL", Flag: n % 2 == 0)).ToArray();

        await Task.WhenAll(rows.Select(row => Database.SerialAsync(
            [((Sql)$"insert into kinds (id, n, word, flag, bytes) values ({row.Id}, {7}, {"then"}, {false}, {new byte[] { 0, 1 }})").OneOfMany()], row.Id, static (_, _) => Task.FromResult(0))));
        await Task.WhenAll(rows.Select(row => Database.SerialAsync(
            [((Sql)$"update kinds set n = {row.N}, word = {row.Word}, flag = {row.Flag}, bytes = {(row.Flag ? new byte[] { 2, (byte)row.Id.Length } : null)} where id = {row.Id} and n = {7}").OneOfMany()],
            row.Id, static (_, _) => Task.FromResult(0))));

        var found = await Database.QueryAsync($"select id, n, word, flag, bytes from kinds", static row => (row.GetString(0), row.IsDBNull(1) ? (long?)null : row.GetInt64(1), row.GetStringOrNull(2), row.GetBoolean(3), row.IsDBNull(4) ? 0 : ((byte[])row[4])[1]));
        Assert.Equal(rows.Select(static row => (row.Id, row.N, row.Word, row.Flag, row.Flag ? row.Id.Length : 0)).Order(), found.Order());
    }

    /// <summary>Among those that are told as one statement some change nothing, and two say that they change the same row.</summary>
    [Fact]
    public async Task Of_writes_of_one_statement_each_is_told_whether_it_was_its_own_that_changed_the_row()
    {
        foreach (var n in Enumerable.Range(0, 60)) await Database.ExecuteAsync($"insert into things (id, n) values ({"o" + n}, {(n % 3 == 0 ? 5 : 0)})");

        var changed = await Task.WhenAll(Enumerable.Range(0, 120).Select(n => Database.SerialAsync(
            [((Sql)$"update things set n = {1} where id = {"o" + (n % 60)} and n = {0}").OneOfMany()],
            "o" + (n % 60),
            async (transaction, counts) =>
            {
                if (counts[0] == 1) await transaction.ExecuteLaterAsync(((Sql)$"insert into places (n, taken) values ({n % 60}, {"by" + n})").OneOfMany());
                return counts[0] == 1;
            })));

        Assert.Equal(Enumerable.Range(0, 60).Select(static n => n % 3 == 0 ? 0 : 1), Enumerable.Range(0, 60).Select(n => (changed[n] ? 1 : 0) + (changed[n + 60] ? 1 : 0)));
        Assert.Equal(40, await Database.ScalarAsync($"select count(*) from things where n = 1"));
        var places = await Database.QueryAsync($"select n, taken from places", static row => (row.GetInt64(0), row.GetString(1)));
        Assert.Equal(changed.Index().Where(static one => one.Item).Select(static one => ((long)(one.Index % 60), "by" + one.Index)).Order(), places.Order());
    }

    /// <summary>What follows may need more than counts: then nothing was sent before it is asked.</summary>
    [Fact]
    public async Task What_follows_from_a_foreseen_change_reads_it_all_the_same()
    {
        var read = await Task.WhenAll(Enumerable.Range(0, 20).Select(n => Database.SerialAsync<long?>(
            [((Sql)$"insert into things (id, n) values ({"r" + n}, {n})").ChangingOne()],
            "r" + n,
            async (transaction, _) => n % 2 == 0 ? await transaction.ScalarAsync($"select n from things where id = {"r" + n}") : -1)));

        Assert.Equal(Enumerable.Range(0, 20).Select(n => n % 2 == 0 ? (long?)n : -1), read);
        Assert.Equal(20, await Database.ScalarAsync($"select count(*) from things"));
    }

    [Fact]
    public async Task A_violation_among_foreseen_changes_is_told_to_its_own_caller_alone()
    {
        await Database.ExecuteAsync($"insert into things (id, n) values ({"v7"}, 0)");

        var writes = Enumerable.Range(0, 30).Select(n => Database.SerialAsync(
            [((Sql)$"insert into things (id, n) values ({"v" + n}, {n})").ChangingOne()], "v" + n, static (_, _) => Task.FromResult(true))).ToArray();

        await Assert.ThrowsAsync<ConstraintViolationException>(() => Task.WhenAll(writes));
        Assert.Equal([7], writes.Index().Where(static write => write.Item.IsFaulted).Select(static write => write.Index));
        Assert.Equal(30, await Database.ScalarAsync($"select count(*) from things"));
    }

    [Fact]
    public async Task A_violation_among_many_statements_is_told_to_its_own_caller_alone()
    {
        await Database.ExecuteAsync($"insert into things (id, n) values ({"t7"}, 0)");

        var writes = Enumerable.Range(0, 50).Select(n => Database.ExecuteTogetherAsync($"insert into things (id, n) values ({"t" + n}, {n})", "t" + n)).ToArray();

        var violation = await Assert.ThrowsAsync<ConstraintViolationException>(() => Task.WhenAll(writes));
        Assert.Equal(ConstraintKind.Unique, violation.Kind);
        Assert.Equal([7], Enumerable.Range(0, 50).Where(n => writes[n].IsFaulted));
        Assert.Equal(50, await Database.ScalarAsync($"select count(*) from things"));
    }

    [Fact]
    public async Task A_reading_function_that_throws_is_its_own_callers_trouble_alone()
    {
        await Database.ExecuteAsync($"insert into things (id, n) values ({"a"}, 0)");

        var reads = Enumerable.Range(0, 20).Select(n => Database.QueryTogetherAsync(
            $"update things set n = n + 1 returning n", row => n == 5 ? throw new InvalidOperationException("mine") : row.GetInt64(0))).ToArray();

        await Assert.ThrowsAsync<InvalidOperationException>(() => Task.WhenAll(reads));
        Assert.Equal([5], Enumerable.Range(0, 20).Where(n => reads[n].IsFaulted));
        Assert.Equal(19, reads.Where(static read => !read.IsFaulted).Select(static read => Assert.Single(read.Result)).Distinct().Count());
    }

    [Fact]
    public async Task Serial_transactions_find_in_memory_what_the_one_before_left_and_failed_ones_leave_nothing()
    {
        var next = 0;
        var work = Enumerable.Range(0, 300).Select(i => Database.SerialAsync(
            [$"insert into things (id, n) values ({"s" + (i % 100 == 99 ? 0 : i)}, {i})"],
            null,
            async (transaction, counts) =>
            {
                Assert.Equal(1, Assert.Single(counts));
                var mine = next;
                transaction.OnUndone(_ => next = mine);
                await transaction.ExecuteLaterAsync($"insert into places (n, taken) values ({mine}, {"s" + i})");
                next = mine + 1;
                return i % 50 == 49 ? throw new InvalidOperationException("a bug") : mine;
            })).ToArray();

        await Assert.ThrowsAnyAsync<Exception>(() => Task.WhenAll(work));

        int[] violating = [99, 199, 299], throwing = [49, 149, 249];
        Assert.Equal(violating.Concat(throwing).Order(), Enumerable.Range(0, 300).Where(i => work[i].IsFaulted));
        Assert.All(violating, i => Assert.IsType<ConstraintViolationException>(work[i].Exception!.InnerException));
        var places = await Database.QueryAsync($"select n, taken from places order by n", row => (row.GetInt64(0), row.GetString(1)));
        Assert.Equal(Enumerable.Range(0, 294).Select(static n => (long)n), places.Select(static place => place.Item1));
        Assert.All(places, place => Assert.Equal(place.Item1, work[int.Parse(place.Item2[1..], System.Globalization.CultureInfo.InvariantCulture)].Result));
        Assert.Equal(294, await Database.ScalarAsync($"select count(*) from things"));
    }

    [Fact]
    public async Task A_statement_left_for_the_end_that_fails_undoes_its_own_transaction_alone()
    {
        await Database.ExecuteAsync($"insert into places (n, taken) values ({3}, {"before"})");

        var work = Enumerable.Range(0, 20).Select(i => Database.SerialAsync(
            [$"insert into things (id, n) values ({"s" + i}, {i})"],
            "s" + i,
            async (transaction, _) =>
            {
                await transaction.ExecuteLaterAsync($"insert into places (n, taken) values ({i}, {"now"})");
                return i;
            })).ToArray();

        await Assert.ThrowsAsync<ConstraintViolationException>(() => Task.WhenAll(work));
        Assert.Equal([3], Enumerable.Range(0, 20).Where(i => work[i].IsFaulted));
        Assert.Equal(0, await Database.ScalarAsync($"select count(*) from things where n = 3"));
        Assert.Equal(19, await Database.ScalarAsync($"select count(*) from things"));
    }

    [Fact]
    public async Task What_follows_a_returning_statement_is_given_its_own_rows_and_no_others()
    {
        await Database.ExecuteAsync($"insert into things (id, n) values ({"a"}, 1), ({"b"}, 1), ({"c"}, 2)");

        var told = await Task.WhenAll(Enumerable.Range(0, 60).Select(i => Database.SerialAsync(
            $"update things set n = n where n = {i % 3} returning id", "n" + (i % 3), row => row.GetString(0),
            async (transaction, rows) =>
            {
                await transaction.ExecuteLaterAsync($"insert into places (n, taken) values ({i}, {string.Concat(rows.Order(StringComparer.Ordinal))})");
                return rows.Count;
            })));

        Assert.Equal(Enumerable.Range(0, 60).Select(static i => (i % 3) switch { 1 => 2, 2 => 1, _ => 0 }), told);
        var places = await Database.QueryAsync($"select taken from places order by n", row => row.GetString(0));
        Assert.Equal(Enumerable.Range(0, 60).Select(static i => (i % 3) switch { 1 => "ab", 2 => "c", _ => "" }), places);
    }

    [Fact]
    public async Task A_reading_function_that_throws_in_a_serial_transaction_undoes_that_one_alone()
    {
        await Database.ExecuteAsync($"insert into things (id, n) values ({"a"}, 0)");

        var work = Enumerable.Range(0, 20).Select(i => Database.SerialAsync(
            $"update things set n = n + 1 returning n", "a", row => i == 5 ? throw new InvalidOperationException("mine") : row.GetInt64(0),
            (_, rows) => Task.FromResult(Assert.Single(rows)))).ToArray();

        await Assert.ThrowsAsync<InvalidOperationException>(() => Task.WhenAll(work));
        Assert.Equal([5], Enumerable.Range(0, 20).Where(i => work[i].IsFaulted));
        Assert.Equal(Enumerable.Range(1, 19).Select(static n => (long)n), work.Where(static one => !one.IsFaulted).Select(static one => one.Result).Order());
    }

    [Fact]
    public async Task What_should_follow_a_commit_follows_it_before_the_caller_goes_on()
    {
        var followed = 0;
        var seen = await Task.WhenAll(Enumerable.Range(0, 50).Select(async i =>
        {
            var mine = 0;
            await Database.SerialAsync(Nothing, null, async (transaction, _) =>
            {
                await transaction.ExecuteAsync($"insert into things (id, n) values ({"f" + i}, {i})");
                transaction.OnCommitted(() => (mine, followed) = (1, followed + 1));
                return 0;
            });
            return mine;
        }));

        Assert.All(seen, static one => Assert.Equal(1, one));
        Assert.Equal(50, followed);
    }

    [Fact]
    public async Task A_canceled_write_among_others_changes_nothing()
    {
        using var canceled = new CancellationTokenSource();
        await canceled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Database.ExecuteTogetherAsync($"insert into things (id, n) values ({"x"}, 1)", "x", canceled.Token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Database.SerialAsync([$"insert into things (id, n) values ({"y"}, 1)"], "y", (_, _) => Task.FromResult(0), canceled.Token));
        Assert.Equal(0, await Database.ScalarAsync($"select count(*) from things"));
    }
}
