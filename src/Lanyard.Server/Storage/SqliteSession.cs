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
    private readonly Dictionary<string, SqliteStatement?> _statements = new(StringComparer.Ordinal);

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
            if (Find(sql.Text) is { } statement)
            {
                return statement.Execute(sql.Values);
            }

            Run(sql.Text);
            return 0;
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
            return Find(sql.Text)?.Query(sql.Values, read) ?? throw new InvalidOperationException("a query is one statement");
        }
        catch (SqliteException violation) when (ViolationOf(violation) is { } found)
        {
            throw found;
        }
    }

    public void Dispose()
    {
        Forget();
        _connection.Dispose();
    }

    /// <returns>Null for texts of several statements, which have no parameters: they are run once in a process's life.</returns>
    private SqliteStatement? Find(string text)
    {
        if (_statements.TryGetValue(text, out var statement))
        {
            return statement;
        }

        if (_statements.Count >= MaxStatements)
        {
            Forget();
        }

        return _statements[text] = SqliteStatement.TryPrepare(_connection.Handle!, text);
    }

    private void Forget()
    {
        foreach (var statement in _statements.Values)
        {
            statement?.Dispose();
        }

        _statements.Clear();
    }

    private static ConstraintViolationException? ViolationOf(SqliteException exception) => exception.SqliteExtendedErrorCode switch
    {
        ConstraintForeignKey => new ConstraintViolationException(ConstraintKind.Reference, exception.Message, exception),
        ConstraintPrimaryKey or ConstraintUnique or ConstraintRowId =>
            new ConstraintViolationException(ConstraintKind.Unique, exception.Message, exception),
        _ => null,
    };
}
