using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Lanyard.Cli.Runner.Pods;

/// <summary>Named pipes (mkfifo) between the containers of a pod. Opening one end waits for the other: such waits have threads of their own.</summary>
internal static partial class NamedPipe
{
    private const uint ReadableAndWritableByGroup = 0b110_110_000;

    /// <summary>Mode 0660: the other container has the group, if not the uid.</summary>
    public static void Make(string path)
    {
        File.Delete(path);
        if (MakeFifo(path, ReadableAndWritableByGroup) != 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError(), $"mkfifo {path}");
        }

        File.SetUnixFileMode(path, (UnixFileMode)ReadableAndWritableByGroup); // the umask may have narrowed it
    }

    /// <summary>Both ends at once: never waits, and the other side sees the end when this is disposed.</summary>
    public static FileStream OpenBoth(string path) => Open(path, FileAccess.ReadWrite);

    /// <summary>Waits until somebody writes.</summary>
    public static FileStream OpenForReading(string path) => Open(path, FileAccess.Read);

    /// <summary>Ends the wait of whoever waits to read: it finds an empty pipe at its end.</summary>
    public static void Release(string path) => OpenBoth(path).Dispose();

    private static FileStream Open(string path, FileAccess access) => new(path, new FileStreamOptions
    {
        Mode = FileMode.Open,
        Access = access,
        Share = FileShare.ReadWrite | FileShare.Delete, // no locks: the other end is another process
        BufferSize = 0,
    });

    [LibraryImport("libc", EntryPoint = "mkfifo", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MakeFifo(string path, uint mode);
}
