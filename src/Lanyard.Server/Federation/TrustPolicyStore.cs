using System.Data.Common;
using Lanyard.Server.Audit;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Federation;

/// <summary>A row of <c>trust_policies</c>.</summary>
/// <param name="SpecJson">The document, as <see cref="Identity.Trust.TrustPolicy"/> reads it.</param>
internal sealed record TrustPolicyRecord(
    string Id, string? WorkspaceId, string? CollectionId, string Slug, string SpecJson, long Version, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt);

/// <summary>The table <c>trust_policies</c>.</summary>
internal sealed class TrustPolicyStore(Database database, AuditLog audit)
{
    public Task<List<TrustPolicyRecord>> ListAsync(CancellationToken cancellation) =>
        database.QueryAsync(
            $"select id, workspace, collection, slug, spec, version, created_at, updated_at from trust_policies order by created_at, id", Read, cancellation);

    /// <returns>False where the slug is taken, or its workspace or collection has gone.</returns>
    public Task<bool> AddAsync(TrustPolicyRecord policy, AuditEvent about, CancellationToken cancellation) => WriteAsync(
        policy,
        $"""
        insert into trust_policies (id, workspace, collection, slug, spec, version, created_at, updated_at)
        values ({policy.Id}, {policy.WorkspaceId}, {policy.CollectionId}, {policy.Slug}, {policy.SpecJson}, {policy.Version}, {policy.CreatedAt}, {policy.UpdatedAt})
        on conflict do nothing
        """,
        about, cancellation);

    /// <returns>False where the version is no longer <paramref name="expected"/>, or its collection has gone.</returns>
    public Task<bool> ReplaceAsync(TrustPolicyRecord policy, long expected, AuditEvent about, CancellationToken cancellation) => WriteAsync(
        policy,
        $"""
        update trust_policies set collection = {policy.CollectionId}, spec = {policy.SpecJson}, version = {policy.Version}, updated_at = {policy.UpdatedAt}
        where id = {policy.Id} and version = {expected}
        """,
        about, cancellation);

    /// <returns>False where the version is no longer <paramref name="expected"/>.</returns>
    public Task<bool> DeleteAsync(string id, long expected, AuditEvent about, CancellationToken cancellation) =>
        audit.RecordWithAsync($"delete from trust_policies where id = {id} and version = {expected}", id, about, Changed, cancellation);

    private async Task<bool> WriteAsync(TrustPolicyRecord policy, Sql change, AuditEvent about, CancellationToken cancellation)
    {
        try
        {
            return await audit.RecordWithAsync(change, policy.Id, about, Changed, cancellation);
        }
        catch (ConstraintViolationException violation) when (violation.Kind == ConstraintKind.Reference)
        {
            return false;
        }
    }

    private void Changed() => database.Notifications.Publish(TrustRecordStore.Channel, "policies");

    private static TrustPolicyRecord Read(DbDataReader row) => new(
        row.GetString(0), row.GetStringOrNull(1), row.GetStringOrNull(2), row.GetString(3), row.GetString(4), row.GetInt64(5), row.GetTime(6), row.GetTime(7));
}
