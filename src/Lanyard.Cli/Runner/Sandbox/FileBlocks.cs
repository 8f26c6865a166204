using System.Runtime.InteropServices;

namespace Lanyard.Cli.Runner.Sandbox;

/// <summary>What a file takes of the disk: holes count nothing. By statx(2), whose structure is the same on every processor.</summary>
internal static partial class FileBlocks
{
    private const int CurrentFolder = -100;
    private const int NoFollow = 0x100;
    private const uint TypeAndBlocks = 0x1 | 0x400;
    private const int BlockBytes = 512;
    private const int ModeOffset = 28;
    private const int BlocksOffset = 48;
    private const int TypeMask = 0xF000;
    private const int RegularFile = 0x8000;

    /// <summary>0 for what is no regular file, or is gone.</summary>
    /// <param name="follow">A link counts as what it leads to.</param>
    public static unsafe long BytesOf(string path, bool follow)
    {
        Span<byte> status = stackalloc byte[256];
        fixed (byte* buffer = status)
        {
            return Statx(CurrentFolder, path, follow ? 0 : NoFollow, TypeAndBlocks, buffer) == 0
                && (MemoryMarshal.Read<ushort>(status[ModeOffset..]) & TypeMask) == RegularFile
                ? MemoryMarshal.Read<long>(status[BlocksOffset..]) * BlockBytes
                : 0;
        }
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int Statx(int folder, string path, int flags, uint mask, byte* buffer);
}
