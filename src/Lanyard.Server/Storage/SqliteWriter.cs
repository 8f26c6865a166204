using System.Threading.Channels;

namespace Lanyard.Server.Storage;

/// <summary>
/// SQLite's one writer. Jobs wait in a channel; whatever has gathered while the last commit went to disk is run in one transaction,
/// each job in a savepoint of its own, so that one sync acknowledges many and one job's failure undoes that job only.
/// </summary>
internal sealed class SqliteWriter : IAsyncDisposable
{
    private const int MaxBatch = 512;
    private const int MaxWaiting = 50_000;
    private static readonly AsyncLocal<bool> OnWriter = new();

    private readonly SqliteSession _session;
    private readonly Thread _thread;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Channel<WriteJob> _jobs = Channel.CreateBounded<WriteJob>(
        new BoundedChannelOptions(MaxWaiting) { SingleReader = true, FullMode = BoundedChannelFullMode.Wait });

    public SqliteWriter(SqliteSession session)
    {
        _session = session;
        _thread = new Thread(Loop) { IsBackground = true, Name = "sqlite writer" };
        _thread.UnsafeStart();
    }

    public async Task<T> RunAsync<T>(WriteJob<T> job, CancellationToken cancellationToken)
    {
        if (OnWriter.Value)
        {
            throw new InvalidOperationException("a transaction waits for a write outside itself: it would wait for ever");
        }

        await _jobs.Writer.WriteAsync(job, cancellationToken);
        return await job.Completion;
    }

    public async ValueTask DisposeAsync()
    {
        _jobs.Writer.TryComplete();
        await _ended.Task;
        _session.Dispose();
    }

    private void Loop()
    {
        var batch = new List<WriteJob>();
        while (_jobs.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
        {
            batch.Clear();
            while (batch.Count < MaxBatch && _jobs.Reader.TryRead(out var job))
            {
                batch.Add(job);
            }

            OnWriter.Value = true;
            var failure = RunBatch(batch);
            OnWriter.Value = false;
            foreach (var job in batch)
            {
                job.Deliver(failure);
            }
        }

        _ended.SetResult();
    }

    /// <returns>Null when the batch is on disk; otherwise why nothing of it is.</returns>
    private Exception? RunBatch(List<WriteJob> batch)
    {
        try
        {
            _session.RunPrepared("begin immediate");
            foreach (var job in batch)
            {
                RunJob(job);
            }

            _session.RunPrepared("commit");
            return null;
        }
        catch (Exception failure)
        {
            TryRollback();
            return failure;
        }
    }

    private void RunJob(WriteJob job)
    {
        if (job.NeedsSavepoint)
        {
            _session.RunPrepared("savepoint job");
        }

        job.Run(_session);
        if (!_session.InTransaction)
        {
            throw new InvalidOperationException("SQLite gave the transaction up", job.Failure);
        }

        if (job.NeedsSavepoint)
        {
            if (job.Failure is not null)
            {
                _session.RunPrepared("rollback to job");
            }

            _session.RunPrepared("release job");
        }
    }

    private void TryRollback()
    {
        try
        {
            if (_session.InTransaction)
            {
                _session.RunPrepared("rollback");
            }
        }
        catch (Microsoft.Data.Sqlite.SqliteException)
        {
            // The next "begin" tells: it fails as long as the old transaction is open.
        }
    }
}

/// <summary>One unit of work for the writer: all of it or nothing.</summary>
internal abstract class WriteJob
{
    /// <summary>A single statement undoes itself when it fails.</summary>
    public abstract bool NeedsSavepoint { get; }

    public Exception? Failure { get; protected set; }

    /// <summary>Never throws: a failure is kept in <see cref="Failure"/>.</summary>
    public abstract void Run(SqliteSession session);

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
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
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
