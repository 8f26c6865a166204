using System.Text;
using Lanyard.Cli.Runner.Clouds;
using Lanyard.Cli.Runner.Sandbox;
using Lanyard.Identity;

namespace Lanyard.Cli.Runner;

/// <summary>
/// The runner's work folder. One runner at a time holds it. Steps' uids may go through it (0711) to the folder they were given, and
/// can list nothing; logs are the runner's alone.
/// </summary>
internal sealed class RunnerFolders : IDisposable
{
    private readonly FileStream _lock;

    private RunnerFolders(string root, FileStream held)
    {
        Root = root;
        _lock = held;
    }

    public string Root { get; }

    public string Attempts => Path.Combine(Root, "attempts");

    public string Logs => Path.Combine(Root, "logs");

    public string Programs => Path.Combine(Root, "bin");

    public string PasswdStub => Path.Combine(Root, "passwd");

    public string GroupStub => Path.Combine(Root, "group");

    /// <summary>Where attempts' cloud files are: in memory where the host has a place for that.</summary>
    public string Memory { get; private set; } = "";

    /// <summary>Where bubblewrap says which process it made.</summary>
    public string InfoFileOf(AttemptKey key) => Path.Combine(Logs, key + ".info");

    public string LogFileOf(AttemptKey key) => Path.Combine(Logs, key + ".log");

    public static Outcome<RunnerFolders> Open(string root, string? credentialsProgram)
    {
        try
        {
            root = Path.GetFullPath(root);
            PrivateFiles.CreateFolder(root, PrivateFiles.Passage);
            var folders = new RunnerFolders(root, new FileStream(Path.Combine(root, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
            folders.Prepare(credentialsProgram);
            return folders;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return new Refusal(RefusalReason.Conflict, $"the work folder {root} can't be used (is another runner using it?): {exception.Message}");
        }
    }

    /// <summary>The parent that other uids may not enter, or null: steps under a uid of their own would not reach their folder.</summary>
    public string? FirstClosedParent()
    {
        for (var folder = new DirectoryInfo(Root).Parent; folder is not null; folder = folder.Parent)
        {
            if (!folder.UnixFileMode.HasFlag(UnixFileMode.OtherExecute))
            {
                return folder.FullName;
            }
        }

        return null;
    }

    public void Dispose()
    {
        if (Directory.Exists(Memory))
        {
            Directory.Delete(Memory, recursive: true);
        }

        _lock.Dispose();
    }

    private void Prepare(string? credentialsProgram)
    {
        const UnixFileMode Readable = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
        PrivateFiles.CreateFolder(Attempts, PrivateFiles.Passage);
        PrivateFiles.CreateFolder(Logs);
        ClearAway();
        Memory = MemoryFolder.Open(Root);

        foreach (var (path, text) in ((string, string)[])[(PasswdStub, SandboxLayout.PasswdStub), (GroupStub, SandboxLayout.GroupStub)])
        {
            PrivateFiles.Write(path, Encoding.ASCII.GetBytes(text), owner: null);
            File.SetUnixFileMode(path, Readable);
        }

        InstallPrograms(credentialsProgram);
    }

    /// <summary>What a runner left that was killed. Its steps are dead: they die with it.</summary>
    private void ClearAway()
    {
        foreach (var left in Directory.EnumerateFiles(Logs))
        {
            File.Delete(left);
        }

        foreach (var left in Directory.EnumerateDirectories(Attempts))
        {
            AttemptFolder.Remove(left);
        }
    }

    /// <summary>
    /// A copy, because steps' uids need not be able to enter the folder that the program was installed in. A build that is not published
    /// as one file has its libraries beside it.
    /// </summary>
    private void InstallPrograms(string? program)
    {
        const UnixFileMode Runnable = (UnixFileMode)0b111_101_101;
        if (Directory.Exists(Programs))
        {
            Directory.Delete(Programs, recursive: true);
        }

        PrivateFiles.CreateFolder(Programs, Runnable);
        if (program is null)
        {
            return;
        }

        var isOneFile = !File.Exists(program + ".dll");
        foreach (var file in isOneFile ? [program] : Directory.EnumerateFiles(Path.GetDirectoryName(program)!).Where(BelongsToProgram))
        {
            var copy = Path.Combine(Programs, Path.GetFileName(file));
            File.Copy(file, copy);
            File.SetUnixFileMode(copy, Runnable);
        }

        File.CreateSymbolicLink(Path.Combine(Programs, "lanyard"), Path.GetFileName(program));
    }

    private static bool BelongsToProgram(string file) =>
        Path.GetFileName(file) is var name
        && (name.StartsWith("lanyard-credentials", StringComparison.Ordinal) || (name.StartsWith("Lanyard.", StringComparison.Ordinal) && name.EndsWith(".dll", StringComparison.Ordinal)));
}
