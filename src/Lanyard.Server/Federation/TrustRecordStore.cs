using System.Data.Common;
using Lanyard.Identity;
using Lanyard.Server.Audit;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Federation;

/// <summary>A row of <c>trust_records</c>.</summary>
/// <param name="Kind"><c>issuer</c> (a trusted issuer of a workspace or the instance) or <c>cluster</c>.</param>
/// <param name="SpecJson">A <see cref="Protocol.Resources.TrustedIssuerSpec"/>.</param>
internal sealed record TrustRecord(
    string Id, string? WorkspaceId, string Kind, string Slug, string Issuer, string SpecJson, long Version, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt)
{
    public const string IssuerKind = "issuer";
    public const string ClusterKind = "cluster";
}

/// <summary>A row of <c>key_sets</c>: the keys that a record had last, so that a restart during an issuer's outage changes nothing.</summary>
internal sealed record StoredKeySet(string RecordId, string Jwks, string? Pending, DateTimeOffset FetchedAt);

/// <summary>The tables <c>trust_records</c> and <c>key_sets</c>.</summary>
internal sealed class TrustRecordStore(Database database, AuditLog audit)
{
    /// <summary>Notification on which every replica reads trust anew.</summary>
    public const string Channel = "trust";

    private static readonly Refusal ChangedMeanwhile = new(RefusalReason.PreconditionFailed, "it was changed at the same moment");

    public Task<List<TrustRecord>> ListAsync(CancellationToken cancellation) =>
        database.QueryAsync(
            $"select id, workspace, kind, slug, issuer, spec, version, created_at, updated_at from trust_records order by created_at, id", Read, cancellation);

    public Task<TrustRecord?> FindAsync(string? workspaceId, string kind, string slug, CancellationToken cancellation) =>
        database.QuerySingleOrNullAsync(
            $"""
            select id, workspace, kind, slug, issuer, spec, version, created_at, updated_at from trust_records
            where coalesce(workspace, '') = {workspaceId ?? ""} and kind = {kind} and slug = {slug}
            """,
            Read,
            cancellation);

    /// <summary>Whether a policy of that place can mean a record by this name: its workspace's own, or the instance's. Asked of the database, because another replica may have made it just now.</summary>
    public async Task<bool> IsThereAsync(string? workspaceId, string policyName, CancellationToken cancellation)
    {
        var (kind, slug) = policyName.StartsWith(KnownIssuer.ClusterPrefix, StringComparison.Ordinal)
            ? (TrustRecord.ClusterKind, policyName[KnownIssuer.ClusterPrefix.Length..])
            : (TrustRecord.IssuerKind, policyName);
        return await FindAsync(workspaceId, kind, slug, cancellation) is not null
            || (workspaceId is not null && await FindAsync(null, kind, slug, cancellation) is not null);
    }

    /// <returns>It; or PreconditionFailed (the slug is taken), NotFound (the workspace has gone).</returns>
    public async Task<Outcome<TrustRecord>> AddAsync(TrustRecord record, string? jwks, AuditEvent about, CancellationToken cancellation)
    {
        try
        {
            return await audit.ChangeAsync<TrustRecord>(
                async transaction =>
                {
                    await AddAsync(transaction, record, jwks, cancellation);
                    return record;
                },
                _ => about,
                cancellation);
        }
        catch (ConstraintViolationException e)
        {
            return e.Kind == ConstraintKind.Unique ? ChangedMeanwhile : Http.Access.Missing($"workspace {record.WorkspaceId} is gone");
        }
    }

    /// <summary>As part of a larger change: a cluster and its trust record come together.</summary>
    /// <exception cref="ConstraintViolationException">The slug is taken.</exception>
    public async Task AddAsync(Transaction transaction, TrustRecord record, string? jwks, CancellationToken cancellation)
    {
        await transaction.ExecuteAsync(
            $"""
            insert into trust_records (id, workspace, kind, slug, issuer, spec, version, created_at, updated_at)
            values ({record.Id}, {record.WorkspaceId}, {record.Kind}, {record.Slug}, {record.Issuer}, {record.SpecJson}, {record.Version}, {record.CreatedAt}, {record.UpdatedAt})
            """,
            cancellation);
        if (jwks is not null) await PutKeysAsync(transaction, new StoredKeySet(record.Id, jwks, null, record.UpdatedAt), cancellation);
        transaction.OnCommitted(Changed);
    }

