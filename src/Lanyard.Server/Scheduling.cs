using System.Globalization;
using System.Runtime.InteropServices;

namespace Lanyard.Server;

/// <summary>
/// How the kernel shares the processor among the server's threads. By default whoever is woken may take it from whoever runs, and a server whose threads wake each other for
/// every request and every batch of writes changes between them several times a request. As <c>SCHED_BATCH</c> (sched(7)) a thread that is woken waits until the one that runs
/// blocks or has had its share: a fifth more exchanges and cache entries for the same time of the processor. Beside others who keep every core busy, waking takes some milliseconds more.
/// </summary>
internal static partial class Scheduling
{
    private const int Batch = 3;

    /// <summary>Of all threads there are now, and of those that they make. Where it is not to be had (no Linux, a sandbox), all stays as it is.</summary>
    public static void PreferWholeTurns()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        // Again, for those that came meanwhile from one whose turn it was not yet.
        for (var round = 0; round < 2; round++)
        {
            foreach (var thread in Directory.GetDirectories("/proc/self/task"))
            {
                var priority = 0;
                _ = SetScheduler(int.Parse(Path.GetFileName(thread), CultureInfo.InvariantCulture), Batch, in priority);
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "sched_setscheduler")]
    private static partial int SetScheduler(int thread, int policy, in int priority);
}
