using System.Runtime.InteropServices;

namespace Lanyard.ClusterProxy.Tls;

/// <summary>
/// OpenSSL's memory comes from the C library, and glibc gives up to eight heaps a core to threads that ask at the same time. Connections are made on one thread and freed on another,
/// so each heap grows to what all connections together once needed of it and returns little: over an hour of watches that come and go that is tens of megabytes.
/// </summary>
internal static partial class NativeHeaps
{
    private const int ArenaMax = -8; // M_ARENA_MAX of malloc.h

    /// <summary>
    /// From here on no further heaps where there are as many as cores (two at least): what the runtime's own first threads have stays. <c>MALLOC_ARENA_MAX</c> wins.
    /// </summary>
    public static void Limit()
    {
        if (!OperatingSystem.IsLinux() || Environment.GetEnvironmentVariable("MALLOC_ARENA_MAX") is not null)
        {
            return;
        }

        try
        {
            _ = SetOption(ArenaMax, Math.Max(2, Environment.ProcessorCount));
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            // Another C library (musl), which has one heap.
        }
    }

    [LibraryImport("libc", EntryPoint = "mallopt")]
    private static partial int SetOption(int option, int value);
}
