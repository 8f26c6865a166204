using System.Threading.Channels;

namespace Lanyard.Server.Storage;

/// <summary>
/// SQLite's one writer: one connection, and the right to use it. Whoever brings a job and finds nobody writing runs it himself, with everything that
/// waits; the others' jobs gather meanwhile and are run together, in one transaction, so that one sync acknowledges many. Savepoints cost as much as the statements
/// between them and few jobs fail, so there are none until one does: then all is undone and run again, each in a savepoint of its own, and one job's failure undoes
/// that job only. A lone job is done without a change of threads, which costs more than the sync; where jobs came together the last
/// time, the writing waits for its turn behind what is ready to run, so that more come together and a sync serves more.
/// </summary>
internal sealed class SqliteWriter(SqliteSession session) : IAsyncDisposable
{
    private const int MaxBatch = 512;
    private const int MaxWaiting = 50_000;
    private static readonly AsyncLocal<bool> OnWriter = new();

    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<WriteJob> _batch = [];
    private readonly Channel<WriteJob> _jobs = Channel.CreateBounded<WriteJob>(
        new BoundedChannelOptions(MaxWaiting) { SingleReader = true, FullMode = BoundedChannelFullMode.Wait });

    /// <summary>1 while somebody has the right to write.</summary>
    private int _writing;

    /// <summary>1 while a turn to write stands in the thread pool's line.</summary>
    private int _turns;
    private bool _cameTogether;

    public async Task<T> RunAsync<T>(WriteJob<T> job, CancellationToken cancellationToken)
    {
        if (OnWriter.Value)
        {
            throw new InvalidOperationException("a transaction waits for a write outside itself: it would wait for ever");
        }

        await _jobs.Writer.WriteAsync(job, cancellationToken);
        if (Volatile.Read(ref _cameTogether))
        {
            WriteInTurn();
        }
        else
        {
            WriteIfFree();
        }

        return await job.Completion;
    }

    public async ValueTask DisposeAsync()
    {
        _jobs.Writer.TryComplete();
        WriteIfFree();
        await _ended.Task;
        session.Dispose();
    }

    private void WriteInTurn()
    {
        if (Interlocked.Exchange(ref _turns, 1) == 0)
        {
            ThreadPool.UnsafeQueueUserWorkItem(
                static writer =>
                {
                    Interlocked.Exchange(ref writer._turns, 0);
                    writer.WriteIfFree();
                },
                this,
                preferLocal: false);
        }
    }

    /// <summary>Who has the right now looks again after giving it up, so nothing that was brought before is left lying.</summary>
    private void WriteIfFree()
    {
        if (Interlocked.Exchange(ref _writing, 1) == 0)
        {
            Write();
        }
    }

    /// <summary>Runs what waits now. What comes meanwhile is another thread's: this one has an answer of its own to give.</summary>
    private void Write()
    {
        _batch.Clear();
        while (_batch.Count < MaxBatch && _jobs.Reader.TryRead(out var job))
        {
            _batch.Add(job);
        }

        if (_batch.Count > 0)
        {
            Volatile.Write(ref _cameTogether, _batch.Count > 1);
            OnWriter.Value = true;
            var failure = RunBatch(_batch);
            OnWriter.Value = false;
            foreach (var job in _batch)
            {
                job.Deliver(failure);
            }
        }

        Interlocked.Exchange(ref _writing, 0);
        if (_jobs.Reader.Count > 0)
        {
            WriteInTurn();
        }
        else if (_jobs.Reader.Completion.IsCompleted)
        {
            _ended.TrySetResult();
        }
    }

    /// <returns>Null when the batch is on disk; otherwise why nothing of it is.</returns>
    private Exception? RunBatch(List<WriteJob> batch)
    {
        try
        {
            session.RunPrepared("begin immediate");
            if (!TryRunTogether(batch))
            {
                if (batch.Count == 1)
                {
                    return null;
                }

                session.RunPrepared("begin immediate");
                foreach (var job in batch)
                {
                    RunJob(job);
                }
            }

            session.RunPrepared("commit");
            return null;
        }
        catch (Exception failure)
        {
            TryRollback();
            for (var i = batch.Count - 1; i >= 0; i--)
            {
                batch[i].Undone(isCertain: false);
            }

            return failure;
        }
    }

    /// <returns>False when one failed: then there is no transaction any more, and nothing has happened.</returns>
    private bool TryRunTogether(List<WriteJob> batch)
    {
        for (var i = 0; i < batch.Count; i++)
        {
            Run(batch[i]);
            if (batch[i] is not { Failure: not null, NeedsSavepoint: true, WasBegun: true })
            {
                continue;
            }

            session.RunPrepared("rollback");
            for (; i >= 0; i--)
            {
                batch[i].Undone(isCertain: true);
            }

            return false;
        }

        return true;
    }

    private void Run(WriteJob job)
    {
        job.Run(session);
        if (!session.InTransaction)
        {
            throw new InvalidOperationException("SQLite gave the transaction up", job.Failure);
        }
    }

    private void RunJob(WriteJob job)
    {
        if (job.NeedsSavepoint)
        {
            session.RunPrepared("savepoint job");
        }

        Run(job);
        if (job.NeedsSavepoint)
        {
            if (job.Failure is not null)
            {
                session.RunPrepared("rollback to job");
                job.Undone(isCertain: true);
            }

            session.RunPrepared("release job");
        }
    }

    private void TryRollback()
    {
        try
        {
            if (session.InTransaction)
            {
                session.RunPrepared("rollback");
            }
        }
        catch (Microsoft.Data.Sqlite.SqliteException)
        {
            // The next "begin" tells: it fails as long as the old transaction is open.
        }
    }
}
