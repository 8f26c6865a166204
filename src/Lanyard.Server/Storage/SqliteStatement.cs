using System.Buffers;
using System.Data.Common;
using System.Text;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Lanyard.Server.Storage;

/// <summary>
/// A prepared statement, bound by position and stepped without the command and reader objects of ADO.NET, which cost more than most of our statements do.
/// </summary>
internal sealed class SqliteStatement : IDisposable
{
    private readonly sqlite3 _database;
    private readonly sqlite3_stmt _statement;
    private readonly SqliteRow _row;

    private SqliteStatement(sqlite3 database, sqlite3_stmt statement) => (_database, _statement, _row) = (database, statement, new SqliteRow(statement));

    /// <returns>Null where the text has more than one statement, or none.</returns>
    /// <exception cref="SqliteException">The statement is wrong.</exception>
    public static SqliteStatement? TryPrepare(sqlite3 database, string text)
    {
        var result = raw.sqlite3_prepare_v2(database, text, out var statement, out var tail);
        if (result != raw.SQLITE_OK)
        {
            throw Failure(database, result);
        }

        if (statement is { IsInvalid: false } && string.IsNullOrWhiteSpace(tail))
        {
            return new SqliteStatement(database, statement);
        }

        statement?.Dispose();
        return null;
    }

    /// <returns>The number of rows changed.</returns>
    /// <exception cref="SqliteException">With its extended code.</exception>
    public int Execute(List<SqlValue> values)
    {
        try
        {
            Bind(values);
            while (Step())
            {
            }

            return raw.sqlite3_changes(_database);
        }
        finally
        {
            Reset();
        }
    }

    /// <param name="read">Gets the row where it stands now; it must not keep it.</param>
    /// <exception cref="SqliteException">With its extended code.</exception>
    public List<T> Query<T>(List<SqlValue> values, Func<DbDataReader, T> read)
    {
        try
        {
            Bind(values);
            var rows = new List<T>();
            while (Step())
            {
                rows.Add(read(_row));
            }

            return rows;
        }
        finally
        {
            Reset();
        }
    }

    public void Dispose() => _statement.Dispose();

    /// <summary>Parameters are $1, $2 … in the order of their first mention, and so are SQLite's positions.</summary>
    private void Bind(List<SqlValue> values)
    {
        for (var i = 0; i < values.Count; i++)
        {
            Bind(i + 1, values[i].Value);
        }
    }

    /// <returns>Whether there is a row.</returns>
    private bool Step() => raw.sqlite3_step(_statement) switch
    {
        raw.SQLITE_ROW => true,
        raw.SQLITE_DONE => false,
        var failed => throw Failure(_database, failed),
    };

    /// <summary>It repeats the error of the step; bound values are not kept, because they may be secrets.</summary>
    private void Reset()
    {
        _ = raw.sqlite3_reset(_statement);
        _ = raw.sqlite3_clear_bindings(_statement);
    }

    private void Bind(int position, object? value)
    {
        var result = value switch
        {
            null => raw.sqlite3_bind_null(_statement, position),
            string text => BindText(position, text),
            long number => raw.sqlite3_bind_int64(_statement, position, number),
            bool flag => raw.sqlite3_bind_int64(_statement, position, flag ? 1 : 0),
            byte[] { Length: 0 } => raw.sqlite3_bind_zeroblob(_statement, position, 0),
            byte[] bytes => raw.sqlite3_bind_blob(_statement, position, bytes),
            _ => throw new ArgumentOutOfRangeException(nameof(value), value, null),
        };
        if (result != raw.SQLITE_OK)
        {
            throw Failure(_database, result);
        }
    }

    private int BindText(int position, string text)
    {
        // An empty span has no address, and would be null.
        if (text.Length == 0)
        {
            return raw.sqlite3_bind_text(_statement, position, "");
        }

        const int onStack = 1024;
        var most = Encoding.UTF8.GetMaxByteCount(text.Length);
        if (most <= onStack)
        {
            Span<byte> buffer = stackalloc byte[onStack];
            return raw.sqlite3_bind_text(_statement, position, buffer[..Encoding.UTF8.GetBytes(text, buffer)]);
        }

        var rented = ArrayPool<byte>.Shared.Rent(most);
        var bytes = rented.AsSpan(0, Encoding.UTF8.GetBytes(text, rented));
        try
        {
            return raw.sqlite3_bind_text(_statement, position, bytes);
        }
        finally
        {
            // It may be a secret, and SQLite has a copy of its own.
            bytes.Clear();
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    private static SqliteException Failure(sqlite3 database, int result) =>
        new($"SQLite Error {result}: '{raw.sqlite3_errmsg(database).utf8_to_string()}'.", result, raw.sqlite3_extended_errcode(database));
}
