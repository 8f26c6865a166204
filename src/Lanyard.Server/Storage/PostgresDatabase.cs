using System.Data.Common;
using Microsoft.Extensions.Logging;
using Npgsql;
using NpgsqlTypes;

namespace Lanyard.Server.Storage;

/// <summary>PostgreSQL 15 or newer. Statements are prepared by themselves when used again; replicas talk by NOTIFY.</summary>
internal sealed class PostgresDatabase : Database
{
    private const int MaxTries = 4;
    private const long MigrationLock = 0x6c616e79617264; // "lanyard"

    private readonly NpgsqlDataSource _source;
    private readonly PostgresRelay _relay;

    /// <summary>Lone statements; those of the second take effect in an order; those of the third are not waited for until they are on disk.</summary>
    private readonly PostgresWriter _together;
    private readonly PostgresWriter _serial;
    private readonly PostgresWriter _unsynced;
    private readonly PostgresLargeWrites? _large;
    private readonly PostgresHolds _holds;

    public PostgresDatabase(NpgsqlConnectionStringBuilder location, TimeProvider time, ILoggerFactory loggers)
    {
        _source = NpgsqlDataSource.Create(location);
        (_together, _serial) = (new PostgresWriter(new PostgresBatches(_source)), new PostgresWriter(new PostgresBatches(_source)));
        _unsynced = new PostgresWriter(new PostgresBatches(_source, isSynced: false));
        _large = PostgresLargeWrites.On(_source, _serial, location.MaxPoolSize);
        _holds = new PostgresHolds(location);
        Notifications = new Notifications();
        _relay = new PostgresRelay(_source, Notifications, time, loggers.CreateLogger<PostgresRelay>());
    }

    public override SqlFragment SkipLocked => new("for update skip locked");

    public override SqlFragment ForUpdate => new("for update");

    public override SqlFragment ForNoKeyUpdate => new("for no key update");

    public override SqlFragment ForKeyShare => new("for key share");

    public override bool HasLateral => true;

    public override bool IsOneServers => false;

    public override string Dialect => "postgres";

    public override Notifications Notifications { get; }

    public override async Task<int> ExecuteAsync(Sql sql, CancellationToken cancellationToken = default)
    {
        await using var connection = await _source.OpenConnectionAsync(cancellationToken);
        return await ExecuteAsync(connection, sql, cancellationToken);
    }

    public override async Task<List<T>> QueryAsync<T>(Sql sql, Func<DbDataReader, T> read, CancellationToken cancellationToken = default)
    {
        await using var connection = await _source.OpenConnectionAsync(cancellationToken);
        return await QueryAsync(connection, sql, read, cancellationToken);
    }

    public override Task<int> ExecuteTogetherAsync(Sql sql, string row, CancellationToken cancellationToken = default) =>
        _together.RunAsync(new PostgresExecuteJob(sql, row, null, cancellationToken), cancellationToken);

    public override Task<int> ExecuteCountingAsync(Sql sql, string row, string kind, CancellationToken cancellationToken = default) =>
        _together.RunAsync(new PostgresExecuteJob(sql, row, kind, cancellationToken), cancellationToken);

    public override Task<List<T>> QueryTogetherAsync<T>(Sql sql, Func<DbDataReader, T> read, CancellationToken cancellationToken = default) =>
        _together.RunAsync(new PostgresQueryJob<T>(sql, read, cancellationToken), cancellationToken);

    public override Task<List<T>> QueryUnsyncedAsync<T>(Sql sql, Func<DbDataReader, T> read, CancellationToken cancellationToken = default) =>
        _unsynced.RunAsync(new PostgresQueryJob<T>(sql, read, cancellationToken), cancellationToken);

    public override Task<T> SerialAsync<T>(
        IReadOnlyList<Sql> first, string? row, Func<Transaction, IReadOnlyList<int>, Task<T>> then, CancellationToken cancellationToken = default) =>
        _serial.RunAsync(new PostgresSerialJob<T>(first, row, then, cancellationToken), cancellationToken);

    public override Task<T> SerialAsync<TRow, T>(
        Sql first, string row, Func<DbDataReader, TRow> read, Func<Transaction, List<TRow>, Task<T>> then, CancellationToken cancellationToken = default) =>
        _serial.RunAsync(new PostgresSerialQueryJob<TRow, T>(first, row, read, then, cancellationToken), cancellationToken);

    public override Task<T> SerialLastAsync<T>(Func<Transaction, Task<T>> work, Func<Transaction, T, Task> last, CancellationToken cancellationToken = default) =>
        _large is { } large ? RetriedAsync(() => large.RunAsync(work, last, cancellationToken)) : SerialAsync(
            [],
            null,
            async (transaction, _) =>
            {
                var result = await work(transaction);
                await last(transaction, result);
                return result;
            },
            cancellationToken);

    public override Task<DatabaseHold?> HoldAsync(string name, bool isWaiting, CancellationToken cancellationToken) => _holds.TakeAsync(name, isWaiting, cancellationToken);

