using System.Data.Common;
using System.Text.Json;
using System.Text.Json.Serialization;
using Lanyard.Identity;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;
using Lanyard.Server.Audit;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Federation;

/// <param name="ConfirmedAt">When the cluster last said which keys it has.</param>
/// <param name="StaleSince">Since when that is in doubt; null: it is not.</param>
internal sealed record KeyFreshness(DateTimeOffset ConfirmedAt, DateTimeOffset? StaleSince);

/// <summary>The keys of records whose clusters push them: rows of <c>key_sets</c>, where <c>jwks</c> is always what is trusted now.</summary>
internal sealed class PushedKeyStore(Database database, AuditLog audit, TrustRecordStore records, TimeProvider time)
{
    /// <returns>Null where the record has no keys at all.</returns>
    public Task<PushedKeySet?> FindAsync(string recordId, CancellationToken cancellation) => FindAsync(database, recordId, default, cancellation);

    /// <summary>How far the keys of a record can be relied on; null where it has none.</summary>
    public Task<KeyFreshness?> FreshnessAsync(string recordId, CancellationToken cancellation) => database.QuerySingleOrNullAsync(
        $"select coalesce(confirmed_at, fetched_at), stale_since from key_sets where record = {recordId}",
        static row => new KeyFreshness(row.GetTime(0), row.IsDBNull(1) ? null : row.GetTime(1)),
        cancellation);

    /// <summary>Records whose keys nobody has confirmed since then and that are not known to be stale.</summary>
    public Task<List<string>> UnconfirmedSinceAsync(DateTimeOffset then, CancellationToken cancellation) => database.QueryAsync(
        $"select record from key_sets where stale_since is null and coalesce(confirmed_at, fetched_at) <= {then}", static row => row.GetString(0), cancellation);

    /// <param name="happened">Called right after the commit.</param>
    /// <returns>False where it was known already.</returns>
    public Task<bool> TryMarkStaleAsync(string recordId, AuditEvent alarm, Action happened, CancellationToken cancellation) => audit.RecordWithAsync(
        $"update key_sets set stale_since = {time.GetUtcNow()} where record = {recordId} and stale_since is null", recordId, alarm, happened, cancellation);

    /// <summary>Decides on the keys as they are, and keeps what was decided; nobody else decides meanwhile.</summary>
    /// <param name="told">What there is to record of it; null: nothing.</param>
    /// <param name="confirms">The cluster itself says which keys it has: if none of them waits, they are fresh.</param>
    /// <returns>Before and after; or the refusal, and then nothing is changed.</returns>
    public Task<Outcome<(PushedKeySet Before, PushedKeySet After)>> ChangeAsync(
        string recordId, Func<PushedKeySet, Outcome<PushedKeySet>> decide, Func<(PushedKeySet Before, PushedKeySet After), AuditEvent?> told, CancellationToken cancellation,
        bool confirms = false) =>
        audit.ChangeAsync(
            async Task<Outcome<(PushedKeySet Before, PushedKeySet After)>> (transaction) =>
            {
                if (await FindAsync(transaction, recordId, database.ForUpdate, cancellation) is not { } before)
                    return new Refusal(RefusalReason.IssuerUnknown, $"{recordId} has no keys");
                if (!decide(before).TryGet(out var after, out var refusal)) return refusal;
                if (confirms && after.Pending is null)
                    await transaction.ExecuteAsync($"update key_sets set confirmed_at = {time.GetUtcNow()}, stale_since = null where record = {recordId}", cancellation);
                // A push that says nothing new must not make every replica forget what it knows.
                if (after.IsSameAs(before)) return (before, after);
                await WriteAsync(transaction, recordId, after, cancellation);
                transaction.OnCommitted(records.Changed);
                return (before, after);
            },
            told,
            cancellation);

    /// <summary>Takes away keys whose last token is dead.</summary>
    public async Task SweepAsync(CancellationToken cancellation)
    {
        var ids = await database.QueryAsync($"select record from key_sets where pushed is not null", static row => row.GetString(0), cancellation);
        foreach (var id in ids)
        {
            var now = time.GetUtcNow();
            if (await FindAsync(id, cancellation) is { } keys && keys.Leaving.Any(leaving => leaving.Until <= now))
                await ChangeAsync(id, current => current with { Leaving = [.. current.Leaving.Where(leaving => leaving.Until > now)] }, static _ => null, cancellation);
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
