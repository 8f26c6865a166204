using System.Data.Common;
using Npgsql;

namespace Lanyard.Server.Storage;

/// <summary>One unit of work for <see cref="PostgresWriter"/>: all of it or nothing.</summary>
/// <param name="first">Statements that go out before anything else of the job, together with those of other jobs.</param>
/// <param name="row">What they lock, by a name that all use who lock it; null: they wait for no row.</param>
internal abstract class PostgresJob(IReadOnlyList<Sql> first, string? row, CancellationToken cancellationToken)
{
    public IReadOnlyList<Sql> First => first;

    public string? Row => row;

    /// <summary>Batches in which the same name stands, of whatever process, are committed one after the other; null: it minds none.</summary>
    public virtual string? Kind => null;

    /// <summary>The first statement answers with rows.</summary>
    public virtual bool IsQuery => false;

    /// <summary>More may follow from the counts of <see cref="First"/>.</summary>
    public virtual bool GoesOn => false;

    /// <summary>It is on a connection of its own, and comes into no batch: see <see cref="TryAloneAsync"/>.</summary>
    public virtual bool IsAlone => false;

    /// <summary>What <see cref="First"/> changes is known beforehand, but for rare cases.</summary>
    public bool IsForeseen => !IsQuery && Kind is null && first.All(static sql => sql.ChangesOne);

    /// <summary>A job that nobody waits for any more is not begun.</summary>
    public bool IsCanceled => cancellationToken.IsCancellationRequested;

    protected CancellationToken CancellationToken => cancellationToken;

    /// <summary>May be called again after the job was undone.</summary>
    public virtual Task ReadAsync(DbDataReader rows) => Task.CompletedTask;

    /// <param name="connection">Null: nothing has been sent yet, and nothing can be but for what is left for the end.</param>
    /// <param name="counts">How many rows each of <see cref="First"/> has changed.</param>
    public abstract Task GoOnAsync(NpgsqlConnection? connection, IReadOnlyList<int> counts, List<Sql> later);

    /// <returns>Null when it is committed; otherwise why nothing of it is, and that can't be tried again.</returns>
    public virtual Task<PostgresFailure?> TryAloneAsync() => throw new InvalidOperationException("it comes with others");

    /// <summary>It is on disk: what must follow at once does.</summary>
    public abstract void Committed();

    /// <summary>Its caller goes on, on this thread; without a failure after <see cref="Committed"/>.</summary>
    public void End(PostgresFailure? failure)
    {
        if (failure is null)
        {
            Tell();
        }
        else
        {
            Fail(failure.Told);
        }
    }

    /// <summary>It did not take effect, or not yet: see <see cref="Transaction.OnUndone"/>.</summary>
    public virtual void Undone(bool isCertain)
    {
    }

    public abstract void Fail(Exception failure);

    protected abstract void Tell();

    /// <summary>Reads to the end whatever happens: what follows is another job's.</summary>
    /// <returns>What a reading function has thrown.</returns>
    protected static async Task<Exception?> ReadAsync<TRow>(DbDataReader rows, Func<DbDataReader, TRow> read, List<TRow> to)
    {
        Exception? bug = null;
        while (await rows.ReadAsync(CancellationToken.None))
        {
            try
            {
                to.Add(read(rows));
            }
            catch (Exception exception) when (exception is not NpgsqlException)
            {
                bug = exception;
            }
        }

        return bug;
    }
}

internal abstract class PostgresJob<T>(IReadOnlyList<Sql> first, string? row, CancellationToken cancellationToken) : PostgresJob(first, row, cancellationToken)
{
    /// <summary>What follows runs where it is told: <see cref="PostgresWriter"/> does so on threads that nobody waits for.</summary>
    private readonly TaskCompletionSource<T> _completion = new();
    private Exception? _bug;

    public Task<T> Completion => _completion.Task;

    protected T? Result { get; set; }

    public override void Committed()
    {
        try
        {
            HasCommitted();
        }
        catch (Exception bug)
        {
            // It is the caller's bug, and must not end the writer of everybody.
            _bug = bug;
        }
    }

    protected override void Tell()
    {
        if (_bug is null)
        {
            _completion.TrySetResult(Result!);
        }
        else
        {
            _completion.TrySetException(_bug);
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
internal sealed class PostgresExecuteJob(Sql sql, string row, string? kind, CancellationToken cancellationToken) : PostgresJob<int>([sql], row, cancellationToken)
{
    public override string? Kind => kind;

    public override Task GoOnAsync(NpgsqlConnection? connection, IReadOnlyList<int> counts, List<Sql> later)
    {
        Result = counts[0];
        return Task.CompletedTask;
    }
}

/// <summary>A lone statement that answers with rows.</summary>
internal sealed class PostgresQueryJob<T>(Sql sql, Func<DbDataReader, T> read, CancellationToken cancellationToken) : PostgresJob<List<T>>([sql], null, cancellationToken)
{
    private Exception? _bug;

    public override bool IsQuery => true;

    /// <summary>The reading function's failure comes too late to undo anything, and is no other job's.</summary>
    public override async Task ReadAsync(DbDataReader rows)
    {
        Result = [];
        _bug = await ReadAsync(rows, read, Result);
    }

    public override Task GoOnAsync(NpgsqlConnection? connection, IReadOnlyList<int> counts, List<Sql> later) => Task.CompletedTask;

    protected override void HasCommitted()
    {
        if (_bug is not null)
        {
            throw _bug;
        }
    }
}

/// <summary>Statements, and what follows from them.</summary>
internal abstract class PostgresFollowedJob<T>(IReadOnlyList<Sql> first, string? row, CancellationToken cancellationToken) : PostgresJob<T>(first, row, cancellationToken)
{
    private PostgresTransaction? _transaction;

    public override bool GoesOn => true;

    public override async Task GoOnAsync(NpgsqlConnection? connection, IReadOnlyList<int> counts, List<Sql> later)
    {
        _transaction = new PostgresTransaction(connection, later);
        try
        {
            Result = await ThenAsync(_transaction, counts);
        }
        finally
        {
            _transaction.End();
        }
    }

    public override void Undone(bool isCertain) => _transaction?.RunUndone(isCertain);

    protected abstract Task<T> ThenAsync(Transaction transaction, IReadOnlyList<int> counts);

    protected override void HasCommitted() => _transaction?.RunCommitted();
}

/// <summary>What follows needs the counts.</summary>
internal sealed class PostgresSerialJob<T>(
    IReadOnlyList<Sql> first, string? row, Func<Transaction, IReadOnlyList<int>, Task<T>> then, CancellationToken cancellationToken)
    : PostgresFollowedJob<T>(first, row, cancellationToken)
{
    protected override Task<T> ThenAsync(Transaction transaction, IReadOnlyList<int> counts) => then(transaction, counts);
}

/// <summary>What follows needs the rows that the one statement returns.</summary>
internal sealed class PostgresSerialQueryJob<TRow, T>(
    Sql first, string row, Func<DbDataReader, TRow> read, Func<Transaction, List<TRow>, Task<T>> then, CancellationToken cancellationToken)
    : PostgresFollowedJob<T>([first], row, cancellationToken)
{
    private readonly List<TRow> _rows = [];
    private Exception? _bug;

    public override bool IsQuery => true;

    public override async Task ReadAsync(DbDataReader rows)
    {
        _rows.Clear();
        _bug = await ReadAsync(rows, read, _rows);
    }

    protected override Task<T> ThenAsync(Transaction transaction, IReadOnlyList<int> counts) => _bug is null ? then(transaction, _rows) : Task.FromException<T>(_bug);
}
