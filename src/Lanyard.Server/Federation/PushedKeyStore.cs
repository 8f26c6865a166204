using System.Data.Common;
using System.Text.Json;
using System.Text.Json.Serialization;
using Lanyard.Identity;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Federation;

/// <summary>The keys of records whose clusters push them: rows of <c>key_sets</c>, where <c>jwks</c> is always what is trusted now.</summary>
internal sealed class PushedKeyStore(Database database, TrustRecordStore records, TimeProvider time)
{
    /// <returns>Null where the record has no keys at all.</returns>
    public Task<PushedKeySet?> FindAsync(string recordId, CancellationToken cancellation) => FindAsync(database, recordId, default, cancellation);

    /// <summary>Decides on the keys as they are, and keeps what was decided; nobody else decides meanwhile.</summary>
    /// <returns>Before and after; or the refusal, and then nothing is changed.</returns>
    public Task<Outcome<(PushedKeySet Before, PushedKeySet After)>> ChangeAsync(
        string recordId, Func<PushedKeySet, Outcome<PushedKeySet>> decide, CancellationToken cancellation) =>
        database.TransactionAsync(
            async Task<Outcome<(PushedKeySet, PushedKeySet)>> (transaction) =>
            {
                if (await FindAsync(transaction, recordId, database.ForUpdate, cancellation) is not { } before)
                    return new Refusal(RefusalReason.IssuerUnknown, $"{recordId} has no keys");
                if (!decide(before).TryGet(out var after, out var refusal)) return refusal;
                await WriteAsync(transaction, recordId, after, cancellation);
                transaction.OnCommitted(records.Changed);
                return (before, after);
            },
            cancellation);

    /// <summary>Takes away keys whose last token is dead.</summary>
    public async Task SweepAsync(CancellationToken cancellation)
    {
        var ids = await database.QueryAsync($"select record from key_sets where pushed is not null", static row => row.GetString(0), cancellation);
        foreach (var id in ids)
        {
            var now = time.GetUtcNow();
            if (await FindAsync(id, cancellation) is { } keys && keys.Leaving.Any(leaving => leaving.Until <= now))
                await ChangeAsync(id, current => current with { Leaving = [.. current.Leaving.Where(leaving => leaving.Until > now)] }, cancellation);
        }
    }

    private Task<int> WriteAsync(Transaction transaction, string recordId, PushedKeySet keys, CancellationToken cancellation)
    {
        var now = time.GetUtcNow();
        var kept = new Kept(keys.Current.ToJson(), [.. keys.Leaving.Select(leaving => new KeptLeaving(leaving.Keys.ToJson(), leaving.Until))], keys.IsPendingProven);
        var json = JsonSerializer.Serialize(kept, PushedKeyJson.Default.Kept);
        return transaction.ExecuteAsync(
            $"update key_sets set jwks = {keys.TrustedAt(now).ToJson()}, pending = {keys.Pending?.ToJson()}, pushed = {json}, fetched_at = {now} where record = {recordId}",
            cancellation);
    }

    private static Task<PushedKeySet?> FindAsync(SqlExecutor executor, string recordId, SqlFragment behind, CancellationToken cancellation) =>
        executor.QuerySingleOrNullAsync($"select jwks, pending, pushed from key_sets where record = {recordId} {behind}", Read, cancellation);

    private static PushedKeySet Read(DbDataReader row)
    {
        var pending = row.GetStringOrNull(1) is { } text ? KeySet.Parse(text).Value : null;
        if (row.GetStringOrNull(2) is not { } json) return new PushedKeySet { Current = KeySet.Parse(row.GetString(0)).Value, Pending = pending };
        var kept = JsonSerializer.Deserialize(json, PushedKeyJson.Default.Kept)!;
        return new PushedKeySet
        {
            Current = KeySet.Parse(kept.Current).Value,
            Leaving = [.. kept.Leaving.Select(leaving => new LeavingKeys(KeySet.Parse(leaving.Jwks).Value, leaving.Until))],
            Pending = pending,
            IsPendingProven = kept.IsProven,
        };
    }

    internal sealed record Kept(string Current, IReadOnlyList<KeptLeaving> Leaving, bool IsProven);

    internal sealed record KeptLeaving(string Jwks, DateTimeOffset Until);
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(PushedKeyStore.Kept))]
internal sealed partial class PushedKeyJson : JsonSerializerContext;
