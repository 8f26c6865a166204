using System.Threading.Channels;
using Npgsql;

namespace Lanyard.Server.Storage;

/// <summary>
/// Writes that share their commits. What is brought while others are on their way to disk gathers and goes together, in one transaction: the first statements of all jobs in one
/// journey, and what follows from them, with the commit, in a second. When one job fails everything is undone and each is run again alone, so that one job's failure is that job's
/// only. Jobs take effect one after another, in the order in which they are told of it.
/// </summary>
internal sealed class PostgresWriter(NpgsqlDataSource source) : IAsyncDisposable
{
    private const int MaxBatch = 128;
    private const int MaxWaiting = 20_000;
    private const int MaxTries = 4;

    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Channel<PostgresJob> _jobs = Channel.CreateBounded<PostgresJob>(
        new BoundedChannelOptions(MaxWaiting) { SingleReader = true, FullMode = BoundedChannelFullMode.Wait });

    /// <summary>What waits for a disk can wait this long for company: a sync takes longer, and one that is shared is one less.</summary>
    private static readonly TimeSpan Company = TimeSpan.FromMilliseconds(1);

    /// <summary>1 while a loop writes.</summary>
    private int _writing;

    /// <summary>So many came together the last time.</summary>
    private int _together;
    private TaskCompletionSource? _gathered;

    public async Task<T> RunAsync<T>(PostgresJob<T> job, CancellationToken cancellationToken)
    {
        await _jobs.Writer.WriteAsync(job, cancellationToken);
        WriteIfNobodyDoes();
        if (Volatile.Read(ref _gathered) is { } gathered && _jobs.Reader.Count >= _together) gathered.TrySetResult();
        return await job.Completion;
    }

    public async ValueTask DisposeAsync()
    {
        _jobs.Writer.TryComplete();
        WriteIfNobodyDoes();
        await _ended.Task;
    }

    /// <summary>On a thread of its own, without the caller's context: the loop goes on for others.</summary>
    private void WriteIfNobodyDoes()
    {
        if (Interlocked.Exchange(ref _writing, 1) == 0)
        {
            ThreadPool.UnsafeQueueUserWorkItem(static writer => _ = writer.WriteAsync(), this, preferLocal: false);
        }
    }

    private async Task WriteAsync()
    {
        do
        {
            while (_jobs.Reader.Count > 0)
            {
                await GatherAsync();
                if (TakeBatch() is { Count: > 0 } batch) await RunAsync(batch);
            }

            Interlocked.Exchange(ref _writing, 0);
        }
        while (_jobs.Reader.Count > 0 && Interlocked.Exchange(ref _writing, 1) == 0);

        if (_jobs.Reader.Completion.IsCompleted)
        {
            _ended.TrySetResult();
        }
    }

    /// <summary>
    /// Those who were answered together come back together, one after the other: the first of them would go alone, and the others wait for its commit and for their own. Where the
    /// last ones were alone nothing is waited for.
    /// </summary>
    private async Task GatherAsync()
    {
        if (_together < 2 || _jobs.Reader.Count >= _together) return;
        var gathered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Volatile.Write(ref _gathered, gathered);
        if (_jobs.Reader.Count < _together) await Task.WhenAny(gathered.Task, Task.Delay(Company, TimeProvider.System));
        Volatile.Write(ref _gathered, null);
    }

    /// <summary>Whatever waits now, in the order of the rows that are locked; those that wait for no row come last, because nobody in the batch waits behind what they lock.</summary>
    private List<PostgresJob> TakeBatch()
    {
        var batch = new List<PostgresJob>();
        while (batch.Count < MaxBatch && _jobs.Reader.TryRead(out var job))
        {
            if (job.IsCanceled)
            {
                job.Fail(new OperationCanceledException());
            }
            else
            {
                batch.Add(job);
            }
        }

        _together = batch.Count;
        return batch.Count < 2 ? batch : [.. batch.OrderBy(static job => job.Row is null).ThenBy(static job => job.Row, StringComparer.Ordinal)];
    }

    private async Task RunAsync(List<PostgresJob> batch)
    {
        var failure = await TryAsync(batch);
        if (failure is null || batch.Count == 1 || !failure.MayRepeat)
        {
            await EndAsync(batch, failure);
            return;
        }

        foreach (var job in batch)
        {
            List<PostgresJob> alone = [job];
            await EndAsync(alone, await TryAsync(alone));
        }
    }

