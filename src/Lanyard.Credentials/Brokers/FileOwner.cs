using System.Runtime.InteropServices;

namespace Lanyard.Credentials.Brokers;

/// <summary>Whose a file is, by statx(2), whose structure is the same on every processor.</summary>
internal static partial class FileOwner
{
    private const int CurrentFolder = -100;
    private const int NoFollow = 0x100;
    private const uint Uid = 0x8;
    private const int UidOffset = 20;

    /// <summary>False also where nobody can tell: no such file, or no Linux.</summary>
    public static unsafe bool IsMe(string path)
    {
        if (!OperatingSystem.IsLinux()) return false;
        Span<byte> status = stackalloc byte[256];
        fixed (byte* buffer = status)
        {
            return Statx(CurrentFolder, path, NoFollow, Uid, buffer) == 0 && MemoryMarshal.Read<uint>(status[UidOffset..]) == EffectiveUser();
        }
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int Statx(int folder, string path, int flags, uint mask, byte* buffer);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    private static partial uint EffectiveUser();
}
