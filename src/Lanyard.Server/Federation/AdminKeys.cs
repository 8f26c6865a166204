using System.Text;
using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Identity.Jose;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Audit;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Federation;

/// <summary>
/// The keys with which administrators sign their assertions. Each server makes one in its data directory at first start (0600), for the
/// CLI on that host; it proves possession by a signature and is never sent.
/// </summary>
internal sealed class AdminKeys(Database database, AuditLog audit, TrustRecordStore trust, TimeProvider time)
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
        var key = File.Exists(path) ? Read(path) : Create(path);
        if (await IsRetiredAsync(ClientId(key.Public), cancellation))
        {
            // It was removed, because it leaked perhaps: this host gets a new one, and the old file opens nothing.
            key.Dispose();
            File.Delete(path);
            key = Create(path);
        }

        using var disposing = key;
        var clientId = ClientId(key.Public);
        var added = new AdminKeyView(clientId, Environment.MachineName, time.GetUtcNow());
        await InsertAsync(added, key.Public, new AuditEvent("admin-key.add"), cancellation);
        return clientId;
    }

    public async Task<IReadOnlyList<AdminKeyView>> ListAsync(CancellationToken cancellation) => await database.QueryAsync(
        $"select client_id, host, created_at from admin_keys order by created_at, client_id",
        static row => new AdminKeyView(row.GetString(0), row.GetString(1), row.GetTime(2)),
        cancellation);

    /// <returns>It; or Conflict: it is there, or was removed before.</returns>
    public async Task<Outcome<AdminKeyView>> AddAsync(VerificationKey key, string name, AuditEvent about, CancellationToken cancellation)
    {
        var added = new AdminKeyView(ClientId(key), name, DateTimeOffset.FromUnixTimeMilliseconds(time.GetUtcNow().ToUnixTimeMilliseconds()));
        if (await IsRetiredAsync(added.Id, cancellation)) return new Refusal(RefusalReason.Conflict, "this key was removed once and is not taken again");
        return await InsertAsync(added, key, about, cancellation) ? added : new Refusal(RefusalReason.Conflict, $"{added.Id} is registered already");
    }

    /// <summary>Its tokens are dead from now on, on every replica. The last key stays: nobody could come in again.</summary>
    /// <returns>Its id; or NotFound, Conflict.</returns>
    public Task<Outcome<string>> RemoveAsync(string clientId, AuditEvent about, CancellationToken cancellation) => audit.ChangeAsync<string>(
        async transaction =>
        {
            var all = await transaction.QueryAsync($"select client_id from admin_keys order by client_id {database.ForUpdate}", static row => row.GetString(0), cancellation);
            if (!all.Contains(clientId, StringComparer.Ordinal)) return Http.Access.Missing($"no admin key {clientId}");
            if (all.Count == 1) return new Refusal(RefusalReason.Conflict, "the last admin key can't be removed: add another first");
            await transaction.ExecuteAsync($"delete from admin_keys where client_id = {clientId}", cancellation);
            await transaction.ExecuteAsync(
                $"insert into retired_admin_keys (client_id, retired_at) values ({clientId}, {time.GetUtcNow()}) on conflict do nothing", cancellation);
            transaction.OnCommitted(trust.Changed);
            return clientId;
        },
        gone => about with { Target = gone },
        cancellation);

    /// <returns>False where it is there already.</returns>
    private Task<bool> InsertAsync(AdminKeyView added, VerificationKey key, AuditEvent about, CancellationToken cancellation) => audit.RecordWithAsync(
        $"insert into admin_keys (client_id, jwk, host, created_at) values ({added.Id}, {Jwk(key)}, {added.Name}, {added.CreatedAt}) on conflict do nothing",
        added.Id,
        about with { Target = added.Id, Details = new Dictionary<string, string> { ["name"] = added.Name } },
        static () => { },
        cancellation);

    private async Task<bool> IsRetiredAsync(string clientId, CancellationToken cancellation) => await database.QuerySingleOrNullAsync(
        $"select client_id from retired_admin_keys where client_id = {clientId}", static row => row.GetString(0), cancellation) is not null;

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
