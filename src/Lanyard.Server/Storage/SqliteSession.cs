using System.Data.Common;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Lanyard.Server.Storage;

/// <summary>One SQLite connection with its prepared statements. Used by one thread at a time.</summary>
internal sealed class SqliteSession : IDisposable
{
    private const int MaxStatements = 512;
    private const int ConstraintForeignKey = 787;
    private const int ConstraintPrimaryKey = 1555;
    private const int ConstraintUnique = 2067;
    private const int ConstraintRowId = 2579;

    private readonly SqliteConnection _connection;
    private readonly Dictionary<string, SqliteCommand> _statements = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SqliteWrite?> _writes = new(StringComparer.Ordinal);

    public SqliteSession(string connectionString, string pragmas)
    {
        _connection = new SqliteConnection(connectionString);
        _connection.Open();
        Run(pragmas);
    }

    /// <summary>SQLite undoes a whole transaction by itself on some failures; then no more of it can be saved.</summary>
    public bool InTransaction => raw.sqlite3_get_autocommit(_connection.Handle) == 0;

    /// <summary>Runs text of this folder's own: pragmas, transaction control, migrations.</summary>
    public void Run(string text)
    {
        using var command = _connection.CreateCommand();
        command.CommandText = text;
        command.ExecuteNonQuery();
    }

    /// <summary>As <see cref="Run"/>, with the statement kept ready.</summary>
    public void RunPrepared(string text) => Execute(new SqlText(text, []));

    public int Execute(SqlText sql)
    {
        try
        {
            return FindWrite(sql.Text) is { } write ? write.Execute(sql.Values) : Prepare(sql).ExecuteNonQuery();
        }
        catch (SqliteException violation) when (ViolationOf(violation) is { } found)
        {
            throw found;
        }
    }

    public List<T> Query<T>(SqlText sql, Func<DbDataReader, T> read)
    {
        try
        {
            using var reader = Prepare(sql).ExecuteReader();
            var rows = new List<T>();
            while (reader.Read())
            {
                rows.Add(read(reader));
            }

            return rows;
        }
        catch (SqliteException violation) when (ViolationOf(violation) is { } found)
        {
            throw found;
        }
    }

    public void Dispose()
    {
        foreach (var statement in _statements.Values)
        {
            statement.Dispose();
        }

        foreach (var write in _writes.Values)
        {
            write?.Dispose();
        }

        _connection.Dispose();
    }

    /// <returns>Null for texts of several statements: they are run once in a process's life.</returns>
    private SqliteWrite? FindWrite(string text)
    {
        if (_writes.TryGetValue(text, out var write))
        {
            return write;
        }

        if (_writes.Count >= MaxStatements)
        {
            foreach (var old in _writes.Values)
            {
                old?.Dispose();
            }

            _writes.Clear();
        }

        return _writes[text] = SqliteWrite.TryPrepare(_connection.Handle!, text);
    }

    private SqliteCommand Prepare(SqlText sql)
    {
        if (!_statements.TryGetValue(sql.Text, out var command))
        {
            command = Create(sql);
        }

        for (var i = 0; i < sql.Values.Count; i++)
        {
            command.Parameters[i].Value = sql.Values[i].Value ?? DBNull.Value;
        }

        return command;
    }

    private SqliteCommand Create(SqlText sql)
    {
        if (_statements.Count >= MaxStatements)
        {
            foreach (var statement in _statements.Values)
            {
                statement.Dispose();
            }

            _statements.Clear();
        }

        var command = _connection.CreateCommand();
        command.CommandText = sql.Text;
        for (var i = 0; i < sql.Values.Count; i++)
        {
            command.Parameters.Add(new SqliteParameter($"${i + 1}", TypeOf(sql.Values[i].Type)));
        }

        _statements.Add(sql.Text, command);
        return command;
    }

    private static SqliteType TypeOf(SqlType type) => type switch
    {
        SqlType.Text => SqliteType.Text,
        SqlType.Bytes => SqliteType.Blob,
        _ => SqliteType.Integer,
    };

    private static ConstraintViolationException? ViolationOf(SqliteException exception) => exception.SqliteExtendedErrorCode switch
    {
        ConstraintForeignKey => new ConstraintViolationException(ConstraintKind.Reference, exception.Message, exception),
        ConstraintPrimaryKey or ConstraintUnique or ConstraintRowId =>
            new ConstraintViolationException(ConstraintKind.Unique, exception.Message, exception),
        _ => null,
    };
}
