using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Lanyard.Cli.Runner.Sandbox;

/// <summary>
/// Without a sandbox a step can leave its session (<c>setsid</c>) and its parents. Such processes become this process's children (PR_SET_CHILD_SUBREAPER)
/// instead of init's, so that they are found and killed. Children are told apart by who started them: what the runner did not start, it adopted.
/// </summary>
internal sealed partial class Adoption
{
    private const int SetChildSubreaper = 36;
    private const int NoHang = 1;
    private readonly HashSet<int> _own = [];

    private Adoption()
    {
    }

    /// <summary>
    /// From now on this process gets its descendants' orphans. For a program that starts processes through the sandbox alone: it takes every other
    /// child for an orphan. Null where the kernel does not do it.
    /// </summary>
    public static Adoption? Begin() => Control(SetChildSubreaper, 1, 0, 0, 0) == 0 ? new Adoption() : null;

    /// <summary>Starts a process that is no orphan; the number is never free between its start and its being known.</summary>
    public Process? Start(ProcessStartInfo start)
    {
        lock (_own)
        {
            var process = Process.Start(start);
            if (process is not null)
                _own.Add(process.Id);
            return process;
        }
    }

    /// <summary>One of the runner's own has ended: its number may come again, for an orphan.</summary>
    public void Ended(int process)
    {
        lock (_own)
            _own.Remove(process);
    }

    /// <summary>Kills the orphans; those that they leave come with the next call.</summary>
    /// <param name="uid">Only those of that user; null: only when nothing of the runner's own runs besides <paramref name="but"/>, because the orphans could be another attempt's.</param>
    /// <returns>Whether there was one.</returns>
    public bool Kill(uint? uid, int but)
    {
        lock (_own)
        {
            if (uid is null && _own.Any(process => process != but))
                return false;
            var orphans = Signals.OrphansOf(Environment.ProcessId, uid).Where(orphan => !_own.Contains(orphan.Process)).ToList();
            foreach (var (process, isDead) in orphans)
            {
                if (isDead)
                    _ = Wait(process, 0, NoHang);
                else
                    Signals.Send(process, Signals.Kill);
            }

            return orphans.Count > 0;
        }
    }

    [LibraryImport("libc", EntryPoint = "prctl")]
    private static partial int Control(int option, ulong a, ulong b, ulong c, ulong d);

    [LibraryImport("libc", EntryPoint = "waitpid")]
    private static partial int Wait(int process, nint status, int options);
}
