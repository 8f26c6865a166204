using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Storage;

namespace Lanyard.Server.Collections;

/// <summary>The table of definitions.</summary>
internal sealed class DefinitionStore(Database database, AuditLog audit, TimeProvider time)
{
    public const string IdPrefix = "def";

    public Task<ResourceRow<DefinitionSpec>?> FindAsync(string collectionId, string slug) =>
        FindAsync(database, $"where collection = {collectionId} and slug = {slug}");

    public Task<List<ResourceRow<DefinitionSpec>>> ListAsync(string collectionId, Paging paging) => database.QueryAsync(
        $"""
        select id, slug, version, created, updated, spec from definitions
        where collection = {collectionId} and slug > {paging.After} order by slug limit {paging.Limit + 1}
        """,
        static row => ResourceAnswers.ReadRow(row, ResourceJson.Default.DefinitionSpec));

    /// <returns>
    /// What was done; or PreconditionFailed, PreconditionRequired, Conflict (the uuid is another one's, or it would change), NotFound (the
    /// collection has gone).
    /// </returns>
    public async Task<Outcome<Put<DefinitionSpec>>> PutAsync(CollectionEntry collection, string slug, DefinitionSpec spec, Precondition precondition, AuditEvent about)
    {
        try
        {
            return await audit.ChangeAsync(transaction => PutAsync(transaction, collection, slug, spec, precondition), put => About(about, collection, put.Row.Id));
        }
        catch (ConstraintViolationException violation) when (violation.Kind == ConstraintKind.Reference)
        {
            return Access.Missing($"collection {collection.Id} is gone");
        }
    }

    /// <returns>Its id; or NotFound, PreconditionFailed, PreconditionRequired, Conflict (something refers to it).</returns>
    public async Task<Outcome<string>> DeleteAsync(CollectionEntry collection, string slug, Precondition precondition, AuditEvent about)
    {
        try
        {
            return await audit.ChangeAsync(transaction => DeleteAsync(transaction, collection.Id, slug, precondition), gone => About(about, collection, gone));
        }
        catch (ConstraintViolationException violation) when (violation.Kind == ConstraintKind.Reference)
        {
            return new Refusal(RefusalReason.Conflict, $"definition {slug} is in use: {violation.Constraint}");
        }
    }

    private async Task<Outcome<Put<DefinitionSpec>>> PutAsync(
        Transaction transaction, CollectionEntry collection, string slug, DefinitionSpec spec, Precondition precondition)
    {
        var current = await FindAsync(transaction, $"where collection = {collection.Id} and slug = {slug} {database.ForUpdate}");
        if (precondition.Check(current?.ETag) is { } refusal)
        {
            return refusal;
        }

        var now = DateTimeOffset.FromUnixTimeMilliseconds(time.GetUtcNow().ToUnixTimeMilliseconds());
        if (current is null)
        {
            return await InsertAsync(transaction, collection, slug, spec, now);
        }

        if (spec.Uuid is not null && spec.Uuid != Ids.ToUuid(current.Id))
        {
            return new Refusal(RefusalReason.Conflict, "a definition's uuid is set when it is created and never changes");
        }

        var kept = spec with { Uuid = Ids.ToUuid(current.Id) };
        await transaction.ExecuteAsync(
            $"update definitions set spec = {Json(kept)}, version = {current.Version + 1}, updated = {now} where id = {current.Id}");
        return new Put<DefinitionSpec>(current with { Version = current.Version + 1, Updated = now, Spec = kept }, Created: false);
    }

    private async Task<Outcome<Put<DefinitionSpec>>> InsertAsync(
        Transaction transaction, CollectionEntry collection, string slug, DefinitionSpec spec, DateTimeOffset now)
    {
        var id = spec.Uuid is { } uuid ? Ids.FromUuid(IdPrefix, Guid.ParseExact(uuid, "D")) : Ids.New(IdPrefix, time);
        var kept = spec with { Uuid = Ids.ToUuid(id) };
        var inserted = await transaction.ExecuteAsync(
            $"""
            insert into definitions (id, workspace, collection, slug, version, created, updated, spec)
            values ({id}, {collection.Workspace.Id}, {collection.Id}, {slug}, {1}, {now}, {now}, {Json(kept)})
            on conflict do nothing
            """);
        return inserted == 1
            ? new Put<DefinitionSpec>(new ResourceRow<DefinitionSpec>(id, slug, 1, now, now, kept), Created: true)
            : new Refusal(RefusalReason.Conflict, $"the slug {slug} was taken at the same moment, or the id {id} is another definition's");
    }

    private async Task<Outcome<string>> DeleteAsync(Transaction transaction, string collectionId, string slug, Precondition precondition)
    {
        var current = await FindAsync(transaction, $"where collection = {collectionId} and slug = {slug} {database.ForUpdate}");
        if (current is null)
        {
            return Access.Missing($"no definition {slug}");
        }

        if (precondition.Check(current.ETag) is { } refusal)
        {
            return refusal;
        }

        await transaction.ExecuteAsync($"delete from definitions where id = {current.Id}");
        return current.Id;
    }

    private static AuditEvent About(AuditEvent about, CollectionEntry collection, string id) =>
        about with { WorkspaceId = collection.Workspace.Id, CollectionId = collection.Id, Target = id };

    private static string Json(DefinitionSpec spec) => JsonSerializer.Serialize(spec, ResourceJson.Default.DefinitionSpec);

    private static Task<ResourceRow<DefinitionSpec>?> FindAsync(SqlExecutor executor, Sql condition) => executor.QuerySingleOrNullAsync(
        $"select id, slug, version, created, updated, spec from definitions {condition.Part}",
        static row => ResourceAnswers.ReadRow(row, ResourceJson.Default.DefinitionSpec));
}