    public override Task<T> TransactionAsync<T>(Func<Transaction, Task<T>> work, CancellationToken cancellationToken = default) =>
        RetriedAsync(() => TryTransactionAsync(work, cancellationToken));

    private static async Task<T> RetriedAsync<T>(Func<Task<T>> transaction)
    {
        for (var tried = 1; ; tried++)
        {
            try
            {
                return await transaction();
            }
            catch (PostgresException exception) when (tried < MaxTries
                && exception.SqlState is PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure)
            {
                // Nothing of it took effect: again, from the start.
            }
        }
    }

    public override Task MigrateAsync(TimeProvider time, CancellationToken cancellationToken = default) =>
        TransactionAsync(
            async transaction =>
            {
                await transaction.QueryAsync($"select pg_advisory_xact_lock({MigrationLock})", static _ => 0, cancellationToken);
                await Migrations.RunAsync(transaction, Dialect, time);
            },
            cancellationToken);

    public override async ValueTask DisposeAsync()
    {
        await _relay.DisposeAsync();
        await _together.DisposeAsync();
        await _serial.DisposeAsync();
        await _unsynced.DisposeAsync();
        _large?.Dispose();
        await _holds.DisposeAsync();
        await _source.DisposeAsync();
    }

    internal static async Task<int> ExecuteAsync(NpgsqlConnection connection, Sql sql, CancellationToken cancellationToken)
    {
        await using var command = CommandOf(connection, sql);
        try
        {
            return await command.ExecuteNonQueryAsync(cancellationToken);
        }
        catch (PostgresException exception) when (ViolationOf(exception) is { } violation)
        {
            throw violation;
        }
    }

    internal static async Task<List<T>> QueryAsync<T>(
        NpgsqlConnection connection, Sql sql, Func<DbDataReader, T> read, CancellationToken cancellationToken)
    {
        await using var command = CommandOf(connection, sql);
        try
        {
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            var rows = new List<T>();
            while (await reader.ReadAsync(cancellationToken))
            {
                rows.Add(read(reader));
            }

            return rows;
        }
        catch (PostgresException exception) when (ViolationOf(exception) is { } violation)
        {
            throw violation;
        }
    }

    private async Task<T> TryTransactionAsync<T>(Func<Transaction, Task<T>> work, CancellationToken cancellationToken)
    {
        await using var connection = await _source.OpenConnectionAsync(cancellationToken);
        await using var inner = await connection.BeginTransactionAsync(cancellationToken);
        var transaction = new PostgresTransaction(connection);
        T result;
        var isCertain = true;
        try
        {
            result = await work(transaction);
            transaction.End();
            isCertain = false;
            await inner.CommitAsync(cancellationToken);
        }
        catch
        {
            transaction.End();
            transaction.RunUndone(isCertain);
            throw;
        }

        transaction.RunCommitted();
        return result;
    }

    internal static NpgsqlBatchCommand BatchCommandOf(Sql sql)
    {
        var command = new NpgsqlBatchCommand();
        command.CommandText = Fill(command.Parameters, sql);
        return command;
    }

    /// <summary>It fails (as a division by zero) where it does not change one row. An insert does so by itself.</summary>
    internal static NpgsqlBatchCommand CheckedCommandOf(Sql sql)
    {
        var command = BatchCommandOf(sql);
        if (!command.CommandText.StartsWith("insert", StringComparison.Ordinal))
        {
            command.CommandText = $"with changed as ({command.CommandText} returning 1) select 1 / count(*) from changed";
        }

        return command;
    }

    internal static ConstraintViolationException? ViolationOf(PostgresException exception) => exception.SqlState switch
    {
        PostgresErrorCodes.UniqueViolation => new(ConstraintKind.Unique, exception.ConstraintName ?? "", exception),
        PostgresErrorCodes.ForeignKeyViolation or PostgresErrorCodes.RestrictViolation =>
            new(ConstraintKind.Reference, exception.ConstraintName ?? "", exception),
        _ => null,
    };

    private static NpgsqlCommand CommandOf(NpgsqlConnection connection, Sql sql)
    {
        var command = new NpgsqlCommand { Connection = connection };
        command.CommandText = Fill(command.Parameters, sql);
        return command;
    }

    /// <returns>The text that the parameters belong to.</returns>
    private static string Fill(NpgsqlParameterCollection parameters, Sql sql)
    {
        var (text, values) = sql.Build();
        values.ForEach(value => parameters.Add(ParameterOf(value)));
        return text;
    }

    private static NpgsqlParameter ParameterOf(SqlValue value) => new() { Value = value.Value ?? DBNull.Value, NpgsqlDbType = TypeOf(value.Type) };

    private static NpgsqlDbType TypeOf(SqlType type) => type switch
    {
        SqlType.Text => NpgsqlDbType.Text,
        SqlType.Bigint => NpgsqlDbType.Bigint,
        SqlType.Boolean => NpgsqlDbType.Boolean,
        SqlType.Bytes => NpgsqlDbType.Bytea,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, null),
    };
}
