namespace Lanyard.Cli.Runner.Attempts;

/// <summary>
/// Self-fencing: if the lease is not renewed in time, the steps are asked to end, and killed, all before it ends. Whoever gets the run
/// next can then rely on nobody else working on it.
/// </summary>
internal static class LeaseFence
{
    private static readonly TimeSpan LongestKillMargin = TimeSpan.FromSeconds(2);

    public static async Task WatchAsync(Lease lease, TimeSpan length, TimeSpan grace, StopSwitch stop, TimeProvider time, CancellationToken cancellationToken)
    {
        var (stopMargin, killMargin) = Margins(length, grace);
        for (var wait = lease.Remaining - stopMargin; wait > TimeSpan.Zero; wait = lease.Remaining - stopMargin)
        {
            await Task.Delay(wait, time, cancellationToken);
        }

        stop.Stop(StopReason.LeaseEnding);
        var left = lease.Remaining - killMargin;
        if (left > TimeSpan.Zero)
        {
            await Task.Delay(left, time, cancellationToken);
        }

        stop.Kill();
    }

    /// <summary>How long before the lease's end the steps are asked to end, and killed. At least half of the lease is for work.</summary>
    internal static (TimeSpan Stop, TimeSpan Kill) Margins(TimeSpan length, TimeSpan grace)
    {
        var kill = length / 10 < LongestKillMargin ? length / 10 : LongestKillMargin;
        var stop = grace + kill < length / 2 ? grace + kill : length / 2;
        return (stop, kill);
    }
}
