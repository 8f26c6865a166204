using System.Net.Security;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Lanyard.ClusterProxy.Tls;

/// <summary>
/// OpenSSL keeps 17 KiB to read into and 17 KiB to write from for each connection, for as long as it lives; with SSL_MODE_RELEASE_BUFFERS it has them only
/// while a record is on its way. A proxy of thousands of idle watches needs that, and .NET has no option for it, so the mode is set on the connection's
/// OpenSSL object. Where that is not found (another runtime, another TLS library) nothing is changed: the connection works as well and takes more memory.
/// </summary>
internal static partial class TlsBuffers
{
    private const int ControlMode = 33;
    private const int ModeReleaseBuffers = 0x10;

    // Only of this library is known what the object is that the handle points to.
    private const int KnownMajor = 3;
    private const string Library = "libssl.so.3";

    private static readonly FieldInfo? Context = typeof(SslStream).GetField("_securityContext", BindingFlags.Instance | BindingFlags.NonPublic);
    private static readonly bool IsKnown = OperatingSystem.IsLinux() && SafeEvpPKeyHandle.OpenSslVersion >> 28 == KnownMajor && NativeLibrary.TryLoad(Library, out _);

    /// <summary>Buffers are held only while they are needed, from the next record on; after the handshake.</summary>
    /// <returns>False where nothing could be changed.</returns>
    public static bool ReleaseWhenIdle(SslStream stream)
    {
        if (!IsKnown || Context?.GetValue(stream) is not SafeHandle { IsInvalid: false } connection || connection.GetType().Name != "SafeSslHandle")
        {
            return false;
        }

        return (Control(connection, ControlMode, ModeReleaseBuffers, 0) & ModeReleaseBuffers) != 0;
    }

    // The marshaller holds the handle, so that the connection is not freed meanwhile.
    [LibraryImport(Library, EntryPoint = "SSL_ctrl")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint Control(SafeHandle connection, int command, nint value, nint pointer);
}
