using System.Text;

namespace Lanyard.Cli.Runner.Clouds;

/// <summary>
/// One attempt's cloud files, in memory where the host has a place for that. The folder is the runner's, so that a step can put no link in a
/// file's way; each file is the attempt's uid's alone (0600). A file is replaced by rename: whoever reads sees the old one or the new.
/// </summary>
internal sealed class CloudFolder : IDisposable
{
    private readonly uint? _owner;

    public CloudFolder(string root, AttemptKey key, uint? owner)
    {
        Path = System.IO.Path.Combine(root, key.ToString());
        _owner = owner;
        Remove();
        PrivateFiles.CreateFolder(Path, owner is null ? PrivateFiles.Private : PrivateFiles.Passage);
    }

    public string Path { get; }

    public void Write(string name, string content)
    {
        var path = System.IO.Path.Combine(Path, name);
        PrivateFiles.Write(path + ".next", Encoding.UTF8.GetBytes(content), _owner);
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
