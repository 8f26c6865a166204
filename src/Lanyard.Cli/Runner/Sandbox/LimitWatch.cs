using System.Globalization;

namespace Lanyard.Cli.Runner.Sandbox;

/// <summary>
/// Watches what a step uses and ends it, with a reason for people, when it uses more than its attempt may. A fork bomb stands before the kernel's wall
/// until then, and where memory ends sooner than the watch looks, the kernel takes a step's process before any other (its score is raised).
/// </summary>
internal sealed class LimitWatch(StepLimits limits, DiskReserve reserve, TimeProvider time)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    /// <summary>Walking through a large folder is dear: what it takes is at most a twentieth of the time.</summary>
    private const int DiskShare = 20;

    private static readonly TimeSpan DiskInterval = TimeSpan.FromSeconds(1);

    /// <summary>Runs until the step has ended; kills it where it uses too much.</summary>
    /// <returns>Why it was killed, or null.</returns>
    public async Task<string?> WatchAsync(StepProcess process, AttemptFolder folder, CancellationToken ended)
    {
        var user = new DiskUser(() => DiskOf(process, folder));
        reserve.Enter(user);
        try
        {
            using var timer = new PeriodicTimer(Interval, time);
            var (looked, pause) = (time.GetTimestamp(), DiskInterval);
            while (await timer.WaitForNextTickAsync(ended))
            {
                var reason = Judge(process, user);
                if (reason is null && limits.DiskBytes is { } most && time.GetElapsedTime(looked) >= pause)
                {
                    var begun = time.GetTimestamp();
                    reason = user.Measure() > most ? $"the attempt's folder holds more than its {MiB(most)} MiB" : null;
                    (looked, pause) = (time.GetTimestamp(), Longer(DiskInterval, time.GetElapsedTime(begun) * DiskShare));
                }

                if (reason is not null)
                {
                    process.Kill();
                    return reason;
                }
            }
        }
        catch (OperationCanceledException) when (ended.IsCancellationRequested)
        {
            // The step came to its end by itself.
        }
        finally
        {
            reserve.Leave(user);
        }

        return null;
    }

    private string? Judge(StepProcess process, DiskUser user)
    {
        reserve.Look();
        if (user.IsCondemned)
        {
            return "the disk is nearly full, and this attempt uses most of it";
        }

        var processes = process.Processes();
        var (tasks, memory) = AttemptUsage.Of(processes);
        if (tasks > limits.Processes)
        {
            return string.Create(CultureInfo.InvariantCulture, $"the step has more than its {limits.Processes} processes and threads");
        }

        return memory > limits.MemoryBytes && AttemptUsage.ExactMemoryOf(processes) is var exact && (exact == 0 || exact > limits.MemoryBytes)
            ? $"the step uses more than its {MiB(limits.MemoryBytes)} MiB of memory"
            : null;
    }

    private static long DiskOf(StepProcess process, AttemptFolder folder) => AttemptUsage.DiskOf([folder.Work, folder.Temporary], process.Processes());

    private static TimeSpan Longer(TimeSpan one, TimeSpan other) => one > other ? one : other;

    private static string MiB(long bytes) => (bytes / StepLimits.MiB).ToString(CultureInfo.InvariantCulture);
}
