using System.Globalization;

namespace Lanyard.Cli.Runner.Sandbox;

/// <summary>What one attempt may use of the host. Processes and open files are walls of the kernel; memory and disk are watched (<see cref="LimitWatch"/>).</summary>
/// <param name="Processes">Processes and threads at once.</param>
/// <param name="MemoryBytes">Of all its processes together, what they share counted once.</param>
/// <param name="OpenFiles">Of each process.</param>
/// <param name="DiskBytes">Of its folders; also the longest file. Null: only <paramref name="DiskReserveBytes"/> counts.</param>
/// <param name="DiskReserveBytes">What must stay free where the work folder is: below it the attempt that uses most is ended.</param>
internal sealed record StepLimits(int Processes, long MemoryBytes, int OpenFiles, long? DiskBytes, long DiskReserveBytes)
{
    public const int DefaultProcesses = 4096;
    public const int DefaultOpenFiles = 65_536;
    public const long MiB = 1024 * 1024;

    private const long MostReserve = 1024 * MiB;

    /// <summary>Four fifths of the memory, and a twentieth of the disk (at most 1 GiB) stays free.</summary>
    public static StepLimits DefaultsFor(string workFolder) =>
        new(DefaultProcesses, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 5 * 4, DefaultOpenFiles, null, ReserveOf(workFolder));

    /// <summary>What <c>/dev/shm</c> of the attempt holds: it is memory that belongs to no process.</summary>
    public long SharedMemoryBytes => Math.Max(16 * MiB, MemoryBytes / 4);

    /// <summary>A little over the limit: who reaches the wall has passed the limit, and is told so.</summary>
    private int ProcessWall => Processes + (Processes / 8) + 16;

    /// <summary>The walls, as arguments of prlimit(1).</summary>
    /// <param name="hasOwnUser">The kernel counts processes by user: for one that others have too it would count theirs.</param>
    public IEnumerable<string> Walls(bool hasOwnUser)
    {
        var files = AtMostOwn("Max open files", OpenFiles);
        yield return "prlimit";
        yield return "--core=0:0";
        yield return string.Create(CultureInfo.InvariantCulture, $"--nofile={files}:{files}");
        if (hasOwnUser)
        {
            var processes = AtMostOwn("Max processes", ProcessWall);
            yield return string.Create(CultureInfo.InvariantCulture, $"--nproc={processes}:{processes}");
        }

        if (DiskBytes is { } disk)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"--fsize={disk}:{disk}");
        }
    }

    private static long ReserveOf(string folder)
    {
        for (var place = new DirectoryInfo(folder); place is not null; place = place.Parent)
        {
            if (place.Exists)
            {
                return Math.Min(MostReserve, new DriveInfo(place.FullName).TotalSize / 20);
            }
        }

        return MostReserve;
    }

    /// <summary>No more than this process has itself: root in a container may not raise it either.</summary>
    private static int AtMostOwn(string name, int wanted)
    {
        var line = File.ReadLines("/proc/self/limits").FirstOrDefault(text => text.StartsWith(name, StringComparison.Ordinal)) ?? "";
        return line[Math.Min(line.Length, name.Length)..].Split(' ', StringSplitOptions.RemoveEmptyEntries) is [_, var hard, ..]
            && int.TryParse(hard, CultureInfo.InvariantCulture, out var most)
            ? Math.Min(wanted, most)
            : wanted;
    }
}
