using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Lanyard.Cli.Runner;

/// <summary>Files and folders whose mode and owner matter: made with their final mode, never widened for a moment.</summary>
internal static partial class PrivateFiles
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode OwnerFolder = OwnerOnly | UnixFileMode.UserExecute;

    /// <summary>Mode 0700.</summary>
    public const UnixFileMode Private = OwnerFolder;

    /// <summary>Mode 0711: others may go through to a name they know, and may not list.</summary>
    public const UnixFileMode Passage = OwnerFolder | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    /// <summary>Mode 0750, and what is made inside has the folder's group.</summary>
    public const UnixFileMode GroupFolder = OwnerFolder | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.SetGroup;

    /// <summary>Mode 0770, and what is made inside has the folder's group.</summary>
    public const UnixFileMode SharedFolder = GroupFolder | UnixFileMode.GroupWrite;

    /// <summary>Mode 0660.</summary>
    public const UnixFileMode SharedFile = OwnerOnly | UnixFileMode.GroupRead | UnixFileMode.GroupWrite;

    /// <summary>Mode 0640.</summary>
    public const UnixFileMode GroupFile = OwnerOnly | UnixFileMode.GroupRead;

    /// <summary>Creates an empty file of mode 0600, open for reading and writing by this process and for reading by no other.</summary>
    public static FileStream Create(string path) => new(path, new FileStreamOptions
    {
        Mode = FileMode.Create,
        Access = FileAccess.ReadWrite,
        Share = FileShare.Read,
        UnixCreateMode = OwnerOnly,
        BufferSize = 0,
    });

    public static void CreateFolder(string path, UnixFileMode mode = OwnerFolder)
    {
        Directory.CreateDirectory(path, mode);
        File.SetUnixFileMode(path, mode); // the umask may have narrowed it, an older start widened it
    }

    /// <summary>Writes a file of mode 0600 that belongs to <paramref name="owner"/> (null: to this process).</summary>
    public static void Write(string path, ReadOnlySpan<byte> content, uint? owner)
    {
        using (var file = Create(path))
        {
            file.Write(content);
        }

        if (owner is { } uid)
        {
            GiveTo(path, uid);
        }
    }

    /// <exception cref="Win32Exception">The process may not give files away.</exception>
    public static void GiveTo(string path, uint uid)
    {
        if (ChangeOwner(path, uid, uid) != 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError(), $"chown of {path}");
        }
    }

    /// <summary>
    /// Reads a regular file in a folder that somebody less trusted may write: a symbolic link there would lead to what this process may read and they may not, and a pipe would
    /// never end. Null where it is anything else, or longer.
    /// </summary>
    public static byte[]? ReadOfAnother(string path, int most)
    {
        const int NoFollow = 0x20000 | 0x800 | 0x80000; // O_NOFOLLOW, O_NONBLOCK, O_CLOEXEC on Linux x64
        const int NoFollowArm = 0x8000 | 0x800 | 0x80000;
        var descriptor = Open(path, RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm ? NoFollowArm : NoFollow);
        if (descriptor < 0)
        {
            return null;
        }

        using var file = new Microsoft.Win32.SafeHandles.SafeFileHandle(descriptor, ownsHandle: true);
        try
        {
            var length = RandomAccess.GetLength(file);
            var bytes = new byte[length <= most ? length : 0];
            return length <= most && RandomAccess.Read(file, bytes, 0) == length ? bytes : null;
        }
        catch (Exception exception) when (exception is NotSupportedException or IOException or UnauthorizedAccessException)
        {
            return null; // a pipe, a folder
        }
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "lchown", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int ChangeOwner(string path, uint uid, uint gid);
}
