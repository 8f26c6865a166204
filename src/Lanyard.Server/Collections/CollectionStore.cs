using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Storage;
using Lanyard.Server.Workspaces;

namespace Lanyard.Server.Collections;

/// <summary>The table of collections. Whoever changes it refreshes <see cref="CollectionDirectory"/> before answering.</summary>
internal sealed class CollectionStore(Database database, AuditLog audit, CollectionDirectory directory, HomeContents contents, TimeProvider time)
{
    public Task<ResourceRow<CollectionSpec>?> FindAsync(string id) => FindAsync(database, $"where id = {id}");

    /// <param name="only">Ids to restrict to, or null for all of the workspace.</param>
    public Task<List<ResourceRow<CollectionSpec>>> ListAsync(string workspaceId, Paging paging, IReadOnlyList<string>? only)
    {
        var condition = only is null ? Sql.Empty : ((Sql)$"and id in ({only})").Part;
        return database.QueryAsync(
            $"""
            select id, slug, version, created, updated, spec from collections
            where workspace = {workspaceId} and slug > {paging.After} {condition} order by slug limit {paging.Limit + 1}
            """,
            static row => ResourceAnswers.ReadRow(row, ResourceJson.Default.CollectionSpec));
    }

    /// <returns>What was done; or PreconditionFailed, PreconditionRequired, NotFound (the workspace has gone).</returns>
    public async Task<Outcome<Put<CollectionSpec>>> PutAsync(WorkspaceEntry workspace, string slug, CollectionSpec spec, Precondition precondition, AuditEvent about)
    {
        try
        {
            var outcome = await audit.ChangeAsync(
                transaction => PutAsync(transaction, workspace.Id, slug, spec, precondition),
                put => about with { WorkspaceId = workspace.Id, CollectionId = put.Row.Id, Target = put.Row.Id });
            await directory.ChangedAsync(workspace.Id);
            return outcome;
        }
        catch (ConstraintViolationException violation) when (violation.Kind == ConstraintKind.Reference)
        {
            return Access.Missing($"workspace {workspace.Id} is gone");
        }
    }

    /// <returns>Its id; or PreconditionFailed, PreconditionRequired, Conflict (something still lives in it: the detail is for the caller).</returns>
    public async Task<Outcome<string>> DeleteAsync(CollectionEntry collection, Precondition precondition, AuditEvent about)
    {
        try
        {
            var outcome = await audit.ChangeAsync(
                transaction => DeleteAsync(transaction, collection.Id, precondition),
                gone => about with { WorkspaceId = collection.Workspace.Id, CollectionId = gone, Target = gone });
            await directory.ChangedAsync(collection.Workspace.Id);
            return outcome;
        }
        catch (ConstraintViolationException violation) when (violation.Kind == ConstraintKind.Reference)
        {
            return new Refusal(RefusalReason.Conflict, $"something still lives in it ({violation.Constraint}): delete it first");
        }
    }

    private async Task<Outcome<Put<CollectionSpec>>> PutAsync(
        Transaction transaction, string workspaceId, string slug, CollectionSpec spec, Precondition precondition)
    {
        var current = await FindAsync(transaction, $"where workspace = {workspaceId} and slug = {slug} {database.ForUpdate}");
        if (precondition.Check(current?.ETag) is { } refusal)
        {
            return refusal;
        }

        var now = DateTimeOffset.FromUnixTimeMilliseconds(time.GetUtcNow().ToUnixTimeMilliseconds());
        var json = JsonSerializer.Serialize(spec, ResourceJson.Default.CollectionSpec);
        if (current is not null)
        {
            await transaction.ExecuteAsync(
                $"""
                update collections set spec = {json}, version = {current.Version + 1}, updated = {now}, concurrency = {spec.Concurrency},
                    state = {spec.State ?? CollectionStates.Active}
                where id = {current.Id}
                """);
            return new Put<CollectionSpec>(current with { Version = current.Version + 1, Updated = now, Spec = spec }, Created: false);
        }

        var id = Ids.New("col", time);
        var inserted = await transaction.ExecuteAsync(
            $"""
            insert into collections (id, workspace, slug, version, created, updated, spec, concurrency, state)
            values ({id}, {workspaceId}, {slug}, {1}, {now}, {now}, {json}, {spec.Concurrency}, {spec.State ?? CollectionStates.Active})
            on conflict do nothing
            """);
        return inserted == 1
            ? new Put<CollectionSpec>(new ResourceRow<CollectionSpec>(id, slug, 1, now, now, spec), Created: true)
            : new Refusal(RefusalReason.PreconditionFailed, "it was created at the same moment");
    }

    private async Task<Outcome<string>> DeleteAsync(Transaction transaction, string id, Precondition precondition)
    {
        var current = await FindAsync(transaction, $"where id = {id} {database.ForUpdate}");
        if (current is null)
        {
            return Access.Missing($"collection {id} is gone");
        }

        if (precondition.Check(current.ETag) is { } refusal)
        {
            return refusal;
        }

        if (await contents.ClearAsync(transaction, Home.Collection, id) is { } conflict)
        {
            return conflict;
        }

        await transaction.ExecuteAsync($"delete from collections where id = {id}");
        return id;
    }

    private static Task<ResourceRow<CollectionSpec>?> FindAsync(SqlExecutor executor, Sql condition) => executor.QuerySingleOrNullAsync(
        $"select id, slug, version, created, updated, spec from collections {condition.Part}",
        static row => ResourceAnswers.ReadRow(row, ResourceJson.Default.CollectionSpec));
}
