using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Lanyard.Cli.Runner.Sandbox;

/// <summary>Starts the processes of steps, inside bubblewrap or without it.</summary>
internal sealed class SandboxLauncher(SandboxMode mode, RunnerFolders folders, IReadOnlyList<string> readOnly, StepLimits limits, SpawnThread spawn, TimeProvider time)
{
    private const string CleanPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    // The sandbox's arguments come on descriptor 3 (our pipe), the step has no standard input, output and error are one pipe (so their
    // order is kept), and bubblewrap says on descriptor 4, in a file that only the runner can read, which process it made. Where memory ends, the
    // kernel takes a step's processes before the runner and everybody else.
    private const string Plumbing = """info=$1; shift; { echo 500 >/proc/self/oom_score_adj; } 2>/dev/null || :; exec "$@" 3<&0 </dev/null 2>&1 4>"$info" """;

    // Without a sandbox the environment comes from a file of the step's uid: the programs that change the uid must not see it (LD_PRELOAD).
    private const string Sourcing = """. "$1"; shift; cd "$HOME"; exec "$@" """;

    public SandboxMode Mode => mode;

    /// <summary>As the step sees it, like the two that follow.</summary>
    public string SearchPath => mode is SandboxMode.Bubblewrap ? SandboxLayout.SearchPath : folders.Programs + ":" + CleanPath;

    public string HomeOf(AttemptFolder folder) => mode is SandboxMode.Bubblewrap ? SandboxLayout.Work : folder.Work;

    public string TemporaryOf(AttemptFolder folder) => mode is SandboxMode.Bubblewrap ? SandboxLayout.Temporary : folder.Temporary;

    public string ScriptOf(AttemptFolder folder) => mode is SandboxMode.Bubblewrap ? SandboxLayout.Script : folder.Script;

    public string CloudsOf(AttemptFolder folder) => mode is SandboxMode.Bubblewrap ? SandboxLayout.Clouds : folder.Clouds ?? "";

    /// <exception cref="System.ComponentModel.Win32Exception">The sandbox's programs can't be started.</exception>
    public async Task<StepProcess> StartAsync(AttemptKey key, AttemptFolder folder, StepCommand command)
    {
        var infoFile = folders.InfoFileOf(key);
        File.Delete(infoFile);
        var start = new ProcessStartInfo("/bin/sh") { RedirectStandardInput = true, RedirectStandardOutput = true, WorkingDirectory = "/" };
        start.Environment.Clear();
        start.Environment["PATH"] = CleanPath;
        Add(start, "-c", Plumbing, "sh", infoFile);
        var isSandboxed = mode is SandboxMode.Bubblewrap;
        var input = isSandboxed ? InsideBubblewrap(start, folder, command) : Bare(start, folder, command);

        var process = await spawn.StartAsync(start);
        try
        {
            await process.StandardInput.BaseStream.WriteAsync(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended before it had read everything: its exit code and output say why.
        }

        return new StepProcess(process, mode, command.IsScript, infoFile, folder.Owner, spawn.Adoption, time);
    }

    private static void Add(ProcessStartInfo start, params ReadOnlySpan<string> arguments)
    {
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }
    }

    private byte[] InsideBubblewrap(ProcessStartInfo start, AttemptFolder folder, StepCommand command)
    {
        AddLimits(start, folder);
        if (folder.Owner is { } uid)
        {
            AddChangeOfUser(start, uid);
            Add(start, "--");
        }

        Add(start, "bwrap");
        BubblewrapArguments.Walls(folders, folder, readOnly, limits.SharedMemoryBytes, command.IsScript).ForEach(start.ArgumentList.Add);
        Add(start, "--info-fd", "4", "--args", "3", "--");
        Add(start, [.. command.Argv]);
        return BubblewrapArguments.Environment(command.Environment);
    }

    private byte[] Bare(ProcessStartInfo start, AttemptFolder folder, StepCommand command)
    {
        var exports = new StringBuilder();
        foreach (var (name, value) in command.Environment)
        {
            exports.Append("export ").Append(name).Append("='").Append(value.Replace("'", "'\\''", StringComparison.Ordinal)).Append("'\n");
        }

        folder.Write(folder.Environment, Encoding.UTF8.GetBytes(exports.ToString()));
        Add(start, "setsid");
        AddLimits(start, folder);
        if (folder.Owner is { } uid)
        {
            AddChangeOfUser(start, uid);
        }
        else
        {
            Add(start, "setpriv", "--no-new-privs");
        }

        Add(start, "--pdeathsig", "KILL", "--", "/bin/sh", "-c", Sourcing, "sh", folder.Environment);
        Add(start, [.. command.Argv]);
        return [];
    }

    private void AddLimits(ProcessStartInfo start, AttemptFolder folder)
    {
        Add(start, [.. limits.Walls(folder.Owner is not null)]);
        Add(start, "--");
    }

    private static void AddChangeOfUser(ProcessStartInfo start, uint uid)
    {
        var text = uid.ToString(CultureInfo.InvariantCulture);
        Add(start, "setpriv", "--reuid", text, "--regid", text, "--clear-groups", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all");
    }
}
