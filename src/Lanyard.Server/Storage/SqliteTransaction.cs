using System.Data.Common;

namespace Lanyard.Server.Storage;

/// <summary>A savepoint on the writer's connection; its statements are done when their task is returned.</summary>
internal sealed class SqliteTransaction(SqliteSession session) : Transaction
{
    private bool _over;

    public override Task<int> ExecuteAsync(Sql sql, CancellationToken cancellationToken = default) =>
        Run(() => session.Execute(sql.Build()));

    public override Task<List<T>> QueryAsync<T>(Sql sql, Func<DbDataReader, T> read, CancellationToken cancellationToken = default) =>
        Run(() => session.Query(sql.Build(), read));

    /// <summary>From here on the object is of no use to whoever kept it.</summary>
    public void End() => _over = true;

    private Task<T> Run<T>(Func<T> statement)
    {
        if (_over)
        {
            return Task.FromException<T>(new InvalidOperationException("the transaction is over, or a constraint ended it"));
        }

        try
        {
            return Task.FromResult(statement());
        }
        catch (Exception exception)
        {
            // As on PostgreSQL, where a failed statement leaves nothing to do but roll back.
            _over = true;
            return Task.FromException<T>(exception);
        }
    }
}
