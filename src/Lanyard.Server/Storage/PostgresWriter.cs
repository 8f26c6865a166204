using System.Threading.Channels;

namespace Lanyard.Server.Storage;

/// <summary>
/// Writes that share their commits. What is brought while others are on their way to disk gathers and goes together, in one transaction
/// (<see cref="PostgresBatches"/>). When one job fails everything is undone and each is run again alone, so that one job's failure is that job's only. Jobs take effect one after another, in the order in which they are told of it.
/// </summary>
/// <param name="batches">How they are brought to the database.</param>
internal sealed class PostgresWriter(PostgresBatches batches) : IAsyncDisposable
{
    private const int MaxBatch = 128;
    private const int MaxWaiting = 20_000;
    private const int MaxTries = 4;

    /// <summary>Callers that go on on one thread, at least.</summary>
    private const int LeastTold = 4;

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

    /// <summary>Taken from the channel, and the next to go, by itself; the writing loop's.</summary>
    private PostgresJob? _alone;

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
                if (_alone is not { } alone) continue;
                _alone = null;
                End([alone], await alone.TryAloneAsync());
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
                ThreadPool.UnsafeQueueUserWorkItem(static canceled => canceled.Fail(new OperationCanceledException()), job, preferLocal: false);
            }
            else if (job.IsAlone)
            {
                _alone = job;
                break;
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
        var failure = await batches.TryAsync(batch);
        if (failure is null || batch.Count == 1 || !failure.MayRepeat)
        {
            await EndAsync(batch, failure);
            return;
        }

        foreach (var job in batch)
        {
            List<PostgresJob> alone = [job];
            await EndAsync(alone, await batches.TryAsync(alone));
        }
    }

    /// <summary>Tells all of a batch. One that a deadlock has undone is tried again first.</summary>
    private async Task EndAsync(List<PostgresJob> batch, PostgresFailure? failure)
    {
        for (var tried = 1; failure is { IsLock: true } && batch.Count == 1 && tried < MaxTries; tried++)
        {
            failure = await batches.TryAsync(batch);
        }

        End(batch, failure);
    }

    /// <summary>In order; those who wait go on elsewhere, several on a thread: to wake one for each of fifty would cost more than what most of them still have to do.</summary>
    private static void End(List<PostgresJob> batch, PostgresFailure? failure)
    {
        if (failure is null) batch.ForEach(static job => job.Committed());
        var share = Math.Max(LeastTold, (batch.Count + Environment.ProcessorCount - 1) / Environment.ProcessorCount);
        foreach (var told in batch.Chunk(share))
        {
            ThreadPool.UnsafeQueueUserWorkItem(static to => Array.ForEach(to.told, job => job.End(to.failure)), (told, failure), preferLocal: false);
        }
    }
}
