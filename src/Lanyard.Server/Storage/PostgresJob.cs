using System.Data.Common;
using Npgsql;

namespace Lanyard.Server.Storage;

/// <summary>One unit of work for <see cref="PostgresWriter"/>: all of it or nothing.</summary>
/// <param name="first">Statements that go out before anything else of the job, together with those of other jobs.</param>
internal abstract class PostgresJob(IReadOnlyList<Sql> first, CancellationToken cancellationToken)
{
    public IReadOnlyList<Sql> First => first;

    /// <summary>The first statement answers with rows.</summary>
    public virtual bool IsQuery => false;

    /// <summary>More may follow from the counts of <see cref="First"/>.</summary>
    public virtual bool GoesOn => false;

    /// <summary>A job that nobody waits for any more is not begun.</summary>
    public bool IsCanceled => cancellationToken.IsCancellationRequested;

    protected CancellationToken CancellationToken => cancellationToken;

    /// <summary>May be called again after the job was undone.</summary>
    public virtual Task ReadAsync(DbDataReader rows) => Task.CompletedTask;

    /// <param name="counts">How many rows each of <see cref="First"/> has changed.</param>
    public abstract Task GoOnAsync(NpgsqlConnection connection, IReadOnlyList<int> counts, List<Sql> later);

    /// <summary>It is on disk.</summary>
    public abstract void Committed();

    /// <summary>It did not take effect, or not yet: see <see cref="Transaction.OnUndone"/>.</summary>
    public virtual void Undone(bool isCertain)
    {
    }

    public abstract void Fail(Exception failure);
}

internal abstract class PostgresJob<T>(IReadOnlyList<Sql> first, CancellationToken cancellationToken) : PostgresJob(first, cancellationToken)
{
    private readonly TaskCompletionSource<T> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<T> Completion => _completion.Task;

    protected T? Result { get; set; }

    public override void Committed()
    {
        try
        {
            HasCommitted();
            _completion.TrySetResult(Result!);
        }
        catch (Exception bug)
        {
            // It is the caller's bug, and must not end the writer of everybody.
            _completion.TrySetException(bug);
        }
    }

    public override void Fail(Exception failure)
    {
        if (failure is OperationCanceledException)
        {
            _completion.TrySetCanceled(CancellationToken);
        }
        else
        {
            _completion.TrySetException(failure);
        }
    }

    protected virtual void HasCommitted()
    {
    }
}

/// <summary>A lone statement.</summary>
internal sealed class PostgresExecuteJob(Sql sql, CancellationToken cancellationToken) : PostgresJob<int>([sql], cancellationToken)
{
    public override Task GoOnAsync(NpgsqlConnection connection, IReadOnlyList<int> counts, List<Sql> later)
    {
        Result = counts[0];
        return Task.CompletedTask;
    }
}

/// <summary>A lone statement that answers with rows.</summary>
internal sealed class PostgresQueryJob<T>(Sql sql, Func<DbDataReader, T> read, CancellationToken cancellationToken) : PostgresJob<List<T>>([sql], cancellationToken)
{
    private Exception? _bug;

    public override bool IsQuery => true;

    /// <summary>The reading function's failure comes too late to undo anything, and is no other job's.</summary>
    public override async Task ReadAsync(DbDataReader rows)
    {
        (Result, _bug) = ([], null);
        while (await rows.ReadAsync(CancellationToken.None))
        {
            try
            {
                Result.Add(read(rows));
            }
            catch (Exception exception) when (exception is not NpgsqlException)
            {
                _bug = exception;
            }
        }
    }

    public override Task GoOnAsync(NpgsqlConnection connection, IReadOnlyList<int> counts, List<Sql> later) => Task.CompletedTask;

    protected override void HasCommitted()
    {
        if (_bug is not null)
        {
            throw _bug;
        }
    }
}

/// <summary>Statements, and what follows from them.</summary>
internal sealed class PostgresSerialJob<T>(IReadOnlyList<Sql> first, Func<Transaction, IReadOnlyList<int>, Task<T>> then, CancellationToken cancellationToken)
    : PostgresJob<T>(first, cancellationToken)
{
    private PostgresTransaction? _transaction;

    public override bool GoesOn => true;

    public override async Task GoOnAsync(NpgsqlConnection connection, IReadOnlyList<int> counts, List<Sql> later)
    {
        _transaction = new PostgresTransaction(connection, later);
        try
        {
            Result = await then(_transaction, counts);
        }
        finally
        {
            _transaction.End();
        }
    }

    public override void Undone(bool isCertain) => _transaction?.RunUndone(isCertain);

    protected override void HasCommitted() => _transaction?.RunCommitted();
}
