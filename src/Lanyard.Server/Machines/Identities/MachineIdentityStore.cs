using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Protocol.Runtime;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Machines.Identities;

/// <summary>The table <c>machine_identities</c>.</summary>
internal sealed class MachineIdentityStore(Database database, AuditLog audit, TimeProvider time)
{
    public Task<ResourceRow<MachineIdentitySpec>?> FindAsync(string workspaceId, string slug) => FindAsync(database, workspaceId, slug, Sql.Empty);

    public Task<ResourceRow<MachineIdentitySpec>?> FindByIdAsync(string id, CancellationToken cancellationToken) => database.QuerySingleOrNullAsync(
        $"select id, slug, version, created, updated, spec from machine_identities where id = {id}", Read, cancellationToken);

    public Task<List<ResourceRow<MachineIdentitySpec>>> ListAsync(string workspaceId, Paging paging) => database.QueryAsync(
        $"""
        select id, slug, version, created, updated, spec from machine_identities
        where workspace = {workspaceId} and slug > {paging.After} order by slug limit {paging.Limit + 1}
        """,
        Read);

    /// <returns>What was done; or PreconditionFailed, PreconditionRequired, Conflict (made at the same moment), NotFound (the workspace has gone).</returns>
    public async Task<Outcome<Put<MachineIdentitySpec>>> PutAsync(string workspaceId, string slug, MachineIdentitySpec spec, Precondition precondition, AuditEvent about)
    {
        try
        {
            return await WriteAsync(workspaceId, slug, spec, precondition, about);
        }
        catch (ConstraintViolationException violation) when (violation.Kind == ConstraintKind.Reference)
        {
            return Access.Missing($"workspace {workspaceId} is gone");
        }
    }

    private Task<Outcome<Put<MachineIdentitySpec>>> WriteAsync(string workspaceId, string slug, MachineIdentitySpec spec, Precondition precondition, AuditEvent about) =>
        audit.ChangeAsync<Put<MachineIdentitySpec>>(
            async transaction =>
            {
                var current = await FindAsync(transaction, workspaceId, slug, ((Sql)$"{database.ForUpdate}").Part);
                if (precondition.Check(current?.ETag) is { } refusal) return refusal;
                var now = DateTimeOffset.FromUnixTimeMilliseconds(time.GetUtcNow().ToUnixTimeMilliseconds());
                var json = JsonSerializer.Serialize(spec, MachineIdentityJson.Default.MachineIdentitySpec);
                if (current is not null)
                {
                    await transaction.ExecuteAsync($"update machine_identities set spec = {json}, version = {current.Version + 1}, updated = {now} where id = {current.Id}");
                    return new Put<MachineIdentitySpec>(current with { Version = current.Version + 1, Updated = now, Spec = spec }, Created: false);
                }

                var id = Ids.New("mid", time);
                var inserted = await transaction.ExecuteAsync(
                    $"""
                    insert into machine_identities (id, workspace, slug, version, created, updated, spec)
                    values ({id}, {workspaceId}, {slug}, {1}, {now}, {now}, {json}) on conflict do nothing
                    """);
                return inserted == 1
                    ? new Put<MachineIdentitySpec>(new ResourceRow<MachineIdentitySpec>(id, slug, 1, now, now, spec), Created: true)
                    : new Refusal(RefusalReason.Conflict, $"the slug {slug} was taken at the same moment");
            },
            put => about with { WorkspaceId = workspaceId, Target = put.Row.Id });

    /// <returns>Its id; or NotFound, PreconditionFailed, PreconditionRequired.</returns>
    public Task<Outcome<string>> DeleteAsync(string workspaceId, string slug, Precondition precondition, AuditEvent about) => audit.ChangeAsync<string>(
        async transaction =>
        {
            if (await FindAsync(transaction, workspaceId, slug, ((Sql)$"{database.ForUpdate}").Part) is not { } current) return Access.Missing($"no machine identity {slug}");
            if (precondition.Check(current.ETag) is { } refusal) return refusal;
            await transaction.ExecuteAsync($"delete from machine_identities where id = {current.Id}");
            return current.Id;
        },
        gone => about with { WorkspaceId = workspaceId, Target = gone });

    private static Task<ResourceRow<MachineIdentitySpec>?> FindAsync(SqlExecutor executor, string workspaceId, string slug, SqlPart locking) => executor.QuerySingleOrNullAsync(
        $"select id, slug, version, created, updated, spec from machine_identities where workspace = {workspaceId} and slug = {slug} {locking}", Read);

    private static ResourceRow<MachineIdentitySpec> Read(System.Data.Common.DbDataReader row) => ResourceAnswers.ReadRow(row, MachineIdentityJson.Default.MachineIdentitySpec);
}
