using Lanyard.Server.Storage;
using Lanyard.Testing;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Tests.Storage;

/// <summary>
/// Two replicas on one PostgreSQL database that can be closed: who is in and listens stays, the publisher's other connections end, and nobody comes in.
/// </summary>
internal sealed class ClosedDatabase : IAsyncDisposable
{
    private readonly TestDatabase _database;
    private readonly TestDatabase _gate;
    private readonly Warnings _warnings = new();
    private readonly LoggerFactory _loggers;

    private ClosedDatabase(TestDatabase database, TestDatabase gate)
    {
        (_database, _gate) = (database, gate);
        _loggers = new LoggerFactory([_warnings]);
        Publisher = Database.Open(database.Location, TimeProvider.System, _loggers);
        // The last, so that whoever listens at once hears of its first connection.
        Other = database.OpenAnother();
    }

    public Database Publisher { get; }

    public Database Other { get; }

    private string Name => new Uri(_database.Location).AbsolutePath[1..];

    public static async Task<ClosedDatabase> CreateAsync() =>
        new(await TestDatabase.CreateAsync(DatabaseKind.Postgres, migrate: false), await TestDatabase.CreateAsync(DatabaseKind.Postgres, migrate: false));

    public async Task CloseAsync()
    {
        // The publisher's own listener must be there: later it would not come in, and its trouble be taken for the sender's.
        await Eventually.HoldsAsync(async () => await _gate.Database.ScalarAsync(
            $"select count(*) from pg_stat_activity where datname = {Name} and query = {"listen lanyard"} and state = {"idle"}") == 3, "all listen");
        await AllowAsync(false);
        await _gate.Database.QueryAsync($"select pg_terminate_backend(pid) from pg_stat_activity where datname = {Name} and query <> {"listen lanyard"}", static _ => 0);
    }

    /// <summary>The publisher has tried to send, and failed.</summary>
    public Task FailedAsync() => _warnings.Said.WaitAsync(TimeSpan.FromSeconds(120));

    public Task OpenAsync() => AllowAsync(true);

    public async ValueTask DisposeAsync()
    {
        await AllowAsync(true);
        await Other.DisposeAsync();
        await Publisher.DisposeAsync();
        await _database.DisposeAsync();
        await _gate.DisposeAsync();
        _loggers.Dispose();
    }

    private async Task AllowAsync(bool isAllowed) =>
        await _gate.Database.ExecuteAsync($"update pg_database set datallowconn = {isAllowed} where datname = {Name}");

    private sealed class Warnings : ILoggerProvider, ILogger
    {
        private readonly TaskCompletionSource _said = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Said => _said.Task;

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => _said.TrySetResult();

        public void Dispose()
        {
            // Nothing was made.
        }
    }
}