    /// <summary>Tells all of a batch. One that a deadlock has undone is tried again first.</summary>
    private async Task EndAsync(List<PostgresJob> batch, PostgresFailure? failure)
    {
        for (var tried = 1; failure is { IsLock: true } && batch.Count == 1 && tried < MaxTries; tried++)
        {
            failure = await TryAsync(batch);
        }

        foreach (var job in batch)
        {
            if (failure is null)
            {
                job.Committed();
            }
            else
            {
                job.Fail(failure.Told);
            }
        }
    }

    /// <returns>Null when the batch is on disk; otherwise why nothing of it is.</returns>
    private async Task<PostgresFailure?> TryAsync(List<PostgresJob> batch)
    {
        var isLast = false;
        try
        {
            await using var connection = await source.OpenConnectionAsync();
            if (!batch.Exists(static job => job.GoesOn))
            {
                isLast = true;
                var lone = await FirstAsync(connection, batch);
                for (var i = 0; i < batch.Count; i++)
                {
                    await batch[i].GoOnAsync(connection, lone[i], []);
                }

                return null;
            }

            // It sends nothing: the transaction begins with the first statement.
            await using var transaction = await connection.BeginTransactionAsync();
            var later = new List<Sql>();
            var counts = await FirstAsync(connection, batch);
            for (var i = 0; i < batch.Count; i++)
            {
                await batch[i].GoOnAsync(connection, counts[i], later);
            }

            isLast = true;
            await LastAsync(connection, later);
            return null;
        }
        catch (Exception exception)
        {
            for (var i = batch.Count - 1; i >= 0; i--)
            {
                batch[i].Undone(isCertain: !isLast);
            }

            return new PostgresFailure(exception, isLast);
        }
    }

    /// <summary>The first statements of all jobs in one journey. Without a transaction around them they are one by themselves.</summary>
    /// <returns>The counts of each job's.</returns>
    private static async Task<int[][]> FirstAsync(NpgsqlConnection connection, List<PostgresJob> jobs)
    {
        await using var batch = new NpgsqlBatch(connection);
        foreach (var sql in jobs.SelectMany(static job => job.First))
        {
            batch.BatchCommands.Add(PostgresDatabase.BatchCommandOf(sql));
        }

        if (batch.BatchCommands.Count > 0)
        {
            await ReadAsync(batch, jobs);
        }

        var at = 0;
        return [.. jobs.Select(job => job.First.Select(_ => batch.BatchCommands[at++].RecordsAffected).ToArray())];
    }

    /// <summary>Statements without rows give no result to stop at: the n-th result is that of the n-th query.</summary>
    private static async Task ReadAsync(NpgsqlBatch batch, List<PostgresJob> jobs)
    {
        await using var reader = await batch.ExecuteReaderAsync();
        foreach (var job in jobs)
        {
            if (job.IsQuery)
            {
                await job.ReadAsync(reader);
                await reader.NextResultAsync();
            }
        }
    }

    /// <summary>What was left for the end, and the commit, in one journey.</summary>
    private static async Task LastAsync(NpgsqlConnection connection, List<Sql> statements)
    {
        await using var batch = new NpgsqlBatch(connection);
        foreach (var sql in statements)
        {
            batch.BatchCommands.Add(PostgresDatabase.BatchCommandOf(sql));
        }

        batch.BatchCommands.Add(new NpgsqlBatchCommand("commit"));
        await batch.ExecuteNonQueryAsync();
    }
}

/// <summary>Why a batch is not on disk, or may not be.</summary>
/// <param name="WasLast">The commit was on its way.</param>
internal sealed record PostgresFailure(Exception Exception, bool WasLast)
{
    /// <summary>Nothing took effect, and another try may go better. After an answer that never came it is not known what did.</summary>
    public bool MayRepeat => Exception is PostgresException postgres ? postgres.SqlState is not (['5', '7', ..] or ['0', '8', ..]) : Exception is not NpgsqlException && !WasLast;

    public bool IsLock => Exception is PostgresException { SqlState: PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure };

    /// <summary>As the caller is to hear of it.</summary>
    public Exception Told => Exception is PostgresException postgres && PostgresDatabase.ViolationOf(postgres) is { } violation ? violation : Exception;
}
