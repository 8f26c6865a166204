using System.Security.Cryptography;

namespace Lanyard.Cli.Runner.Clouds;

/// <summary>
/// A folder of the runner's in memory, so that no token reaches a disk: below /dev/shm where that is a tmpfs, else in the work folder. Its name
/// is random (anybody may make folders beside it) and is kept in the work folder, so that what a killed runner left can be cleared away.
/// </summary>
internal static class MemoryFolder
{
    private const string Shared = "/dev/shm";
    private const string Prefix = "lanyard-";

    /// <param name="root">The runner's work folder.</param>
    public static string Open(string root)
    {
        var note = Path.Combine(root, "memory");
        if (File.Exists(note) && File.ReadAllText(note) is { } left && IsOurs(left) && Directory.Exists(left))
        {
            Directory.Delete(left, recursive: true);
        }

        var inWork = Path.Combine(root, "clouds");
        if (Directory.Exists(inWork))
        {
            Directory.Delete(inWork, recursive: true);
        }

        var path = IsInMemory() ? Path.Combine(Shared, Prefix + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16))) : inWork;
        PrivateFiles.Write(note, System.Text.Encoding.UTF8.GetBytes(path), owner: null);
        PrivateFiles.CreateFolder(path, PrivateFiles.Passage);
        return path;
    }

    private static bool IsOurs(string path) => Path.GetDirectoryName(path) == Shared && Path.GetFileName(path).StartsWith(Prefix, StringComparison.Ordinal);

    private static bool IsInMemory()
    {
        try
        {
            return new DriveInfo(Shared).DriveFormat == "tmpfs";
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
