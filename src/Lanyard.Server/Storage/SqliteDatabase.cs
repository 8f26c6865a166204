using System.Collections.Concurrent;
using System.Data.Common;
using Microsoft.Data.Sqlite;

namespace Lanyard.Server.Storage;

/// <summary>
/// One file: write-ahead log, every commit synced, one writer with group commit (<see cref="SqliteWriter"/>), readers on connections
/// of their own. The file belongs to one server: a lock beside it keeps a second one out.
/// </summary>
internal sealed class SqliteDatabase : Database
{
    private const string WriterPragmas =
        "pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on; pragma busy_timeout = 5000; pragma wal_autocheckpoint = 4000;";

    private const string ReaderPragmas = "pragma busy_timeout = 5000; pragma query_only = on;";
    private const int MaxIdleReaders = 16;

    private readonly ConcurrentBag<SqliteSession> _readers = [];
    private readonly FileStream _lock;
    private readonly SqliteWriter _writer;
    private readonly string _connectionString;

    /// <exception cref="StorageException">The file can't be opened, or another server holds it.</exception>
    public SqliteDatabase(string path)
    {
        SqliteNative.Use();
        var full = Path.GetFullPath(path);
        _lock = OpenPrivate(full + ".lock", FileShare.None, $"{full} can't be opened", $"{full} is in use by another server");
        _connectionString = new SqliteConnectionStringBuilder { DataSource = full, Mode = SqliteOpenMode.ReadWriteCreate, Pooling = false }.ToString();
        try
        {
            OpenPrivate(full, FileShare.ReadWrite, $"{full} can't be opened").Dispose();
            _writer = new SqliteWriter(new SqliteSession(_connectionString, WriterPragmas));
        }
        catch (SqliteException exception)
        {
            _lock.Dispose();
            throw new StorageException($"{full} is no SQLite database that can be used: {exception.Message}", exception);
        }
        catch (StorageException)
        {
            _lock.Dispose();
            throw;
        }
    }

    public override SqlFragment SkipLocked => new("");

    public override SqlFragment ForUpdate => new("");

    public override SqlFragment ForNoKeyUpdate => new("");

    public override SqlFragment ForKeyShare => new("");

    public override bool HasLateral => false;

    public override bool IsOneServers => true;

    public override string Dialect => "sqlite";

    public override Notifications Notifications { get; } = new();

    public override Task<int> ExecuteAsync(Sql sql, CancellationToken cancellationToken = default) =>
        _writer.RunAsync(new ExecuteJob(sql.Build(), cancellationToken), cancellationToken);

    public override Task<List<T>> QueryAsync<T>(Sql sql, Func<DbDataReader, T> read, CancellationToken cancellationToken = default)
    {
        var text = sql.Build();
        return text.IsWrite
            ? _writer.RunAsync(new QueryJob<T>(text, read, cancellationToken), cancellationToken)
            : ReadAsync(text, read, cancellationToken);
    }

    public override Task<T> TransactionAsync<T>(Func<Transaction, Task<T>> work, CancellationToken cancellationToken = default) =>
        _writer.RunAsync(new TransactionJob<T>(work, cancellationToken), cancellationToken);

    public override Task MigrateAsync(TimeProvider time, CancellationToken cancellationToken = default) =>
        TransactionAsync(transaction => Migrations.RunAsync(transaction, Dialect, time), cancellationToken);

    public override async ValueTask DisposeAsync()
    {
        await _writer.DisposeAsync();
        while (_readers.TryTake(out var reader))
        {
            reader.Dispose();
        }

        await _lock.DisposeAsync();
    }

    /// <summary>A read takes microseconds and never waits for the writer, so it is done on the caller's thread.</summary>
    private Task<List<T>> ReadAsync<T>(SqlText sql, Func<DbDataReader, T> read, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return Task.FromCanceled<List<T>>(cancellationToken);
        }

        try
        {
            var session = _readers.TryTake(out var idle) ? idle : new SqliteSession(_connectionString, ReaderPragmas);
            try
            {
                return Task.FromResult(session.Query(sql, read));
            }
            finally
            {
                if (_readers.Count < MaxIdleReaders)
                {
                    _readers.Add(session);
                }
                else
                {
                    session.Dispose();
                }
            }
        }
        catch (Exception exception)
        {
            return Task.FromException<List<T>>(exception);
        }
    }

    /// <param name="held">What it means that another process holds it.</param>
    private static FileStream OpenPrivate(string path, FileShare share, string what, string? held = null)
    {
        try
        {
            return new FileStream(path, new FileStreamOptions
            {
                Mode = FileMode.OpenOrCreate,
                Access = FileAccess.ReadWrite,
                Share = share,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            });
        }
        catch (IOException exception) when (held is not null && exception.GetType() == typeof(IOException))
        {
            throw new StorageException(held, exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new StorageException($"{what}: {exception.Message}", exception);
        }
    }

    private sealed class ExecuteJob(SqlText sql, CancellationToken cancellationToken) : WriteJob<int>(cancellationToken)
    {
        public override bool NeedsSavepoint => false;

        protected override int Work(SqliteSession session) => session.Execute(sql);
    }

    private sealed class QueryJob<T>(SqlText sql, Func<DbDataReader, T> read, CancellationToken cancellationToken)
        : WriteJob<List<T>>(cancellationToken)
    {
        // The statement may have succeeded when the reading function throws.
        public override bool NeedsSavepoint => true;

        protected override List<T> Work(SqliteSession session) => session.Query(sql, read);
    }

    private sealed class TransactionJob<T>(Func<Transaction, Task<T>> work, CancellationToken cancellationToken) : WriteJob<T>(cancellationToken)
    {
        private SqliteTransaction? _transaction;

        public override bool NeedsSavepoint => true;

        protected override T Work(SqliteSession session)
        {
            _transaction = new SqliteTransaction(session);
            try
            {
                return work(_transaction).GetAwaiter().GetResult();
            }
            finally
            {
                _transaction.End();
            }
        }

        protected override void Committed() => _transaction?.RunCommitted();

        public override void Undone(bool isCertain) => _transaction?.RunUndone(isCertain);
    }
}
