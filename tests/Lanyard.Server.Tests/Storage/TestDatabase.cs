using Lanyard.Server.Storage;
using Lanyard.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Lanyard.Server.Tests.Storage;

/// <summary>Fresh databases for a test. A contract suite is an abstract class over <see cref="DatabaseKind"/> with two sealed ones that say which.</summary>
internal sealed class TestDatabase : IAsyncDisposable
{
    private readonly string? _folder;

    private TestDatabase(string location, string? folder)
    {
        Location = location;
        _folder = folder;
        Database = OpenAnother();
    }

    public Database Database { get; private set; }

    /// <summary>In the form that <c>--database</c> takes.</summary>
    public string Location { get; }

    /// <summary>A fresh database with the schema of this program, or without.</summary>
    public static async Task<TestDatabase> CreateAsync(DatabaseKind kind, bool migrate = true)
    {
        TestDatabase database;
        if (kind == DatabaseKind.Sqlite)
        {
            var folder = Directory.CreateTempSubdirectory("lanyard-db-").FullName;
            database = new TestDatabase(Path.Combine(folder, "lanyard.db"), folder);
        }
        else
        {
            var server = await PostgresServer.SharedAsync();
            Assert.True(server is not null, "PostgreSQL is not installed: eng/postgres");
            database = new TestDatabase(await server!.CreateDatabaseAsync(), null);
        }

        if (migrate)
        {
            await database.Database.MigrateAsync(TimeProvider.System);
        }

        return database;
    }

    /// <summary>Another replica's door to the same database (PostgreSQL only: a SQLite file belongs to one server).</summary>
    public Database OpenAnother() => Database.Open(Location, TimeProvider.System, NullLoggerFactory.Instance);

    /// <summary>As <see cref="OpenAnother"/>, once it hears what this one tells: its first word, that everybody is to look at everything, is over.</summary>
    public async Task<Database> OpenListeningAsync()
    {
        var (other, hears) = (OpenAnother(), false);
        using var probe = other.Notifications.Subscribe("test.probe", payload => Volatile.Write(ref hears, hears || payload is not null));
        await Eventually.HoldsAsync(
            () =>
            {
                Database.Notifications.Publish("test.probe", "there?");
                return Task.FromResult(Volatile.Read(ref hears));
            },
            "the other replica hears");
        return other;
    }

    /// <summary>As a restart of the server does it.</summary>
    public async Task ReopenAsync()
    {
        await Database.DisposeAsync();
        Database = OpenAnother();
    }

    public async ValueTask DisposeAsync()
    {
        await Database.DisposeAsync();
        if (_folder is not null)
        {
            Directory.Delete(_folder, recursive: true);
        }
    }
}

public enum DatabaseKind
{
    Sqlite,
    Postgres,
}
