namespace Lanyard.Server.Storage;

/// <summary>One unit of work for the writer: all of it or nothing.</summary>
internal abstract class WriteJob
{
    /// <summary>A single statement undoes itself when it fails.</summary>
    public abstract bool NeedsSavepoint { get; }

    public Exception? Failure { get; protected set; }

    /// <summary>False for one that was cancelled while it waited.</summary>
    public bool WasBegun { get; protected set; }

    /// <summary>Never throws: a failure is kept in <see cref="Failure"/>. It may be run again after it was undone.</summary>
    public abstract void Run(SqliteSession session);

    /// <summary>It did not take effect, or not yet: what was undone for another job's sake is run again. May be called twice for one run.</summary>
    public virtual void Undone(bool isCertain)
    {
    }

    /// <summary>Tells the caller, once the batch is on disk or lost.</summary>
    public abstract void Deliver(Exception? batchFailure);
}

internal abstract class WriteJob<T>(CancellationToken cancellationToken) : WriteJob
{
    private readonly TaskCompletionSource<T> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private T? _result;

    public Task<T> Completion => _completion.Task;

    public override void Run(SqliteSession session)
    {
        Failure = null;
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            WasBegun = true;
            _result = Work(session);
        }
        catch (Exception failure)
        {
            Failure = failure;
        }
    }

    public override void Deliver(Exception? batchFailure)
    {
        if ((Failure ?? batchFailure) is { } failure)
        {
            if (failure is OperationCanceledException)
            {
                _completion.TrySetCanceled(cancellationToken);
                return;
            }

            _completion.TrySetException(failure);
            return;
        }

        try
        {
            Committed();
            _completion.TrySetResult(_result!);
        }
        catch (Exception bug)
        {
            // It is the caller's bug, and must not end the writer of everybody.
            _completion.TrySetException(bug);
        }
    }

    protected abstract T Work(SqliteSession session);

    protected virtual void Committed()
    {
    }
}
