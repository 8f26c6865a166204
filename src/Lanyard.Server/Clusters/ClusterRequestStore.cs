using System.Data.Common;
using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Clusters;

/// <summary>
/// The table <c>cluster_requests</c>: bounded, each for an hour and for one approval. Only the hash of a code is kept.
/// </summary>
internal sealed class ClusterRequestStore(Database database, AuditLog audit, ClusterStore clusters, TimeProvider time)
{
    public const int MaxWaiting = 1000;
    public static readonly TimeSpan Life = TimeSpan.FromHours(1);

    /// <returns>It; or TooManyRequests: too many wait already.</returns>
    public Task<Outcome<ClusterRequestView>> AddAsync(string code, ClusterRequestView request, AuditEvent about, CancellationToken cancellationToken) => audit.ChangeAsync<ClusterRequestView>(
        async transaction =>
        {
            await transaction.ExecuteAsync($"delete from cluster_requests where expires_at <= {time.GetUtcNow()}", cancellationToken);
            if (await transaction.ScalarAsync($"select count(*) from cluster_requests", cancellationToken) >= MaxWaiting)
            {
                return new Refusal(RefusalReason.TooManyRequests, "too many cluster requests wait for approval");
            }

            var spec = JsonSerializer.Serialize(request.Spec, ClusterJson.Default.ClusterSpec);
            var report = JsonSerializer.Serialize(request.Report, ClusterJson.Default.TrialReport);
            await transaction.ExecuteAsync(
                $"""
                insert into cluster_requests (code, spec, report, created_at, expires_at)
                values ({RequestCode.HashOf(code)}, {spec}, {report}, {request.CreatedAt}, {request.ExpiresAt})
                """,
                cancellationToken);
            return request;
        },
        _ => about,
        cancellationToken);

    public Task<ClusterRequestView?> FindAsync(string code, CancellationToken cancellationToken) => FindAsync(database, code, cancellationToken);

    /// <summary>Registers what a code stands for, and ends the code, in one transaction.</summary>
    /// <returns>The cluster; or NotFound (no such code, or used, or expired), Conflict (the slug is taken).</returns>
    public async Task<Outcome<ClusterRow>> ApproveAsync(string code, string workspaceId, string slug, AuditEvent about, CancellationToken cancellationToken)
    {
        try
        {
            return await audit.ChangeAsync(
                transaction => ApproveAsync(transaction, code, workspaceId, slug, cancellationToken), row => about with { Target = row.Row.Id }, cancellationToken);
        }
        catch (ConstraintViolationException violation) when (violation.Kind == ConstraintKind.Unique)
        {
            return new Refusal(RefusalReason.PreconditionFailed, "a cluster of that name was created at the same moment");
        }
    }

    private async Task<Outcome<ClusterRow>> ApproveAsync(
        Transaction transaction, string code, string workspaceId, string slug, CancellationToken cancellationToken)
    {
        var request = await FindAsync(transaction, code, cancellationToken);

        // Whoever deletes the row has the approval: a second one at the same moment finds nothing.
        if (request is null || await transaction.ExecuteAsync($"delete from cluster_requests where code = {RequestCode.HashOf(code)}", cancellationToken) == 0)
        {
            return Access.Missing("no such code");
        }

        var put = await clusters.PutAsync(transaction, workspaceId, slug, request.Spec, request.Report, default, cancellationToken);
        if (put.TryGet(out var done, out var refusal))
        {
            return done.Row;
        }

        // The code is still good for another slug.
        await RestoreAsync(transaction, code, request, cancellationToken);
        return refusal.Reason == RefusalReason.PreconditionRequired ? new Refusal(RefusalReason.Conflict, $"the workspace has a cluster {slug}: approve it under another slug, or delete that one first") : refusal;
    }

    private static Task<int> RestoreAsync(Transaction transaction, string code, ClusterRequestView request, CancellationToken cancellationToken)
    {
        var spec = JsonSerializer.Serialize(request.Spec, ClusterJson.Default.ClusterSpec);
        var report = JsonSerializer.Serialize(request.Report, ClusterJson.Default.TrialReport);
        return transaction.ExecuteAsync(
            $"""
            insert into cluster_requests (code, spec, report, created_at, expires_at)
            values ({RequestCode.HashOf(code)}, {spec}, {report}, {request.CreatedAt}, {request.ExpiresAt})
            """,
            cancellationToken);
    }

    private Task<ClusterRequestView?> FindAsync(SqlExecutor executor, string code, CancellationToken cancellationToken) => executor.QuerySingleOrNullAsync(
        $"select spec, report, created_at, expires_at from cluster_requests where code = {RequestCode.HashOf(code)} and expires_at > {time.GetUtcNow()}",
        Read,
        cancellationToken);

    private static ClusterRequestView Read(DbDataReader row) => new(
        JsonSerializer.Deserialize(row.GetString(0), ClusterJson.Default.ClusterSpec)!,
        JsonSerializer.Deserialize(row.GetString(1), ClusterJson.Default.TrialReport)!,
        DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(2)),
        DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(3)));
}
