namespace Lanyard.Cli.Runner.Attempts;

/// <summary>
/// The one place that says an attempt has to stop, and why. Level-triggered: asking again changes nothing, a graver reason replaces a
/// milder one, and there is no way back.
/// </summary>
internal sealed class StopSwitch : IDisposable
{
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationTokenSource _kill = new();
    private readonly CancellationTokenSource _silence = new();
    private StopReason _reason;

    public StopReason Reason
    {
        get
        {
            lock (_gate)
            {
                return _reason;
            }
        }
    }

    /// <summary>The polite part: steps are asked to end, no new one begins.</summary>
    public CancellationToken Stopped => _stop.Token;

    /// <summary>No more grace.</summary>
    public CancellationToken Killed => _kill.Token;

    /// <summary>Nothing more is said to the server about this attempt.</summary>
    public CancellationToken Silenced => _silence.Token;

    public void Stop(StopReason reason)
    {
        lock (_gate)
        {
            if (reason <= _reason)
            {
                return;
            }

            _reason = reason;
        }

        try
        {
            Pull(reason);
        }
        catch (ObjectDisposedException)
        {
            // The attempt is over already: a signal or an answer of the server came late.
        }
    }

    public void Kill() => _kill.Cancel();

    private void Pull(StopReason reason)
    {
        _stop.Cancel();
        if (reason is StopReason.Abandoned or StopReason.Released)
        {
            _silence.Cancel();
            _kill.Cancel();
        }
    }

    public void Dispose()
    {
        _stop.Dispose();
        _kill.Dispose();
        _silence.Dispose();
    }
}
