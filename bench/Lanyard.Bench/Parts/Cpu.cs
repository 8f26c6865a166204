using System.Globalization;

namespace Lanyard.Bench.Parts;

/// <summary>CPU time as the kernel counts it.</summary>
internal static class Cpu
{
    /// <summary>Linux's USER_HZ, the same on every platform that we measure on.</summary>
    private const double TicksPerSecond = 100;

    /// <summary>Of this process, in seconds; counts microseconds.</summary>
    public static double OfSelf => Environment.CpuUsage.TotalTime.TotalSeconds;

    /// <summary>User and system seconds of a process, in steps of 10 ms.</summary>
    public static double Of(int process) => Ticks(Stat(process), 11, 12) / TicksPerSecond;

    /// <summary>Of what this process started and has waited for, such as a command that is timed; in steps of 10 ms.</summary>
    public static double OfEnded => Ticks(Stat(Environment.ProcessId), 13, 14) / TicksPerSecond;

    /// <summary>Of a process and everything below it that runs, and what of that has ended: a server with a process for each connection.</summary>
    public static double OfFamily(int process)
    {
        var parents = new Dictionary<int, string[]>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var id) && TryStat(id) is { } stat)
                parents[id] = stat;
        }
        return parents.Where(entry => IsBelow(entry.Key, process, parents)).Sum(static entry => Ticks(entry.Value, 11, 12, 13, 14)) / TicksPerSecond;
    }

    /// <summary>Seconds that all cores were busy since the start of the machine.</summary>
    public static double OfMachine()
    {
        var fields = File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return (Number(fields[1]) + Number(fields[2]) + Number(fields[3]) + Number(fields[6]) + Number(fields[7])) / TicksPerSecond;
    }

    private static bool IsBelow(int id, int ancestor, Dictionary<int, string[]> stats)
    {
        while (id != ancestor && stats.TryGetValue(id, out var stat))
            id = int.Parse(stat[1], CultureInfo.InvariantCulture);
        return id == ancestor;
    }

    /// <summary>The fields of <c>/proc/PID/stat</c> behind the name, so that field 3 of proc(5) is the first.</summary>
    private static string[] Stat(int process) =>
        File.ReadAllText($"/proc/{process}/stat").Split(')')[^1].Split(' ', StringSplitOptions.RemoveEmptyEntries);

    private static string[]? TryStat(int process)
    {
        try
        {
            return Stat(process);
        }
        catch (IOException)
        {
            // It has ended meanwhile.
            return null;
        }
    }

    private static double Ticks(string[] stat, params ReadOnlySpan<int> fields)
    {
        var ticks = 0.0;
        foreach (var field in fields)
            ticks += Number(stat[field]);
        return ticks;
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);
}

/// <summary>How much of the machine others used between two moments.</summary>
/// <remarks>What this process starts and waits for is its own. So are the processes that it names, each with what is below it.</remarks>
internal sealed class ForeignLoad
{
    private readonly IReadOnlyList<int> _processes;
    private readonly long _began = TimeProvider.System.GetTimestamp();
    private readonly double _machine = Cpu.OfMachine();
    private readonly double _own;

    private ForeignLoad(IReadOnlyList<int> processes) => (_processes, _own) = (processes, Own(processes));

    /// <param name="processes">The benchmark's, besides this one.</param>
    public static ForeignLoad Start(IReadOnlyList<int> processes) => new(processes);

    /// <summary>Since the start, of all cores: 0 to 1.</summary>
    public double Share()
    {
        var seconds = TimeProvider.System.GetElapsedTime(_began).TotalSeconds * Environment.ProcessorCount;
        return Math.Clamp((Cpu.OfMachine() - _machine - (Own(_processes) - _own)) / seconds, 0, 1);
    }

    private static double Own(IReadOnlyList<int> processes) => Cpu.OfSelf + Cpu.OfEnded + processes.Sum(Cpu.OfFamily);
}
