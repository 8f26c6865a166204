using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Lanyard.Cli.Runner.Attempts;

namespace Lanyard.Cli.Runner.Sandbox;

/// <summary>How a step's process ended: an exit code, or the number of a signal.</summary>
/// <param name="IsOutOfMemory">While it ran, the kernel killed something of it for want of memory.</param>
internal readonly record struct StepExit(int? ExitCode, int? Signal, bool IsOutOfMemory = false)
{
    /// <summary>Sandbox and shell tell a death by signal n as 128 + n.</summary>
    public static StepExit FromStatus(int status) => status is > 128 and <= 128 + 64 ? new(null, status - 128) : new(status, null);

    public bool IsSuccess => ExitCode == 0;
}

/// <summary>
/// A step's process and everything below it. <see cref="Kill"/> leaves none of it: in the sandbox the kernel ends the whole PID
/// namespace with its first process, without one every member of the session is killed, and whoever left it and was adopted.
/// </summary>
internal sealed class StepProcess(Process process, SandboxMode mode, bool isScript, string infoFile, uint? uid, Adoption? adoption, TimeProvider time) : RunningStep
{
    private const string Program = "bwrap";
    private volatile int _firstInside;
    private static readonly TimeSpan Check = TimeSpan.FromMilliseconds(5);

    public override Stream Output => process.StandardOutput.BaseStream;

    /// <summary>All that run now, by the host's numbers.</summary>
    public List<int> Processes() =>
        mode is SandboxMode.Bubblewrap ? FirstInside() is > 1 and var first ? Signals.TreeOf(first) : []
        : uid is { } own ? Signals.OfUser(own) : Signals.MembersOfSession(process.Id);

    public override async Task<StepExit> WaitAsync()
    {
        await process.WaitForExitAsync();
        var first = FirstInside();
        Kill();
        while (mode is SandboxMode.Bubblewrap ? Signals.IsAlive(first, Program) : IsAnyLeft())
        {
            Kill();
            await Task.Delay(Check, time);
        }

        adoption?.Ended(process.Id);
        return StepExit.FromStatus(process.ExitCode);
    }

    private bool IsAnyLeft() => adoption?.Kill(uid, process.Id) is true || Signals.MembersOfSession(process.Id).Count > 0;

    public override bool Terminate()
    {
        List<int> main = mode is SandboxMode.None ? [process.Id] : Signals.ChildrenOf(FirstInside());
        foreach (var target in main)
        {
            // The shell first: its trap is pending then, when the program that it waits for ends by the signal and -e would end the script too.
            List<int> children = isScript ? Signals.ChildrenOf(target) : [];
            Signals.Send(target, Signals.Terminate);
            children.ForEach(child => Signals.Send(child, Signals.Terminate));
        }

        return main.Count > 0;
    }

    public override void Kill()
    {
        if (mode is SandboxMode.None)
        {
            Signals.MembersOfSession(process.Id).ForEach(member => Signals.Send(member, Signals.Kill));
        }
        else if (FirstInside() is var first && Signals.IsAlive(first, Program))
        {
            Signals.Send(first, Signals.Kill);
        }

        if (!process.HasExited)
        {
            process.Kill();
        }
    }

    public override void Dispose()
    {
        Kill(); // nothing, unless something went wrong in between
        process.Dispose();
        File.Delete(infoFile);
    }

    /// <summary>The host's number of the namespace's first process; 0 before bubblewrap has said it, and in the mode that has none.</summary>
    private int FirstInside()
    {
        if (_firstInside > 0)
        {
            return _firstInside;
        }

        try
        {
            using var info = JsonDocument.Parse(File.ReadAllBytes(infoFile));
            return _firstInside = info.RootElement.GetProperty("child-pid").GetInt32();
        }
        catch (Exception exception) when (exception is IOException or JsonException)
        {
            return 0;
        }
    }

    public override string ToString() => process.Id.ToString(CultureInfo.InvariantCulture);
}
