using System.Data.Common;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Federation;

/// <summary>A row of <c>trust_policies</c>.</summary>
/// <param name="SpecJson">The document, as <see cref="Identity.Trust.TrustPolicy"/> reads it.</param>
internal sealed record TrustPolicyRecord(
    string Id, string? WorkspaceId, string? CollectionId, string Slug, string SpecJson, long Version, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt);

/// <summary>The table <c>trust_policies</c>.</summary>
internal sealed class TrustPolicyStore(Database database)
{
    public Task<List<TrustPolicyRecord>> ListAsync(CancellationToken cancellation) =>
        database.QueryAsync(
            $"select id, workspace, collection, slug, spec, version, created_at, updated_at from trust_policies order by created_at, id", Read, cancellation);

    public async Task<bool> AddAsync(TrustPolicyRecord policy, CancellationToken cancellation)
    {
        var added = await database.ExecuteAsync(
            $"""
            insert into trust_policies (id, workspace, collection, slug, spec, version, created_at, updated_at)
            values ({policy.Id}, {policy.WorkspaceId}, {policy.CollectionId}, {policy.Slug}, {policy.SpecJson}, {policy.Version}, {policy.CreatedAt}, {policy.UpdatedAt})
            on conflict do nothing
            """,
            cancellation);
        Changed();
        return added == 1;
    }

    /// <returns>False where the version is no longer <paramref name="expected"/>.</returns>
    public async Task<bool> ReplaceAsync(TrustPolicyRecord policy, long expected, CancellationToken cancellation)
    {
        var changed = await database.ExecuteAsync(
            $"""
            update trust_policies set collection = {policy.CollectionId}, spec = {policy.SpecJson}, version = {policy.Version}, updated_at = {policy.UpdatedAt}
            where id = {policy.Id} and version = {expected}
            """,
            cancellation);
        Changed();
        return changed == 1;
    }

    public async Task<bool> DeleteAsync(string id, long expected, CancellationToken cancellation)
    {
        var gone = await database.ExecuteAsync($"delete from trust_policies where id = {id} and version = {expected}", cancellation);
        Changed();
        return gone == 1;
    }

    private void Changed() => database.Notifications.Publish(TrustRecordStore.Channel, "policies");

    private static TrustPolicyRecord Read(DbDataReader row) => new(
        row.GetString(0), row.GetStringOrNull(1), row.GetStringOrNull(2), row.GetString(3), row.GetString(4), row.GetInt64(5), row.GetTime(6), row.GetTime(7));
}
