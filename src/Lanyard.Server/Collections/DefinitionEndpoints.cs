using Lanyard.Protocol.Resources;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Collections;

internal static class DefinitionEndpoints
{
    public static async Task<IResult> ListAsync(
        string workspace, string collection, HttpContext context, CollectionDirectory directory, DefinitionStore store)
    {
        if (!(await directory.RequireAsync(Access.PrincipalOf(context), workspace, collection, Right.Read)).TryGet(out var entry, out var refusal)
            || !Paging.Read(context.Request).TryGet(out var paging, out refusal))
        {
            return new Refused(refusal);
        }

        var (items, next) = paging.Cut(await store.ListAsync(entry.Id, paging), static row => row.Slug);
        return Results.Json(
            new ResourceList<DefinitionSpec>([.. items.Select(row => ToResource(row, entry))], next), ResourceJson.Default.ResourceListDefinitionSpec);
    }

    public static async Task<IResult> GetAsync(
        string workspace, string collection, string definition, HttpContext context, CollectionDirectory directory, DefinitionStore store)
    {
        if (!(await directory.RequireAsync(Access.PrincipalOf(context), workspace, collection, Right.Read)).TryGet(out var entry, out var refusal))
        {
            return new Refused(refusal);
        }

        return await store.FindAsync(entry.Id, definition) is { } row
            ? ResourceAnswers.Answer(context, ToResource(row, entry), ResourceJson.Default.ResourceDefinitionSpec)
            : new Refused(Access.Missing($"no definition {entry.Path}/{definition}"));
    }

    public static async Task<IResult> PutAsync(
        string workspace, string collection, string definition, HttpContext context, CollectionDirectory directory, DefinitionStore store, Instance instance)
    {
        if (!(await directory.RequireAsync(Access.PrincipalOf(context), workspace, collection, Right.Administer)).TryGet(out var entry, out var refusal)
            || !Precondition.Read(context.Request).TryGet(out var precondition, out refusal))
        {
            return new Refused(refusal);
        }

        if (!(await StrictJson.ReadAsync(context.Request, ResourceJson.Default.ResourceWriteDefinitionSpec)).TryGet(out var write, out var refused))
        {
            return refused;
        }

        var mistakes = ResourceAnswers.EnvelopeMistakes(write, CollectionsFeature.DefinitionKind, definition, workspace, collection);
        mistakes.AddRange(DefinitionRules.Check(write.Spec));
        mistakes.AddRange((write.Spec.Audiences ?? []).Index().Where(one => one.Item.Audience == instance.Url)
            .Select(static one => new Mistake($"spec.audiences[{one.Index}].audience", "is this instance, whose own doors take runtime and API tokens: an outside audience is wanted")));
        if (mistakes.Count > 0)
        {
            return Refused.Malformed(mistakes);
        }

        // The collection's admin writes the definition; what reaches beyond the collection is the workspace's.
        var owner = Access.RequireOfKnown(Access.PrincipalOf(context), entry.Workspace.Id, null, Right.Administer);
        if (owner.IsRefused
            && SubjectRules.BeyondTheCollection(write.Spec, (await store.FindAsync(entry.Id, definition))?.Spec) is { Count: > 0 } beyond)
        {
            return new Refused(owner.Refusal, mistakes: beyond);
        }

        if (!(await store.PutAsync(entry, definition, write.Spec, precondition, AuditEvent.Of(context, "definition.put"))).TryGet(out var put, out refusal))
        {
            return Refused.Told(refusal);
        }

        return ResourceAnswers.Answer(context, ToResource(put.Row, entry), ResourceJson.Default.ResourceDefinitionSpec, put.Created);
    }

    public static async Task<IResult> DeleteAsync(
        string workspace, string collection, string definition, HttpContext context, CollectionDirectory directory, DefinitionStore store)
    {
        if (!(await directory.RequireAsync(Access.PrincipalOf(context), workspace, collection, Right.Administer)).TryGet(out var entry, out var refusal)
            || !Precondition.Read(context.Request).TryGet(out var precondition, out refusal)
            || !(await store.DeleteAsync(entry, definition, precondition, AuditEvent.Of(context, "definition.delete"))).TryGet(out _, out refusal))
        {
            return Refused.Told(refusal);
        }

        return Results.NoContent();
    }

    private static Resource<DefinitionSpec> ToResource(ResourceRow<DefinitionSpec> row, CollectionEntry entry) =>
        row.ToResource(CollectionsFeature.DefinitionKind, entry.Workspace.Slug, entry.Slug);
}
