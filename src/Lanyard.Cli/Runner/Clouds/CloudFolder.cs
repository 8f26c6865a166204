using System.Text;

namespace Lanyard.Cli.Runner.Clouds;

/// <summary>
/// One attempt's cloud files, in memory where the host has a place for that. The folder is the runner's, so that a step can put no link in a
/// file's way; each file is the attempt's uid's alone (0600). A file is replaced by rename: whoever reads sees the old one or the new.
/// </summary>
internal sealed class CloudFolder : IDisposable
{
    private readonly uint? _owner;
    private readonly bool _forGroup;

    /// <param name="isWhole"><paramref name="root"/> itself, where there is one attempt only.</param>
    /// <param name="forGroup">Readable by the group: the steps' container has another uid, and this group in common.</param>
    public CloudFolder(string root, AttemptKey key, uint? owner, bool forGroup = false, bool isWhole = false)
    {
        _forGroup = forGroup;
        Path = isWhole ? root : System.IO.Path.Combine(root, key.ToString());
        _owner = owner;
        Remove();
        PrivateFiles.CreateFolder(Path, forGroup ? PrivateFiles.GroupFolder : owner is null ? PrivateFiles.Private : PrivateFiles.Passage);
    }

    public string Path { get; }

    public void Write(string name, string content)
    {
        var path = System.IO.Path.Combine(Path, name);
        PrivateFiles.Write(path + ".next", Encoding.UTF8.GetBytes(content), _owner);
        if (_forGroup)
        {
            File.SetUnixFileMode(path + ".next", PrivateFiles.GroupFile);
        }

        File.Move(path + ".next", path, overwrite: true);
    }

    public void Dispose() => Remove();

    private void Remove()
    {
        if (Directory.Exists(Path))
        {
            Directory.Delete(Path, recursive: true);
        }
    }
}
