using Lanyard.Server.Storage;
using Xunit;

namespace Lanyard.Server.Tests.Storage;

/// <summary>A database of a kind, with two tables.</summary>
public abstract class DatabaseTestBase(DatabaseKind kind) : IAsyncLifetime
{
    private protected TestDatabase _test = null!;

    private protected Database Database => _test.Database;

    public async ValueTask InitializeAsync()
    {
        _test = await TestDatabase.CreateAsync(kind);
        await Database.ExecuteAsync($"create table parents (id text not null primary key)");
        await Database.ExecuteAsync(
            $"create table things (id text not null primary key, parent text references parents (id), n bigint, flag boolean, bytes bytea, at bigint)");
    }

    public async ValueTask DisposeAsync()
    {
        if (_test is not null)
        {
            await _test.DisposeAsync();
        }

        GC.SuppressFinalize(this);
    }

    private protected async Task Insert(params string[] ids)
    {
        foreach (var id in ids)
        {
            await Database.ExecuteAsync($"insert into things (id) values ({id})");
        }
    }

    private protected Task<long?> Count() => Database.ScalarAsync($"select count(*) from things");
}
