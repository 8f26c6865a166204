namespace Lanyard.Cli.Runner.Sandbox;

/// <summary>
/// The walls of an attempt as arguments of bubblewrap. Everything that makes a wall is an argument, so that a cut pipe can't take one
/// away; only the environment comes through the pipe.
/// </summary>
internal static class BubblewrapArguments
{
    private const string InsideUid = "1000";

    public static List<string> Walls(RunnerFolders folders, AttemptFolder attempt, IReadOnlyList<string> readOnly, long sharedMemory, bool hasScript)
    {
        List<string> arguments =
        [
            "--unshare-user", "--uid", InsideUid, "--gid", InsideUid, "--disable-userns",
            "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "lanyard",
            "--die-with-parent", "--new-session", "--cap-drop", "ALL",
            "--ro-bind", "/usr", "/usr",
        ];
        AddSystemFolders(arguments);
        arguments.AddRange(["--proc", "/proc", "--dev", "/dev", "--dir", "/run/lanyard", "--dir", "/var/tmp", "--dir", "/etc"]);
        foreach (var path in SandboxLayout.Etc.Where(path => attempt.Hosts is null || path != SandboxLayout.Hosts))
        {
            arguments.AddRange(["--ro-bind-try", path, path]);
        }

        arguments.AddRange(["--ro-bind", folders.PasswdStub, "/etc/passwd", "--ro-bind", folders.GroupStub, "/etc/group"]);
        if (attempt.Hosts is { } hosts)
        {
            arguments.AddRange(["--ro-bind", hosts, SandboxLayout.Hosts]);
        }

        foreach (var path in readOnly)
        {
            arguments.AddRange(["--ro-bind", path, path]);
        }

        arguments.AddRange(["--ro-bind", folders.Programs, SandboxLayout.Programs]);
        arguments.AddRange(["--bind", attempt.Temporary, SandboxLayout.Temporary, "--bind", attempt.Work, SandboxLayout.Work]);
        if (attempt.Clouds is { } clouds)
        {
            arguments.AddRange(["--ro-bind", clouds, SandboxLayout.Clouds]);
        }

        if (hasScript)
        {
            arguments.AddRange(["--ro-bind", attempt.Script, SandboxLayout.Script]);
        }

        // /dev and the root itself are memory: read-only, once everything stands in them; what is for sharing memory has an end.
        arguments.AddRange(["--size", sharedMemory.ToString(System.Globalization.CultureInfo.InvariantCulture), "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]);
        arguments.AddRange(["--remount-ro", "/", "--chdir", SandboxLayout.Work]);
        return arguments;
    }

    /// <summary>NUL-separated arguments for <c>--args</c>: a clean environment, then what is allowed.</summary>
    public static byte[] Environment(IReadOnlyDictionary<string, string> variables)
    {
        var text = new System.Text.StringBuilder("--clearenv\0");
        foreach (var (name, value) in variables)
        {
            text.Append("--setenv\0").Append(name).Append('\0').Append(value).Append('\0');
        }

        return System.Text.Encoding.UTF8.GetBytes(text.ToString());
    }

    /// <summary>/bin, /lib and their like: the same symbolic links as the host's, or the folders themselves where /usr is not merged.</summary>
    private static void AddSystemFolders(List<string> arguments)
    {
        foreach (var path in (string[])["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"])
        {
            if (new DirectoryInfo(path).LinkTarget is { } target)
            {
                arguments.AddRange(["--symlink", target, path]);
            }
            else if (Directory.Exists(path))
            {
                arguments.AddRange(["--ro-bind", path, path]);
            }
        }
    }
}
