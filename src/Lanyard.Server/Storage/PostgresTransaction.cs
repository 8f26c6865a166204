using System.Data.Common;
using Npgsql;

namespace Lanyard.Server.Storage;

/// <param name="connection">Null: only what is left for the end can be done.</param>
/// <param name="later">Where statements wait for the end; null: they don't. Who has it shares the transaction with others, whom nobody's change of mind may cost it.</param>
internal sealed class PostgresTransaction(NpgsqlConnection? connection, List<Sql>? later = null) : Transaction
{
    private bool _over;

    public override Task<int> ExecuteAsync(Sql sql, CancellationToken cancellationToken = default) =>
        PostgresDatabase.ExecuteAsync(Open(), sql, later is null ? cancellationToken : CancellationToken.None);

    public override Task<List<T>> QueryAsync<T>(Sql sql, Func<DbDataReader, T> read, CancellationToken cancellationToken = default) =>
        PostgresDatabase.QueryAsync(Open(), sql, read, later is null ? cancellationToken : CancellationToken.None);

    public override Task ExecuteLaterAsync(Sql sql)
    {
        ThrowIfOver();
        if (later is null)
        {
            return ExecuteAsync(sql);
        }

        later.Add(sql);
        return Task.CompletedTask;
    }

    /// <summary>From here on the object is of no use to whoever kept it.</summary>
    public void End() => _over = true;

    private NpgsqlConnection Open()
    {
        ThrowIfOver();
        return connection ?? throw new InvalidOperationException("nothing has been sent yet");
    }

    private void ThrowIfOver()
    {
        if (_over)
        {
            throw new InvalidOperationException("the transaction is over, or a constraint ended it");
        }
    }
}
