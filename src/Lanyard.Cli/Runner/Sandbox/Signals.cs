using System.Globalization;
using System.Runtime.InteropServices;

namespace Lanyard.Cli.Runner.Sandbox;

/// <summary>Signals to processes, and who descends from whom, by <c>/proc</c>.</summary>
internal static partial class Signals
{
    public const int Kill = 9;
    public const int Terminate = 15;

    /// <summary>False where there is no such process any more.</summary>
    public static bool Send(int process, int signal) => process > 1 && SendSignal(process, signal) == 0;

    /// <summary>Alive, no zombie, and still of that name: numbers are used again.</summary>
    public static bool IsAlive(int process, string name) => process > 1 && Read(process) is { IsDead: false } stat && stat.Name == name;

    public static List<int> ChildrenOf(int parent) => Matching(stat => stat.Parent == parent);

    /// <summary>A process and everything below it.</summary>
    public static List<int> TreeOf(int root)
    {
        var tree = new List<int> { root };
        for (var i = 0; i < tree.Count; i++)
        {
            tree.AddRange(ChildrenByTask(tree[i]));
        }

        return tree;
    }

    /// <summary>Processes that run under a uid.</summary>
    public static List<int> OfUser(uint uid) => [.. All().Where(p => !p.Stat.IsDead && UserOf(p.Process) == uid).Select(static p => p.Process)];

    public static List<int> MembersOfSession(int session) => Matching(stat => stat.Session == session);

    /// <summary>Children of a process, dead ones too, by the user that they run as; null: any.</summary>
    public static List<(int Process, bool IsDead)> OrphansOf(int parent, uint? uid) =>
        [.. All().Where(p => p.Stat.Parent == parent && (uid is null || UserOf(p.Process) == uid)).Select(p => (p.Process, p.Stat.IsDead))];

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int SendSignal(int process, int signal);

    private static List<int> Matching(Func<ProcessStat, bool> condition) =>
        [.. All().Where(p => !p.Stat.IsDead && condition(p.Stat)).Select(p => p.Process)];

    /// <summary>Asks the kernel for the children of each thread: the other processes of the host cost nothing.</summary>
    private static List<int> ChildrenByTask(int process)
    {
        try
        {
            return [.. Directory.EnumerateDirectories($"/proc/{process}/task")
                .SelectMany(static task => File.ReadAllText(Path.Combine(task, "children")).Split(' ', StringSplitOptions.RemoveEmptyEntries))
                .Select(static child => int.Parse(child, CultureInfo.InvariantCulture))];
        }
        catch (FileNotFoundException)
        {
            // A kernel without CONFIG_PROC_CHILDREN, or the thread ended.
            return ChildrenOf(process);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return []; // it ended in the meantime
        }
    }

    private static IEnumerable<(int Process, ProcessStat Stat)> All()
    {
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var process) && Read(process) is { } stat)
                yield return (process, stat);
        }
    }

    /// <summary>The real uid, which a process without privileges can't change; null where it ended in the meantime.</summary>
    private static uint? UserOf(int process)
    {
        try
        {
            var line = File.ReadLines($"/proc/{process}/status").First(text => text.StartsWith("Uid:", StringComparison.Ordinal));
            return uint.Parse(line.Split('\t')[1], CultureInfo.InvariantCulture);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>proc(5): <c>pid (name) state ppid pgrp session …</c>, where the name may hold spaces and parentheses.</summary>
    private static ProcessStat? Read(int process)
    {
        try
        {
            var text = File.ReadAllText($"/proc/{process}/stat");
            var (open, close) = (text.IndexOf('('), text.LastIndexOf(')'));
            var fields = text[(close + 2)..].Split(' ');
            return new ProcessStat(
                text[(open + 1)..close],
                fields[0] is "Z" or "X",
                int.Parse(fields[1], CultureInfo.InvariantCulture),
                int.Parse(fields[3], CultureInfo.InvariantCulture));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null; // it ended in the meantime
        }
    }

    private sealed record ProcessStat(string Name, bool IsDead, int Parent, int Session);
}
