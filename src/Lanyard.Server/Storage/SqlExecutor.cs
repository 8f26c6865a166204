using System.Data.Common;

namespace Lanyard.Server.Storage;

/// <summary>What runs statements: the <see cref="Database"/> itself (each statement for itself) or a <see cref="Transaction"/>.</summary>
internal abstract class SqlExecutor
{
    /// <summary>Runs a statement. Acknowledged means on disk, unless it is part of a transaction.</summary>
    /// <returns>The number of rows changed.</returns>
    /// <exception cref="ConstraintViolationException">A unique key or a reference forbids it.</exception>
    public abstract Task<int> ExecuteAsync(Sql sql, CancellationToken cancellationToken = default);

    /// <summary>Runs a query, or an <c>insert | update | delete … returning</c>.</summary>
    /// <exception cref="ConstraintViolationException">A unique key or a reference forbids it.</exception>
    public abstract Task<List<T>> QueryAsync<T>(Sql sql, Func<DbDataReader, T> read, CancellationToken cancellationToken = default);

    /// <summary>The first row, or null when there is none.</summary>
    public async Task<T?> QuerySingleOrNullAsync<T>(Sql sql, Func<DbDataReader, T> read, CancellationToken cancellationToken = default)
        where T : class
    {
        var rows = await QueryAsync(sql, read, cancellationToken);
        return rows.Count == 0 ? null : rows[0];
    }

    /// <summary>The first column of the first row as a number, or null when there is no row or it is null. For counts and sums.</summary>
    public async Task<long?> ScalarAsync(Sql sql, CancellationToken cancellationToken = default)
    {
        var rows = await QueryAsync(sql, static row => row.GetInt64OrNull(0), cancellationToken);
        return rows.Count == 0 ? null : rows[0];
    }
}

/// <summary>
/// Statements that take effect together or not at all. The function that works with one may be run again after a deadlock or a
/// neighbour's failure, so it changes nothing outside the database; what must follow a commit goes to <see cref="OnCommitted"/>. It awaits nothing but the
/// transaction's own statements: on SQLite every other writer waits for it. After a violated constraint only the end is left.
/// </summary>
internal abstract class Transaction : SqlExecutor
{
    private List<Action>? _committed;
    private List<Action<bool>>? _undone;

    /// <summary>A statement whose count nobody asks for: it may wait until the end, and then fails the commit. Nothing may read what it writes.</summary>
    public virtual Task ExecuteLaterAsync(Sql sql) => ExecuteAsync(sql);

    /// <summary>Runs right after the commit, before the caller goes on. Must be quick and must not throw.</summary>
    public void OnCommitted(Action action) => (_committed ??= []).Add(action);

    /// <summary>
    /// Runs when it did not take effect; in a <see cref="Database.SerialAsync{T}"/> before the next one. It is
    /// told whether that is certain: when the commit itself fails, it is not known what is on disk. Must be quick and must not throw.
    /// </summary>
    public void OnUndone(Action<bool> action) => (_undone ??= []).Add(action);

    /// <summary>The last first: each puts back what it found.</summary>
    internal void RunUndone(bool isCertain)
    {
        for (var i = (_undone?.Count ?? 0) - 1; i >= 0; i--)
        {
            _undone![i](isCertain);
        }

        _undone = null;
    }

    internal void RunCommitted()
    {
        foreach (var action in _committed ?? [])
        {
            action();
        }
    }
}

internal enum ConstraintKind
{
    /// <summary>A unique or primary key is taken.</summary>
    Unique,

    /// <summary>A row that is referred to is missing, or one that is still referred to would go.</summary>
    Reference,
}

/// <summary>A constraint forbids a statement; stores turn it into an answer. Inside a transaction it ends the transaction.</summary>
internal sealed class ConstraintViolationException(ConstraintKind kind, string constraint, Exception inner)
    : Exception($"{kind} constraint violated: {constraint}", inner)
{
    public ConstraintKind Kind { get; } = kind;

    /// <summary>Its name as the database gives it: differs between dialects, for logs only.</summary>
    public string Constraint { get; } = constraint;
}
