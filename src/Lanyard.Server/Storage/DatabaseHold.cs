using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Npgsql;

namespace Lanyard.Server.Storage;

/// <summary>
/// A name that one process at a time has, of all that work with a database; until it is disposed, or its process has gone. Whoever takes it in a process that shares its database with none
/// (SQLite) has it at once: order within a process is the caller's.
/// </summary>
internal sealed class DatabaseHold(NpgsqlConnection? connection) : IAsyncDisposable
{
    /// <exception cref="NpgsqlException">It is lost, and may be another's by now.</exception>
    public async Task CheckAsync(CancellationToken cancellationToken)
    {
        if (connection is null) return;
        await using var command = new NpgsqlCommand("select 1", connection);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    public ValueTask DisposeAsync() => connection?.DisposeAsync() ?? ValueTask.CompletedTask;
}

/// <summary>
/// PostgreSQL's advisory locks, each on a connection of its own that is closed with it: a lock is a session's, and one that went back to a pool with it would be had by whoever
/// comes next. A killed process leaves none.
/// </summary>
internal sealed class PostgresHolds(NpgsqlConnectionStringBuilder location) : IAsyncDisposable
{
    /// <summary>
    /// Whoever waits may wait for as long as the other works. A connection that died without a word is noticed: while one waits by the system's keep-alive, and afterwards by Npgsql's.
    /// </summary>
    private readonly NpgsqlDataSource _source = NpgsqlDataSource.Create(Of(location));

    /// <param name="isWaiting">Until the name is free.</param>
    /// <returns>Null where another has it and nobody waits.</returns>
    public async Task<DatabaseHold?> TakeAsync(string name, bool isWaiting, CancellationToken cancellationToken)
    {
        var connection = await _source.OpenConnectionAsync(cancellationToken);
        var isTaken = false;
        try
        {
            await using var command = new NpgsqlCommand(isWaiting ? "select pg_advisory_lock($1)" : "select pg_try_advisory_lock($1)", connection);
            command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = KeyOf(name) });
            isTaken = await command.ExecuteScalarAsync(cancellationToken) is true || isWaiting;
            return isTaken ? new DatabaseHold(connection) : null;
        }
        finally
        {
            if (!isTaken) await connection.DisposeAsync();
        }
    }

    public ValueTask DisposeAsync() => _source.DisposeAsync();

    private static NpgsqlConnectionStringBuilder Of(NpgsqlConnectionStringBuilder location)
    {
        var own = new NpgsqlConnectionStringBuilder(location.ConnectionString) { Pooling = false, CommandTimeout = 0, KeepAlive = 10, ApplicationName = "lanyard hold" };

        // A socket's folder knows no keep-alive, and needs none.
        if (own.Host?.StartsWith('/') != true) (own.TcpKeepAlive, own.TcpKeepAliveTime, own.TcpKeepAliveInterval) = (true, 10, 5);
        return own;
    }

    /// <summary>The number by which PostgreSQL knows a name.</summary>
    public static long KeyOf(string name) => BinaryPrimitives.ReadInt64LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes(name)));
}
