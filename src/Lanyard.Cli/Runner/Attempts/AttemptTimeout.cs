namespace Lanyard.Cli.Runner.Attempts;

/// <summary>How long an attempt may take from its start; the server may give it more while it goes on.</summary>
internal sealed class AttemptTimeout(TimeSpan limit, TimeProvider time) : IDisposable
{
    private readonly Lock _gate = new();
    private TimeSpan _limit = limit;
    private CancellationTokenSource? _over;
    private long _began;
    private bool _disposed;

    public int Seconds
    {
        get
        {
            lock (_gate)
            {
                return (int)_limit.TotalSeconds;
            }
        }
    }

    /// <param name="then">When the time is over.</param>
    public IDisposable Begin(Action then)
    {
        lock (_gate)
        {
            _began = time.GetTimestamp();
            _over = new CancellationTokenSource(_limit, time);
            return _over.Token.Register(then);
        }
    }

    /// <summary>Only ever longer: an answer that was on its way may be older than the payload.</summary>
    public void LastFor(TimeSpan whole)
    {
        lock (_gate)
        {
            if (_disposed || whole <= _limit)
            {
                return;
            }

            _limit = whole;
            if (_over is { IsCancellationRequested: false } && whole - time.GetElapsedTime(_began) is { Ticks: > 0 } left)
            {
                _over.CancelAfter(left);
            }
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            _over?.Dispose();
        }
    }
}