    /// <returns>It; or PreconditionFailed: the version is no longer <paramref name="expected"/>.</returns>
    public Task<Outcome<TrustRecord>> ReplaceAsync(TrustRecord record, long expected, string? jwks, AuditEvent about, CancellationToken cancellation) =>
        audit.ChangeAsync<TrustRecord>(
            async transaction =>
            {
                var changed = await transaction.ExecuteAsync(
                    $"""
                    update trust_records set issuer = {record.Issuer}, spec = {record.SpecJson}, version = {record.Version}, updated_at = {record.UpdatedAt}
                    where id = {record.Id} and version = {expected}
                    """,
                    cancellation);
                if (changed == 0) return ChangedMeanwhile;
                // Keys of the old spec must not serve the new one.
                await transaction.ExecuteAsync($"delete from key_sets where record = {record.Id}", cancellation);
                if (jwks is not null) await PutKeysAsync(transaction, new StoredKeySet(record.Id, jwks, null, record.UpdatedAt), cancellation);
                transaction.OnCommitted(Changed);
                return record;
            },
            _ => about,
            cancellation);

    /// <returns>Its id; or PreconditionFailed: the version is no longer <paramref name="expected"/>.</returns>
    public Task<Outcome<string>> DeleteAsync(string id, long expected, AuditEvent about, CancellationToken cancellation) => audit.ChangeAsync<string>(
        async transaction =>
        {
            if (await transaction.ExecuteAsync($"delete from trust_records where id = {id} and version = {expected}", cancellation) == 0) return ChangedMeanwhile;
            transaction.OnCommitted(Changed);
            return id;
        },
        _ => about,
        cancellation);

    /// <summary>Adds or replaces a record by id, as part of a larger change.</summary>
    public async Task PutAsync(Transaction transaction, TrustRecord record, string? jwks, CancellationToken cancellation)
    {
        await transaction.ExecuteAsync($"delete from key_sets where record = {record.Id}", cancellation);
        await transaction.ExecuteAsync($"delete from trust_records where id = {record.Id}", cancellation);
        await AddAsync(transaction, record, jwks, cancellation);
    }

    public async Task RemoveAsync(Transaction transaction, string id, CancellationToken cancellation)
    {
        await transaction.ExecuteAsync($"delete from key_sets where record = {id}", cancellation);
        await transaction.ExecuteAsync($"delete from trust_records where id = {id}", cancellation);
        transaction.OnCommitted(Changed);
    }

    public Task<StoredKeySet?> FindKeysAsync(string recordId, CancellationToken cancellation) =>
        database.QuerySingleOrNullAsync($"select record, jwks, pending, fetched_at from key_sets where record = {recordId}", ReadKeys, cancellation);

    public Task PutKeysAsync(StoredKeySet keys, CancellationToken cancellation) => PutKeysAsync(database, keys, cancellation);

    /// <summary>After a fetch. A record that was removed meanwhile, or is for another issuer now, keeps nothing; what is pending stays.</summary>
    public Task KeepFetchedAsync(string recordId, string issuer, string jwks, DateTimeOffset fetchedAt, CancellationToken cancellation) =>
        database.ExecuteAsync(
            $"""
            insert into key_sets (record, jwks, pending, fetched_at)
            select id, {jwks}, null, {fetchedAt} from trust_records where id = {recordId} and issuer = {issuer}
            on conflict (record) do update set jwks = excluded.jwks, fetched_at = excluded.fetched_at, stale_since = null
            """,
            cancellation);

    public void Changed() => database.Notifications.Publish(Channel, "changed");

    private static Task<int> PutKeysAsync(SqlExecutor executor, StoredKeySet keys, CancellationToken cancellation) =>
        executor.ExecuteAsync(
            $"""
            insert into key_sets (record, jwks, pending, fetched_at, confirmed_at) values ({keys.RecordId}, {keys.Jwks}, {keys.Pending}, {keys.FetchedAt}, {keys.FetchedAt})
            on conflict (record) do update set
                jwks = excluded.jwks, pending = excluded.pending, fetched_at = excluded.fetched_at, confirmed_at = excluded.confirmed_at, stale_since = null
            """,
            cancellation);

    private static TrustRecord Read(DbDataReader row) => new(
        row.GetString(0), row.GetStringOrNull(1), row.GetString(2), row.GetString(3), row.GetString(4), row.GetString(5), row.GetInt64(6), row.GetTime(7), row.GetTime(8));

    private static StoredKeySet ReadKeys(DbDataReader row) => new(row.GetString(0), row.GetString(1), row.GetStringOrNull(2), row.GetTime(3));
}
