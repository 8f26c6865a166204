using System.Data.Common;
using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Identity.Jose;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Clusters;

/// <summary>A cluster as its table keeps it.</summary>
internal sealed record ClusterRow(ResourceRow<ClusterSpec> Row, string StatusJson)
{
    public Resource<ClusterSpec> ToResource(string workspace)
    {
        using var status = JsonDocument.Parse(StatusJson);
        return Row.ToResource(ClustersFeature.Kind, workspace, status: status.RootElement.Clone());
    }
}

/// <summary>The table <c>clusters</c>, written together with the trust that a cluster stands for.</summary>
internal sealed class ClusterStore(Database database, AuditLog audit, ClusterTrust trust, TimeProvider time)
{
    private static readonly SqlFragment Columns = new("id, slug, version, created_at, updated_at, spec, status");

    public Task<ClusterRow?> FindAsync(string workspaceId, string slug, CancellationToken cancellationToken) =>
        FindAsync(database, workspaceId, slug, new SqlFragment(""), cancellationToken);

    public Task<List<ClusterRow>> ListAsync(string workspaceId, Paging paging, CancellationToken cancellationToken) => database.QueryAsync(
        $"select {Columns} from clusters where workspace = {workspaceId} and slug > {paging.After} order by slug limit {paging.Limit + 1}", Read, cancellationToken);

    /// <param name="about">What the audit says of it, but for the cluster's id.</param>
    /// <returns>What was done; or PreconditionFailed, PreconditionRequired, NotFound (the workspace has gone).</returns>
    public async Task<Outcome<(ClusterRow Row, bool Created)>> PutAsync(
        string workspaceId, string slug, ClusterSpec spec, TrialReport report, Precondition precondition, AuditEvent about, CancellationToken cancellationToken)
    {
        try
        {
            return await audit.ChangeAsync(
                transaction => PutAsync(transaction, workspaceId, slug, spec, report, precondition, cancellationToken), put => about with { Target = put.Row.Row.Id }, cancellationToken);
        }
        catch (ConstraintViolationException violation) when (violation.Kind == ConstraintKind.Reference)
        {
            return Access.Missing($"workspace {workspaceId} is gone");
        }
        catch (ConstraintViolationException violation) when (violation.Kind == ConstraintKind.Unique)
        {
            return new Refusal(RefusalReason.PreconditionFailed, "it was created at the same moment");
        }
    }

    /// <summary>As part of a larger change: an approval takes the request away in the same transaction.</summary>
    public async Task<Outcome<(ClusterRow Row, bool Created)>> PutAsync(
        Transaction transaction,
        string workspaceId,
        string slug,
        ClusterSpec spec,
        TrialReport report,
        Precondition precondition,
        CancellationToken cancellationToken)
    {
        var current = await FindAsync(transaction, workspaceId, slug, database.ForUpdate, cancellationToken);
        if (precondition.Check(current?.Row.ETag) is { } refusal)
        {
            return refusal;
        }

        var now = DateTimeOffset.FromUnixTimeMilliseconds(time.GetUtcNow().ToUnixTimeMilliseconds());
        var row = new ResourceRow<ClusterSpec>(
            current?.Row.Id ?? Ids.New("clu", time), slug, (current?.Row.Version ?? 0) + 1, current?.Row.Created ?? now, now, Canonical(spec));
        var specJson = JsonSerializer.Serialize(row.Spec, ClusterJson.Default.ClusterSpec);
        var status = JsonSerializer.Serialize(new ClusterStatus(report, now), ClusterJson.Default.ClusterStatus);
        await transaction.ExecuteAsync(
            $"""
            insert into clusters (id, workspace, slug, spec, status, version, created_at, updated_at)
            values ({row.Id}, {workspaceId}, {slug}, {specJson}, {status}, {row.Version}, {row.Created}, {now})
            on conflict (id) do update set spec = excluded.spec, status = excluded.status, version = excluded.version, updated_at = excluded.updated_at
            """,
            cancellationToken);
        var jwks = row.Spec.Keys.Jwks?.GetRawText();
        await trust.Put(transaction, new ClusterTrustRecord(row.Id, workspaceId, slug, spec.Issuer, jwks, row.Version, row.Created, now, row.Spec.Keys), cancellationToken);
        return (new ClusterRow(row, status), current is null);
    }

    /// <returns>Its id; or NotFound, PreconditionFailed, PreconditionRequired, Conflict (something still needs it).</returns>
    public async Task<Outcome<string>> DeleteAsync(string workspaceId, string slug, Precondition precondition, AuditEvent about, CancellationToken cancellationToken)
    {
        try
        {
            return await audit.ChangeAsync(
                async Task<Outcome<string>> (transaction) =>
                {
                    var current = await FindAsync(transaction, workspaceId, slug, database.ForUpdate, cancellationToken);
                    if (current is null)
                    {
                        return Access.Missing($"no cluster {slug} in {workspaceId}");
                    }

                    if (precondition.Check(current.Row.ETag) is { } refusal)
                    {
                        return refusal;
                    }

                    await trust.Remove(transaction, current.Row.Id, cancellationToken);
                    await transaction.ExecuteAsync($"delete from clusters where id = {current.Row.Id}", cancellationToken);
                    return current.Row.Id;
                },
                gone => about with { WorkspaceId = workspaceId, Target = gone },
                cancellationToken);
        }
        catch (ConstraintViolationException violation) when (violation.Kind == ConstraintKind.Reference)
        {
            return new Refusal(RefusalReason.Conflict, $"something still needs it ({violation.Constraint}): delete it first");
        }
    }

    /// <summary>The keys as we understood them, so that no private or odd member of the upload is kept.</summary>
    private static ClusterSpec Canonical(ClusterSpec spec)
    {
        if (spec.Keys.Jwks is not { } jwks)
        {
            return spec;
        }

        using var canonical = JsonDocument.Parse(KeySet.Parse(jwks.GetRawText()).Value.ToJson());
        return spec with { Keys = spec.Keys with { Jwks = canonical.RootElement.Clone() } };
    }

    private static Task<ClusterRow?> FindAsync(SqlExecutor executor, string workspaceId, string slug, SqlFragment lockRow, CancellationToken cancellationToken) =>
        executor.QuerySingleOrNullAsync($"select {Columns} from clusters where workspace = {workspaceId} and slug = {slug} {lockRow}", Read, cancellationToken);

    private static ClusterRow Read(DbDataReader row) => new(ResourceAnswers.ReadRow(row, ClusterJson.Default.ClusterSpec), row.GetString(6));
}
