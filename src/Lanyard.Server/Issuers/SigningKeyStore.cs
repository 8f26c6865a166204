using System.Data.Common;
using System.Security.Cryptography;
using System.Text.Json;
using Lanyard.Identity.Jose;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Issuers;

/// <summary>The table <c>signing_keys</c>. Private keys cross its border encrypted.</summary>
internal sealed class SigningKeyStore(Database database, KeyEncryption encryption)
{
    public async Task<IReadOnlyList<StoredKey>> ListAsync(string owner, CancellationToken cancellation) =>
        await database.QueryAsync(
            $"select kid, owner, state, private_key, published_at, active_at, retired_at from signing_keys where owner = {owner} order by published_at, kid",
            Read,
            cancellation);

    public async Task<IReadOnlyList<string>> OwnersAsync(CancellationToken cancellation) =>
        await database.QueryAsync($"select distinct owner from signing_keys", row => row.GetString(0), cancellation);

    /// <summary>Publishes a key as next.</summary>
    /// <returns>False where another replica has already published one.</returns>
    public async Task<bool> AddNextAsync(string owner, SigningKey key, DateTimeOffset now, CancellationToken cancellation)
    {
        var pkcs8 = key.ExportPkcs8();
        var box = Convert.ToBase64String(encryption.Encrypt(pkcs8, owner, key.KeyId));
        CryptographicOperations.ZeroMemory(pkcs8);
        var added = await database.ExecuteAsync(
            $"""
            insert into signing_keys (kid, owner, algorithm, state, private_key, public_key, published_at)
            values ({key.KeyId}, {owner}, {key.Algorithm.Name()}, 'next', {box}, {Jwk(key.Public)}, {now.ToUnixTimeMilliseconds()})
            on conflict do nothing
            """,
            cancellation);
        return added == 1;
    }

    /// <summary>In one transaction: what was active is retired, the next key signs.</summary>
    public Task ActivateAsync(string owner, string kid, SignatureAlgorithm algorithm, DateTimeOffset now, CancellationToken cancellation)
    {
        var at = now.ToUnixTimeMilliseconds();
        return database.TransactionAsync(
            async transaction =>
            {
                var present = await transaction.QueryAsync(
                    $"select kid from signing_keys where kid = {kid} and owner = {owner} and state = 'next'", row => row.GetString(0), cancellation);
                if (present.Count == 0) return 0;   // another replica was first
                await transaction.ExecuteAsync(
                    $"update signing_keys set state = 'retired', retired_at = {at} where owner = {owner} and algorithm = {algorithm.Name()} and state = 'active'", cancellation);
                return await transaction.ExecuteAsync($"update signing_keys set state = 'active', active_at = {at} where kid = {kid}", cancellation);
            },
            cancellation);
    }

    public Task RemoveAsync(string owner, string kid, CancellationToken cancellation) =>
        database.ExecuteAsync($"delete from signing_keys where kid = {kid} and owner = {owner} and state = 'retired'", cancellation);

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
