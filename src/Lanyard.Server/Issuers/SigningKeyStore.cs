using System.Data.Common;
using System.Security.Cryptography;
using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Identity.Jose;
using Lanyard.Server.Audit;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Issuers;

/// <summary>The table <c>signing_keys</c>. Private keys cross its border encrypted; each step of a key's life is an event of the audit, whoever or whatever made it.</summary>
internal sealed class SigningKeyStore(Database database, AuditLog audit, KeyEncryption encryption)
{
    public async Task<IReadOnlyList<StoredKey>> ListAsync(string owner, CancellationToken cancellation) =>
        await database.QueryAsync(
            $"select kid, owner, state, private_key, published_at, active_at, retired_at from signing_keys where owner = {owner} order by published_at, kid",
            Read,
            cancellation);

    public async Task<IReadOnlyList<string>> OwnersAsync(CancellationToken cancellation) =>
        await database.QueryAsync($"select distinct owner from signing_keys", row => row.GetString(0), cancellation);

    /// <summary>Publishes a key as next.</summary>
    /// <param name="about">Who wants it.</param>
    /// <returns>False where another replica has already published one.</returns>
    public Task<bool> AddNextAsync(string owner, SigningKey key, DateTimeOffset now, AuditEvent about, CancellationToken cancellation)
    {
        var pkcs8 = key.ExportPkcs8();
        var box = Convert.ToBase64String(encryption.Encrypt(pkcs8, owner, key.KeyId));
        CryptographicOperations.ZeroMemory(pkcs8);
        return audit.RecordWithAsync(
            $"""
            insert into signing_keys (kid, owner, algorithm, state, private_key, public_key, published_at)
            values ({key.KeyId}, {owner}, {key.Algorithm.Name()}, 'next', {box}, {Jwk(key.Public)}, {now.ToUnixTimeMilliseconds()})
            on conflict do nothing
            """,
            key.KeyId,
            Step(about, owner, key.KeyId, "published"),
            static () => { },
            cancellation);
    }

    /// <summary>In one transaction: what was active is retired, the next key signs.</summary>
    public Task ActivateAsync(string owner, string kid, SignatureAlgorithm algorithm, DateTimeOffset now, AuditEvent about, CancellationToken cancellation)
    {
        var at = now.ToUnixTimeMilliseconds();
        return audit.ChangeAsync<string>(
            async transaction =>
            {
                var present = await transaction.QueryAsync(
                    $"select kid from signing_keys where kid = {kid} and owner = {owner} and state = 'next'", row => row.GetString(0), cancellation);
                if (present.Count == 0) return new Refusal(RefusalReason.Conflict, $"another replica was first to activate {kid}");
                await transaction.ExecuteAsync(
                    $"update signing_keys set state = 'retired', retired_at = {at} where owner = {owner} and algorithm = {algorithm.Name()} and state = 'active'", cancellation);
                await transaction.ExecuteAsync($"update signing_keys set state = 'active', active_at = {at} where kid = {kid}", cancellation);
                return kid;
            },
            _ => Step(about, owner, kid, "activated"),
            cancellation);
    }

    public Task RemoveAsync(string owner, string kid, AuditEvent about, CancellationToken cancellation) => audit.RecordWithAsync(
        $"delete from signing_keys where kid = {kid} and owner = {owner} and state = 'retired'", kid, Step(about, owner, kid, "removed"), static () => { }, cancellation);

    private static AuditEvent Step(AuditEvent about, string owner, string kid, string step) => about with
    {
        WorkspaceId = owner == KeyRing.InstanceOwner ? null : owner,
        Target = kid,
        Details = new Dictionary<string, string>(StringComparer.Ordinal) { ["step"] = step },
    };

    private StoredKey Read(DbDataReader row)
    {
        var (kid, owner) = (row.GetString(0), row.GetString(1));
        var pkcs8 = encryption.Decrypt(Convert.FromBase64String(row.GetString(3)), owner, kid);
        var key = SigningKey.FromPkcs8(pkcs8).Value;
        CryptographicOperations.ZeroMemory(pkcs8);
        return new StoredKey(key, new KeyAge(kid, row.GetString(2), Time(row, 4)!.Value, Time(row, 5), Time(row, 6)));
    }

    private static DateTimeOffset? Time(DbDataReader row, int column) =>
        row.IsDBNull(column) ? null : DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(column));

    private static string Jwk(VerificationKey key)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer)) key.WriteTo(writer);
        return System.Text.Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
    }
}
