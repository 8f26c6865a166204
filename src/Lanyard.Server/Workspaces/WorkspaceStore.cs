using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Workspaces;

/// <summary>The table of workspaces. Whoever changes it refreshes <see cref="WorkspaceDirectory"/> before answering.</summary>
internal sealed class WorkspaceStore(Database database, AuditLog audit, WorkspaceDirectory directory, HomeContents contents, TimeProvider time)
{
    public Task<ResourceRow<WorkspaceSpec>?> FindAsync(string id) => FindAsync(database, $"where id = {id}");

    /// <param name="only">Ids to restrict to, or null for all.</param>
    public Task<List<ResourceRow<WorkspaceSpec>>> ListAsync(Paging paging, IReadOnlyList<string>? only)
    {
        var condition = only is null ? Sql.Empty : ((Sql)$"and id in ({only})").Part;
        return database.QueryAsync(
            $"""
            select id, slug, version, created, updated, spec from workspaces
            where slug > {paging.After} {condition} order by slug limit {paging.Limit + 1}
            """,
            static row => ResourceAnswers.ReadRow(row, ResourceJson.Default.WorkspaceSpec));
    }

    /// <param name="about">Who does it: what the audit says of it, but for the workspace.</param>
    /// <returns>What was done; or PreconditionFailed, PreconditionRequired, Conflict (the slug belonged to another one once).</returns>
    public async Task<Outcome<Put<WorkspaceSpec>>> PutAsync(string slug, WorkspaceSpec spec, Precondition precondition, AuditEvent about)
    {
        var outcome = await audit.ChangeAsync(
            transaction => PutAsync(transaction, slug, spec, precondition), put => about with { WorkspaceId = put.Row.Id, Target = put.Row.Id });
        await directory.ChangedAsync(slug);
        return outcome;
    }

    /// <returns>Its id; or PreconditionFailed, PreconditionRequired, Conflict (something still lives in it: the detail is for the caller).</returns>
    public async Task<Outcome<string>> DeleteAsync(string id, Precondition precondition, AuditEvent about)
    {
        try
        {
            var outcome = await audit.ChangeAsync(transaction => DeleteAsync(transaction, id, precondition), gone => about with { WorkspaceId = gone, Target = gone });
            if (directory.FindById(id) is { } entry)
            {
                await directory.ChangedAsync(entry.Slug);
            }

            return outcome;
        }
        catch (ConstraintViolationException violation) when (violation.Kind == ConstraintKind.Reference)
        {
            return new Refusal(RefusalReason.Conflict, $"something still lives in it ({violation.Constraint}): delete it first");
        }
    }

    private async Task<Outcome<Put<WorkspaceSpec>>> PutAsync(Transaction transaction, string slug, WorkspaceSpec spec, Precondition precondition)
    {
        var current = await FindAsync(transaction, $"where slug = {slug} {database.ForUpdate}");
        if (precondition.Check(current?.ETag) is { } refusal)
        {
            return refusal;
        }

        var now = DateTimeOffset.FromUnixTimeMilliseconds(time.GetUtcNow().ToUnixTimeMilliseconds());
        var json = JsonSerializer.Serialize(spec, ResourceJson.Default.WorkspaceSpec);
        if (current is not null)
        {
            await transaction.ExecuteAsync(
                $"update workspaces set spec = {json}, version = {current.Version + 1}, updated = {now} where id = {current.Id}");
            return new Put<WorkspaceSpec>(current with { Version = current.Version + 1, Updated = now, Spec = spec }, Created: false);
        }

        if (await transaction.ScalarAsync($"select count(*) from retired_workspaces where slug = {slug}") > 0)
        {
            return new Refusal(RefusalReason.Conflict, $"the slug {slug} belonged to a workspace that was deleted; its issuer's URL is not given again");
        }

        var id = Ids.New("ws", time);
        var inserted = await transaction.ExecuteAsync(
            $"""
            insert into workspaces (id, slug, version, created, updated, spec) values ({id}, {slug}, {1}, {now}, {now}, {json})
            on conflict do nothing
            """);
        return inserted == 1
            ? new Put<WorkspaceSpec>(new ResourceRow<WorkspaceSpec>(id, slug, 1, now, now, spec), Created: true)
            : new Refusal(RefusalReason.PreconditionFailed, "it was created at the same moment");
    }

    private async Task<Outcome<string>> DeleteAsync(Transaction transaction, string id, Precondition precondition)
    {
        var current = await FindAsync(transaction, $"where id = {id} {database.ForUpdate}");
        if (current is null)
        {
            return Access.Missing($"workspace {id} is gone");
        }

        if (precondition.Check(current.ETag) is { } refusal)
        {
            return refusal;
        }

        if (await contents.ClearAsync(transaction, Home.Workspace, id) is { } conflict)
        {
            return conflict;
        }

        await transaction.ExecuteAsync($"insert into retired_workspaces (slug, id, retired) values ({current.Slug}, {id}, {time.GetUtcNow()})");
        await transaction.ExecuteAsync($"delete from workspaces where id = {id}");
        return id;
    }

    private static Task<ResourceRow<WorkspaceSpec>?> FindAsync(SqlExecutor executor, Sql condition) => executor.QuerySingleOrNullAsync(
        $"select id, slug, version, created, updated, spec from workspaces {condition.Part}",
        static row => ResourceAnswers.ReadRow(row, ResourceJson.Default.WorkspaceSpec));
}
