using System.Net;
using Npgsql;

namespace Lanyard.Server.Storage;

/// <summary>
/// Reads <c>postgres://user@host:port/name?sslmode=…&amp;sslrootcert=…&amp;sslcert=…&amp;sslkey=…&amp;host=/socket/folder</c>. A password has no place
/// in it: the database knows the server by a client certificate, by its socket, or by a PGPASSFILE of the operator.
/// </summary>
internal static class PostgresLocation
{
    private const string Scheme = "postgres";
    private const string LongScheme = "postgresql";

    public static bool IsPostgres(string location) =>
        location.StartsWith(Scheme + "://", StringComparison.Ordinal) || location.StartsWith(LongScheme + "://", StringComparison.Ordinal);

    /// <exception cref="StorageException">Every mistake in one message, without what a password might be.</exception>
    public static NpgsqlConnectionStringBuilder Parse(string location)
    {
        // System.Uri wants a host; libpq's form for a socket has none.
        if (!Uri.TryCreate(location.Replace(":///", "://localhost/", StringComparison.Ordinal), UriKind.Absolute, out var uri))
        {
            throw new StorageException("the database's location is no URL of the form postgres://user@host:port/name");
        }

        var mistakes = new List<string>();
        var builder = new NpgsqlConnectionStringBuilder
        {
            Host = uri.Host.Trim('[', ']'),
            Port = uri.IsDefaultPort || uri.Port < 0 ? 5432 : uri.Port,
            Database = Uri.UnescapeDataString(uri.AbsolutePath.TrimStart('/')),
            ApplicationName = "lanyard",
            MaxAutoPrepare = 256,
            AutoPrepareMinUsages = 2,
            // Nothing that we run leaves anything in a session; by default each use of one begins with seven statements that clear it. Transactions are undone all the same.
            NoResetOnClose = true,
            // Acknowledged means on disk, whatever the server's default.
            Options = "-c synchronous_commit=on",
        };
        ReadUser(builder, uri, mistakes);
        var explicitTls = ReadQuery(builder, uri, mistakes);
        if (builder.Database.Length == 0 || builder.Database.Contains('/', StringComparison.Ordinal))
        {
            mistakes.Add("path: one database name");
        }

        if (!explicitTls)
        {
            builder.SslMode = IsLocal(builder.Host) ? SslMode.Prefer : SslMode.VerifyFull;
        }

        return mistakes.Count == 0 ? builder : throw new StorageException("the database's location: " + string.Join("; ", mistakes));
    }

    private static void ReadUser(NpgsqlConnectionStringBuilder builder, Uri uri, List<string> mistakes)
    {
        if (uri.UserInfo.Contains(':', StringComparison.Ordinal))
        {
            mistakes.Add("password: none may be given here; use a client certificate, a socket, or PGPASSFILE");
        }
        else if (uri.UserInfo.Length > 0)
        {
            builder.Username = Uri.UnescapeDataString(uri.UserInfo);
        }
    }

    /// <returns>Whether <c>sslmode</c> was given.</returns>
    private static bool ReadQuery(NpgsqlConnectionStringBuilder builder, Uri uri, List<string> mistakes)
    {
        var explicitTls = false;
        foreach (var part in uri.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var at = part.IndexOf('=', StringComparison.Ordinal);
            var name = at < 0 ? part : part[..at];
            var value = at < 0 ? "" : Uri.UnescapeDataString(part[(at + 1)..]);
            explicitTls |= name == "sslmode";
            if (ReadOption(builder, name, value) is { } mistake)
            {
                mistakes.Add(mistake);
            }
        }

        return explicitTls;
    }

    private static string? ReadOption(NpgsqlConnectionStringBuilder builder, string name, string value)
    {
        switch (name)
        {
            case "host":
                builder.Host = value;
                return null;
            case "port" when ushort.TryParse(value, out var port):
                builder.Port = port;
                return null;
            case "user":
                builder.Username = value;
                return null;
            case "sslrootcert":
                builder.RootCertificate = value;
                return null;
            case "sslcert":
                builder.SslCertificate = value;
                return null;
            case "sslkey":
                builder.SslKey = value;
                return null;
            case "pool" when int.TryParse(value, out var size) && size is >= 2 and <= 1000:
                builder.MaxPoolSize = size;
                return null;
            case "sslmode" when TlsModeOf(value) is { } mode:
                builder.SslMode = mode;
                return null;
            case "password":
                return "password: none may be given here; use a client certificate, a socket, or PGPASSFILE";
            case "port" or "pool" or "sslmode":
                return $"{name}: not a value that it takes";
            default:
                return $"{name}: unknown (known: host, port, user, sslmode, sslrootcert, sslcert, sslkey, pool)";
        }
    }

    private static SslMode? TlsModeOf(string value) => value switch
    {
        "disable" => SslMode.Disable,
        "prefer" => SslMode.Prefer,
        "require" => SslMode.Require,
        "verify-ca" => SslMode.VerifyCA,
        "verify-full" => SslMode.VerifyFull,
        _ => null,
    };

    private static bool IsLocal(string? host) =>
        host is null or "localhost" || host.StartsWith('/') || (IPAddress.TryParse(host, out var address) && IPAddress.IsLoopback(address));
}
