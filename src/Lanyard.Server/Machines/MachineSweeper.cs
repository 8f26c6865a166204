using Lanyard.Server.Hosting;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Machines;

/// <summary>
/// Takes away the rows of machines that were over long ago: CI makes one for each job, and nobody asks for them any more. Who made one, for what, and who ended it stays in the
/// audit log. Every replica sweeps.
/// </summary>
internal sealed partial class MachineSweeper(MachineStore store, TimeProvider time, ILogger<MachineSweeper> logger) : BackgroundService
{
    /// <summary>Counted from the end of its last lifetime, which is at most a day after it was made. Nothing that was given to a machine is good for so long.</summary>
    public static readonly TimeSpan Kept = TimeSpan.FromDays(30);

    /// <summary>No other write waits for more than these.</summary>
    private const int Batch = 500;

    private static readonly TimeSpan Pause = TimeSpan.FromMinutes(10);

    /// <returns>How many went.</returns>
    public async Task<int> SweepAsync(CancellationToken cancellationToken)
    {
        var all = 0;
        while (true)
        {
            var removed = await store.RemoveAsync(time.GetUtcNow() - Kept, Batch, cancellationToken);
            all += removed;
            if (removed < Batch) break;
        }

        if (all > 0) Swept(logger, all);
        return all;
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Rounds.RepeatAsync("sweep of machines", Pause, SweepAsync, time, logger, stoppingToken);

    [LoggerMessage(LogLevel.Information, "{Count} machines that were over long ago were taken away")]
    private static partial void Swept(ILogger logger, int count);
}
