using System.Text;
using System.Text.Json;
using Lanyard.Identity.Jose;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Federation;

/// <summary>
/// The keys with which administrators sign their assertions. Each server makes one in its data directory at first start (0600), for the
/// CLI on that host; it proves possession by a signature and is never sent.
/// </summary>
internal sealed class AdminKeys(Database database, TimeProvider time)
{
    public const string FileName = "admin-key.pem";

    /// <summary>Client id of a key: <c>key_</c> and its RFC 7638 thumbprint.</summary>
    public static string ClientId(VerificationKey key) => "key_" + key.Thumbprint;

    /// <summary>Makes the key file if it is missing, and registers the key of this host.</summary>
    /// <returns>The client id.</returns>
    /// <exception cref="InvalidOperationException">The file is there and can't be read as a key.</exception>
    public async Task<string> EnsureAsync(string dataDirectory, CancellationToken cancellation)
    {
        var path = Path.Combine(dataDirectory, FileName);
        using var key = File.Exists(path) ? Read(path) : Create(path);
        var clientId = ClientId(key.Public);
        await database.ExecuteAsync(
            $"""
            insert into admin_keys (client_id, jwk, host, created_at) values ({clientId}, {Jwk(key.Public)}, {Environment.MachineName}, {time.GetUtcNow()})
            on conflict do nothing
            """,
            cancellation);
        return clientId;
    }

    public async Task<VerificationKey?> FindAsync(string clientId, CancellationToken cancellation)
    {
        var jwk = await database.QuerySingleOrNullAsync($"select jwk from admin_keys where client_id = {clientId}", row => row.GetString(0), cancellation);
        if (jwk is null) return null;
        using var document = JsonDocument.Parse(jwk);
        return VerificationKey.FromJwk(document.RootElement).Value;
    }

    internal static string Jwk(VerificationKey key)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer)) key.WriteTo(writer);
        return Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
    }

    private static SigningKey Read(string path)
    {
        var key = SigningKey.FromPem(File.ReadAllText(path));
        return key.IsRefused ? throw new InvalidOperationException($"{path}: {key.Refusal.Detail}") : key.Value;
    }

    private static SigningKey Create(string path)
    {
        var key = SigningKey.Generate(SignatureAlgorithm.ES256);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using var file = new FileStream(path, options);
        file.Write(Encoding.ASCII.GetBytes(key.ExportPem()));
        file.Flush(flushToDisk: true);
        return key;
    }
}
