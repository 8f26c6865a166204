using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Lanyard.ClusterProxy.Audit;

/// <summary>Writes one batch; throws when it could not.</summary>
internal delegate ValueTask WriteBatch(IReadOnlyList<byte[]> lines, CancellationToken cancellation);

/// <summary>How lines are gathered and what happens when their receiver is slow.</summary>
/// <param name="Name">In log and metrics.</param>
/// <param name="Linger">How long a batch that is not full waits for more.</param>
/// <param name="DropsWhenFull">Otherwise requests wait for room.</param>
internal sealed record LineQueueOptions(string Name, int MaxBatch, TimeSpan Linger, int Capacity, bool DropsWhenFull)
{
    /// <summary>How long a stop waits until everything that was taken is written.</summary>
    public TimeSpan DrainTime { get; init; } = TimeSpan.FromSeconds(30);
}

/// <summary>
/// Lines on their way to a file or webhook, in batches. A failed batch is tried again, at growing distances, until it is written; a stop
/// writes everything that was taken. What is lost all the same (no room, no receiver at the end) is counted and told in the log.
/// </summary>
internal sealed class LineQueue : IAsyncDisposable
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LastPause = TimeSpan.FromSeconds(30);

    private readonly LineQueueOptions _options;
    private readonly WriteBatch _write;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly Channel<byte[]> _lines;
    private readonly CancellationTokenSource _stopping = new();
    private readonly CancellationTokenSource _giveUp = new();
    private readonly Task _writing;
    private long _written;
    private long _lost;

    public LineQueue(LineQueueOptions options, WriteBatch write, TimeProvider time, ILogger log)
    {
        (_options, _write, _time, _log) = (options, write, time, log);
        _lines = Channel.CreateBounded<byte[]>(new BoundedChannelOptions(options.Capacity) { SingleReader = true, FullMode = BoundedChannelFullMode.Wait });
        _writing = Task.Run(WriteAllAsync);
    }

    public string Name => _options.Name;

    public long Written => Interlocked.Read(ref _written);

    public long Lost => Interlocked.Read(ref _lost);

    public ValueTask AddAsync(byte[] line)
    {
        if (_lines.Writer.TryWrite(line))
        {
            return ValueTask.CompletedTask;
        }

        if (!_options.DropsWhenFull && !_stopping.IsCancellationRequested)
        {
            return WaitAsync(line);
        }

        Lose(1, "no room");
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        _lines.Writer.TryComplete();
        await _stopping.CancelAsync();
        using var limit = new CancellationTokenSource(_options.DrainTime, _time);
        await using (limit.Token.Register(_giveUp.Cancel))
        {
            await _writing;
        }

        _stopping.Dispose();
        _giveUp.Dispose();
    }

    private async ValueTask WaitAsync(byte[] line)
    {
        try
        {
            await _lines.Writer.WriteAsync(line, CancellationToken.None);
        }
        catch (ChannelClosedException)
        {
            Lose(1, "stopped");
        }
    }

    private async Task WriteAllAsync()
    {
        var batch = new List<byte[]>(_options.MaxBatch);
        while (await _lines.Reader.WaitToReadAsync())
        {
            batch.Clear();
            Fill(batch);
            if (batch.Count < _options.MaxBatch && _options.Linger > TimeSpan.Zero)
            {
                await PauseAsync(_options.Linger, _stopping.Token);
                Fill(batch);
            }

            await WriteAsync(batch);
        }
    }

    private void Fill(List<byte[]> batch)
    {
        while (batch.Count < _options.MaxBatch && _lines.Reader.TryRead(out var line))
        {
            batch.Add(line);
        }
    }

    private async Task WriteAsync(List<byte[]> batch)
    {
        for (var pause = FirstPause; ; pause = TimeSpan.FromTicks(Math.Min(pause.Ticks * 2, LastPause.Ticks)))
        {
            try
            {
                await _write(batch, _giveUp.Token);
                Interlocked.Add(ref _written, batch.Count);
                return;
            }
#pragma warning disable CA1031 // whatever the receiver's fault is, what was taken is kept and tried again
            catch (Exception e)
#pragma warning restore CA1031
            {
                if (_giveUp.IsCancellationRequested)
                {
                    Lose(batch.Count, e.Message);
                    return;
                }

                _log.AuditDelayed(Name, e.Message);
            }

            await PauseAsync(_stopping.IsCancellationRequested ? FirstPause : pause, _giveUp.Token);
        }
    }

    private async Task PauseAsync(TimeSpan pause, CancellationToken cancellation)
    {
        try
        {
            await Task.Delay(pause, _time, cancellation);
        }
        catch (OperationCanceledException)
        {
            // Woken: what follows looks for itself.
        }
    }

    private void Lose(int count, string why)
    {
        // The first, then every thousandth: a log must not drown in what it complains of.
        var before = Interlocked.Add(ref _lost, count) - count;
        if (before == 0 || before / 1000 != (before + count) / 1000)
        {
            _log.AuditLost(Name, before + count, why);
        }
    }
}
