using Lanyard.Server.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Storage;

[Line("2.14")]
public sealed class SqliteMigrationTests() : MigrationContract(DatabaseKind.Sqlite);

[Line("2.14")]
[Needs("postgres")]
public sealed class PostgresMigrationTests() : MigrationContract(DatabaseKind.Postgres);

public abstract class MigrationContract(DatabaseKind kind)
{
    private static readonly Migration First = new("0001_first", "-- a table\ncreate table a (id text);\ncreate table b (id text);\n");
    private static readonly Migration Second = new("0002_second", "alter table a add column more bigint;\ninsert into a (id, more) values ('x;y', 1);\n");

    [Fact]
    public async Task Each_migration_is_applied_once_and_later_ones_follow()
    {
        await using var test = await TestDatabase.CreateAsync(kind, migrate: false);

        await Run(test.Database, First);
        await Run(test.Database, First, Second);
        await Run(test.Database, First, Second);

        Assert.Equal(1, await test.Database.ScalarAsync($"select count(*) from a where more = 1"));
        Assert.Equal(2, await test.Database.ScalarAsync($"select count(*) from schema_migrations"));
    }

    [Fact]
    public async Task A_migration_that_was_changed_after_it_was_applied_stops_the_start()
    {
        await using var test = await TestDatabase.CreateAsync(kind, migrate: false);
        await Run(test.Database, First);

        var changed = First with { Text = First.Text + "create table c (id text);\n" };
        var refused = await Assert.ThrowsAsync<StorageException>(() => Run(test.Database, new Migration(changed.Name, changed.Text), Second));

        Assert.Contains("0001_first was changed", refused.Message, StringComparison.Ordinal);
        Assert.Equal(1, await test.Database.ScalarAsync($"select count(*) from schema_migrations"));
    }

    [Fact]
    public async Task A_database_that_is_newer_than_the_program_stops_the_start()
    {
        await using var test = await TestDatabase.CreateAsync(kind, migrate: false);
        await Run(test.Database, First, Second);

        var refused = await Assert.ThrowsAsync<StorageException>(() => Run(test.Database, First));

        Assert.Contains("newer than this program", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_migration_that_fails_leaves_nothing_of_itself_and_of_those_before_it()
    {
        await using var test = await TestDatabase.CreateAsync(kind, migrate: false);

        await Assert.ThrowsAnyAsync<Exception>(() => Run(test.Database, First, new Migration("0002_bad", "create table d (id text);\nnonsense;\n")));
        await Run(test.Database, First, new Migration("0002_bad", "create table d (id text);\n"));

        Assert.Equal(0, await test.Database.ScalarAsync($"select count(*) from d"));
    }

    [Fact]
    public async Task The_programs_own_migrations_apply_to_an_empty_database_and_again_after_a_restart()
    {
        await using var test = await TestDatabase.CreateAsync(kind);
        var applied = await test.Database.ScalarAsync($"select count(*) from schema_migrations");

        await test.ReopenAsync();
        await test.Database.MigrateAsync(TimeProvider.System);

        Assert.Equal(Migrations.Of(test.Database.Dialect).Count, applied);
        Assert.Equal(applied, await test.Database.ScalarAsync($"select count(*) from schema_migrations"));
    }

    [Fact]
    public async Task Replicas_that_start_at_once_migrate_once()
    {
        await using var test = await TestDatabase.CreateAsync(kind, migrate: false);
        await using var other = kind == DatabaseKind.Postgres ? test.OpenAnother() : null;

        await Task.WhenAll(Enumerable.Range(0, 6).Select(i => Task.Run(() => (i % 2 == 0 ? other ?? test.Database : test.Database).MigrateAsync(TimeProvider.System))));

        Assert.Equal(Migrations.Of(test.Database.Dialect).Count, await test.Database.ScalarAsync($"select count(*) from schema_migrations"));
    }

    [Fact]
    public void Numbers_are_unique()
    {
        var numbers = Migrations.Of(kind == DatabaseKind.Sqlite ? "sqlite" : "postgres").Select(migration => migration.Name[..4]).ToList();

        Assert.NotEmpty(numbers);
        Assert.Equal(numbers.Distinct(), numbers);
    }

    private static Task Run(Database database, params Migration[] migrations) =>
        database.TransactionAsync(transaction => Migrations.RunAsync(transaction, migrations, TimeProvider.System));
}
