using Lanyard.Server.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Storage;

[Line("2.14")]
public sealed class SqliteDatabaseTests() : DatabaseContract(DatabaseKind.Sqlite);

[Line("2.14")]
[Needs("postgres")]
public sealed class PostgresDatabaseTests() : DatabaseContract(DatabaseKind.Postgres);

/// <summary>What every database must do with values and statements, whatever its dialect.</summary>
public abstract class DatabaseContract(DatabaseKind kind) : DatabaseTestBase(kind)
{
    [Fact]
    public async Task Values_of_every_type_come_back_as_they_were()
    {
        var at = DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_000_123);
        byte[] bytes = [0, 255, 7];
        var id = "x'; drop table things; -- $1 @p ? 'ü€😀";

        await Database.ExecuteAsync($"insert into things (id, n, flag, bytes, at) values ({id}, {long.MaxValue}, {true}, {bytes}, {at})");

        var row = await Database.QuerySingleOrNullAsync(
            $"select id, parent, n, flag, bytes, at from things where id = {id} and flag = true",
            row => new
            {
                Id = row.GetString(0),
                Parent = row.GetStringOrNull(1),
                N = row.GetInt64(2),
                Flag = row.GetBoolean(3),
                Bytes = row.GetBytes(4),
                At = row.GetTime(5),
            },
            TestContext.Current.CancellationToken);
        Assert.NotNull(row);
        Assert.Equal((id, null, long.MaxValue, true, at), (row.Id, row.Parent, row.N, row.Flag, row.At));
        Assert.Equal(bytes, row.Bytes);
    }

    [Fact]
    public async Task Nulls_of_every_type_come_back_as_null()
    {
        await Database.ExecuteAsync(
            $"insert into things (id, parent, n, flag, bytes, at) values ({"a"}, {(string?)null}, {(long?)null}, {(bool?)null}, {(byte[]?)null}, {(DateTimeOffset?)null})");

        Assert.Equal(
            1,
            await Database.ScalarAsync($"select count(*) from things where parent is null and n is null and flag is null and bytes is null and at is null"));
    }

    [Fact]
    public async Task Empty_texts_and_bytes_are_empty_and_not_null()
    {
        byte[] none = [];
        await Database.ExecuteAsync($"insert into things (id, bytes) values ({""}, {none})");

        Assert.Equal(1, await Database.ScalarAsync($"select count(*) from things where id = {""} and bytes is not null and length(bytes) = 0"));
    }

    [Fact]
    public async Task A_long_text_comes_back_as_it_was()
    {
        var id = string.Concat(Enumerable.Repeat("aü€😀", 2000));
        await Database.ExecuteAsync($"insert into things (id) values ({id})");

        Assert.Equal(1, await Database.ScalarAsync($"select count(*) from things where id = {id} and length(id) = {8000}"));
    }

    [Fact]
    public async Task A_statement_is_put_together_from_parts_and_lists()
    {
        await Insert("a", "b", "c");
        Sql condition = $"and id <> {"b"}";

        var found = await Database.QueryAsync(
            $"select id from things where id in ({new[] { "a", "b", "x" }}) {condition.Part} {Sql.Empty} order by id limit {10}", row => row.GetString(0));
        var none = await Database.QueryAsync($"select id from things where id in ({Array.Empty<string>()})", row => row.GetString(0));

        Assert.Equal(["a"], found);
        Assert.Empty(none);
    }

    [Fact]
    public async Task A_change_answers_the_rows_it_made()
    {
        await Insert("a", "b");

        var changed = await Database.QueryAsync($"update things set n = {5} where id = {"b"} returning id, n", row => (row.GetString(0), row.GetInt(1)));
        var count = await Database.ExecuteAsync($"delete from things where id = {"zzz"}");

        Assert.Equal([("b", 5)], changed);
        Assert.Equal(0, count);
    }

    [Fact]
    public async Task A_taken_key_is_a_unique_violation_and_a_missing_parent_a_reference_violation()
    {
        await Insert("a");

        var unique = await Assert.ThrowsAsync<ConstraintViolationException>(() => Insert("a"));
        var reference = await Assert.ThrowsAsync<ConstraintViolationException>(
            () => Database.ExecuteAsync($"insert into things (id, parent) values ({"b"}, {"nobody"})"));

        Assert.Equal(ConstraintKind.Unique, unique.Kind);
        Assert.Equal(ConstraintKind.Reference, reference.Kind);
    }

    [Fact]
    public async Task A_parent_that_is_referred_to_stays()
    {
        await Database.ExecuteAsync($"insert into parents (id) values ({"p"})");
        await Database.ExecuteAsync($"insert into things (id, parent) values ({"a"}, {"p"})");

        var violation = await Assert.ThrowsAsync<ConstraintViolationException>(() => Database.ExecuteAsync($"delete from parents where id = {"p"}"));

        Assert.Equal(ConstraintKind.Reference, violation.Kind);
    }

    [Fact]
    public async Task What_was_acknowledged_is_there_after_a_restart()
    {
        await Insert("a");

        await _test.ReopenAsync();

        Assert.Equal(1, await Count());
    }

    [Fact]
    public async Task A_message_reaches_subscribers_until_they_leave()
    {
        var heard = new List<string?>();
        using (Database.Notifications.Subscribe("runs", heard.Add))
        {
            Database.Notifications.Publish("runs", "col_1");
            Database.Notifications.Publish("other", "x");
        }

        Database.Notifications.Publish("runs", "col_2");

        Assert.Equal(["col_1"], heard.Where(message => message is not null));
        await Task.CompletedTask;
    }
}
