namespace Lanyard.Cli.Runner.Attempts;

/// <summary>
/// How long the attempt is still ours, by the monotonic clock, counted from before the renewing call was sent: the server's own count
/// began later, so ours ends first.
/// </summary>
internal sealed class Lease(TimeProvider time)
{
    private readonly Lock _gate = new();
    private long _from;
    private long _ticks;

    /// <param name="sent"><see cref="TimeProvider.GetTimestamp"/> from before the call.</param>
    public void Renew(long sent, TimeSpan length)
    {
        lock (_gate)
        {
            if (_ticks == 0 || Left(sent, length.Ticks) > Left(_from, _ticks))
            {
                (_from, _ticks) = (sent, length.Ticks);
            }
        }
    }

    public TimeSpan Remaining
    {
        get
        {
            lock (_gate)
            {
                return Left(_from, _ticks);
            }
        }
    }

    private TimeSpan Left(long from, long ticks) => TimeSpan.FromTicks(ticks) - time.GetElapsedTime(from);
}
