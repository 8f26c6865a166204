using System.Data.Common;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Lanyard.Server.Storage;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace Lanyard.Server;

/// <summary>What keeps a server from starting, in one line for whoever typed the command: which option it is about, and what would help.</summary>
internal static class StartFault
{
    /// <summary>Null for what is no operator's mistake and no outage: a bug, which ends the process with all that it knows.</summary>
    public static string? Words(Exception exception) => exception switch
    {
        StorageException or InvalidOperationException or IOException or SocketException or UnauthorizedAccessException => exception.Message,
        DbException => $"the database of --database can't be used: {DatabaseFault.Words(exception)}",
        CryptographicException => "the signing keys in the database can't be read with key-encryption.key of the data directory: the two belong together, and one of them is another installation's or was changed",
        _ => null,
    };

    /// <exception cref="InvalidOperationException">It can't be made, or is a file.</exception>
    public static string MakeDataDirectory(string folder)
    {
        try
        {
            return Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InvalidOperationException($"--data-dir {folder}: {exception.Message}", exception);
        }
    }

    /// <summary>IPPROTO_TCP, and TCP_NOTSENT_LOWAT of Linux (tcp(7)), which every connection that is accepted inherits.</summary>
    private const int TcpLevel = 6;

    private const int NotSentLowWater = 25;

    /// <summary>
    /// Bytes for a client that the kernel keeps because they may not be sent yet: it kept up to four MiB for each, which went through memory instead of the
    /// processor's caches when many read at once. What is on its way already does not count, so far clients lose nothing.
    /// </summary>
    private const int MostNotSent = 512 * 1024;

    /// <summary>
    /// The address to listen on, taken before anything is begun: nobody else gets it while the database is brought up to date. Port 0 becomes a free one
    /// here: the URL is needed before the listening starts, because it is in every token.
    /// </summary>
    /// <returns>Bound, not listening.</returns>
    /// <exception cref="InvalidOperationException">It is somebody else's.</exception>
    public static Socket Reserve(IPEndPoint listen)
    {
        try
        {
            var door = SocketTransportOptions.CreateDefaultBoundListenSocket(listen);
            if (OperatingSystem.IsLinux()) door.SetRawSocketOption(TcpLevel, NotSentLowWater, BitConverter.GetBytes(MostNotSent));
            return door;
        }
        catch (SocketException exception)
        {
            var hint = exception.SocketErrorCode == SocketError.AddressAlreadyInUse ? ": another process listens there (a server that still runs?); end it, or choose another port" : "";
            throw new InvalidOperationException($"--listen {listen}: {exception.Message}{hint}", exception);
        }
    }
}
