using Lanyard.Server.Storage;
using Lanyard.Testing;
using Xunit;

namespace Lanyard.Server.Tests.Storage;

/// <summary>What is SQLite's alone: the file, its lock, the one writer.</summary>
[Line("2.14")]
public sealed class SqliteFileTests
{
    [Fact]
    public async Task Only_its_owner_can_read_the_file_and_the_log_beside_it()
    {
        await using var test = await TestDatabase.CreateAsync(DatabaseKind.Sqlite);

        var files = Directory.GetFiles(Path.GetDirectoryName(test.Location)!);
        Assert.Contains(files, file => file.EndsWith("-wal", StringComparison.Ordinal));
        Assert.All(files, file => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file)));
    }

    [Fact]
    public async Task A_second_server_on_the_same_file_is_kept_out()
    {
        await using var test = await TestDatabase.CreateAsync(DatabaseKind.Sqlite);

        var refused = Assert.Throws<StorageException>(test.OpenAnother);

        Assert.Contains("in use by another server", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_no_database_is_refused_and_left_as_it_is()
    {
        var folder = Directory.CreateTempSubdirectory("lanyard-db-");
        var path = Path.Combine(folder.FullName, "x.db");
        File.WriteAllText(path, new string('x', 8192));

        Assert.Throws<StorageException>(() => new SqliteDatabase(path));

        Assert.Equal(new string('x', 8192), File.ReadAllText(path));
        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Every_commit_is_synced_and_references_are_enforced()
    {
        await using var test = await TestDatabase.CreateAsync(DatabaseKind.Sqlite);

        var settings = await test.Database.TransactionAsync(async transaction => (
            await transaction.ScalarAsync($"pragma synchronous"),
            await transaction.ScalarAsync($"pragma foreign_keys"),
            (await transaction.QueryAsync($"pragma journal_mode", row => row.GetString(0)))[0]));

        Assert.Equal((2, 1, "wal"), settings);
    }

    [Fact]
    public async Task The_systems_library_is_used_where_there_is_one()
    {
        Assert.SkipUnless(System.Runtime.InteropServices.NativeLibrary.TryLoad("libsqlite3.so.0", out _), "the system has no SQLite");
        await using var test = await TestDatabase.CreateAsync(DatabaseKind.Sqlite);

        var version = await test.Database.QueryAsync($"select sqlite_version()", row => Version.Parse(row.GetString(0)));

        Assert.True(version[0] > new Version(3, 35, 5), $"the bundled one is 3.35.5, this is {version[0]}");
    }

    [Fact]
    public async Task A_transaction_that_waits_for_a_write_outside_itself_fails_at_once_instead_of_for_ever()
    {
        await using var test = await TestDatabase.CreateAsync(DatabaseKind.Sqlite);

        var work = test.Database.TransactionAsync(async _ => await test.Database.ExecuteAsync($"delete from audit_events"));

        await Assert.ThrowsAsync<InvalidOperationException>(() => work.WaitAsync(TimeSpan.FromSeconds(120), TimeProvider.System, TestContext.Current.CancellationToken));
        Assert.Equal(0, await test.Database.ExecuteAsync($"delete from audit_events"));
    }

    [Fact]
    public async Task What_follows_a_commit_may_write_again()
    {
        await using var test = await TestDatabase.CreateAsync(DatabaseKind.Sqlite);
        var followed = new TaskCompletionSource<Task<int>>();

        await test.Database.TransactionAsync(transaction =>
        {
            transaction.OnCommitted(() => followed.SetResult(Task.Run(() => test.Database.ExecuteAsync($"delete from audit_events"))));
            return Task.CompletedTask;
        });

        Assert.Equal(0, await await followed.Task);
    }

    [Fact]
    public async Task A_bug_in_what_follows_a_commit_does_not_end_the_writer()
    {
        await using var test = await TestDatabase.CreateAsync(DatabaseKind.Sqlite);

        await Assert.ThrowsAsync<FormatException>(() => test.Database.TransactionAsync(transaction =>
        {
            transaction.OnCommitted(() => throw new FormatException());
            return Task.CompletedTask;
        }));

        Assert.Equal(0, await test.Database.ExecuteAsync($"delete from audit_events"));
    }

    [Fact]
    public async Task Reads_can_not_write()
    {
        await using var test = await TestDatabase.CreateAsync(DatabaseKind.Sqlite);

        await Assert.ThrowsAnyAsync<Exception>(() => test.Database.QueryAsync(
            $"with x as (select 1) insert into audit_chains (id, started) values ({"a"}, {1}) returning id", row => row.GetString(0)));

        Assert.Equal(0, await test.Database.ScalarAsync($"select count(*) from audit_chains"));
    }

    [Fact]
    public async Task What_is_undone_for_another_writers_failure_is_done_again_and_told_of_once()
    {
        await using var test = await TestDatabase.CreateAsync(DatabaseKind.Sqlite);
        await test.Database.ExecuteAsync($"create table things (id text not null primary key)");
        var (told, undone) = (new List<string>(), new List<string>());
        Task<bool> InsertAsync(string id, bool fails) => test.Database.TransactionAsync(async transaction =>
        {
            transaction.OnUndone(isCertain => undone.Add($"{id} {isCertain}"));
            transaction.OnCommitted(() => told.Add(id));
            await transaction.ExecuteAsync($"insert into things (id) values ({id})");
            return fails ? throw new InvalidOperationException(id) : true;
        });

        // All wait for one that writes, and so come into one batch.
        using var brought = new ManualResetEventSlim();
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var writing = Task.Run(() => test.Database.TransactionAsync(async transaction =>
        {
            begun.TrySetResult();
            brought.Wait(TimeSpan.FromSeconds(120));
            await transaction.ExecuteAsync($"insert into things (id) values ({"first"})");
        }));
        await begun.Task;
        Task<bool>[] all = [InsertAsync("a", fails: false), InsertAsync("b", fails: true), InsertAsync("c", fails: false)];
        brought.Set();
        await writing;

        Assert.True(await all[0]);
        Assert.Equal("b", (await Assert.ThrowsAsync<InvalidOperationException>(() => all[1])).Message);
        Assert.True(await all[2]);
        Assert.Equal(["a", "c"], told);
        Assert.Equal(["b True", "a True", "b True"], undone);
        Assert.Equal(["a", "c", "first"], await test.Database.QueryAsync($"select id from things order by id", static row => row.GetString(0)));
    }
}
