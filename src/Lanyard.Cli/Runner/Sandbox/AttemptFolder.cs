namespace Lanyard.Cli.Runner.Sandbox;

/// <summary>
/// The folders of one attempt. <c>work</c> and <c>tmp</c> belong to the attempt's uid and are all of the disk that its steps can write;
/// the scripts beside them are readable by that uid alone. Gone when the attempt is.
/// </summary>
internal sealed class AttemptFolder : IDisposable
{
    private readonly string _path;

    public AttemptFolder(string root, AttemptKey key, uint? owner)
    {
        _path = Path.Combine(root, key.ToString());
        Owner = owner;
        Remove(_path); // what an attempt that broke off left behind
        PrivateFiles.CreateFolder(_path, PrivateFiles.Passage);
        foreach (var folder in (string[])[Work, Temporary])
        {
            PrivateFiles.CreateFolder(folder);
            if (owner is { } uid)
            {
                PrivateFiles.GiveTo(folder, uid);
            }
        }
    }

    /// <summary>The uid that the steps run under; null: the runner's own.</summary>
    public uint? Owner { get; }

    /// <summary>The attempt's cloud files, which steps can read and not write; null: it has none.</summary>
    public string? Clouds { get; set; }

    /// <summary>The attempt's own hosts file; null: it sees the host's.</summary>
    public string? Hosts { get; private set; }

    public string Work => Path.Combine(_path, "work");

    public string Temporary => Path.Combine(_path, "tmp");

    public string Script => Path.Combine(_path, "script");

    public string Environment => Path.Combine(_path, "environment");

    public void Write(string path, ReadOnlySpan<byte> content)
    {
        File.Delete(path);
        PrivateFiles.Write(path, content, Owner);
    }

    /// <summary>The host's names, and one more that leads to loopback.</summary>
    public void WriteHosts(string host)
    {
        const UnixFileMode Readable = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
        var names = File.Exists(SandboxLayout.Hosts) ? File.ReadAllText(SandboxLayout.Hosts).TrimEnd('\n') + "\n" : "";
        Hosts = Path.Combine(_path, "hosts");
        Write(Hosts, System.Text.Encoding.UTF8.GetBytes($"{names}127.0.0.1 {host}\n"));
        File.SetUnixFileMode(Hosts, Readable);
    }

    public void Dispose() => Remove(_path);

    /// <summary>Best effort: a step may have left folders that even their owner may not enter.</summary>
    public static void Remove(string path)
    {
        if (!Directory.Exists(path))
        {
            return;
        }

        try
        {
            Directory.Delete(path, recursive: true);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            OpenUp(path);
            Directory.Delete(path, recursive: true);
        }
    }

    private static void OpenUp(string folder)
    {
        File.SetUnixFileMode(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        foreach (var child in new DirectoryInfo(folder).EnumerateDirectories())
        {
            if (child.LinkTarget is null)
            {
                OpenUp(child.FullName);
            }
        }
    }
}
