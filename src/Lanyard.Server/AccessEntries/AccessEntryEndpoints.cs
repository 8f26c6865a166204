using Lanyard.Protocol.Resources;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.AccessEntries;

internal static class AccessEntryEndpoints
{
    public static async Task<IResult> ListAsync(string workspace, HttpContext context, WorkspaceDirectory workspaces, AccessEntryStore store)
    {
        if (!(await workspaces.RequireAsync(Access.PrincipalOf(context), workspace, Right.Read)).TryGet(out var entry, out var refusal)
            || !Paging.Read(context.Request).TryGet(out var paging, out refusal))
        {
            return new Refused(refusal);
        }

        var (items, next) = paging.Cut(await store.ListAsync(entry.Id, paging, context.RequestAborted), static row => row.Slug);
        return Results.Json(
            new ResourceList<System.Text.Json.JsonElement>([.. items.Select(row => row.ToResource(AccessEntriesFeature.Kind, entry.Slug))], next),
            ResourceJson.Default.ResourceListJsonElement);
    }

    public static async Task<IResult> GetAsync(string workspace, string entries, HttpContext context, WorkspaceDirectory workspaces, AccessEntryStore store)
    {
        if (!(await workspaces.RequireAsync(Access.PrincipalOf(context), workspace, Right.Read)).TryGet(out var entry, out var refusal))
        {
            return new Refused(refusal);
        }

        return await store.FindAsync(entry.Id, entries, context.RequestAborted) is { } row
            ? ResourceAnswers.Answer(context, row.ToResource(AccessEntriesFeature.Kind, entry.Slug), ResourceJson.Default.ResourceJsonElement)
            : new Refused(Access.Missing($"no access entries {entries} in {entry.Id}"));
    }

    public static async Task<IResult> PutAsync(
        string workspace, string entries, HttpContext context, WorkspaceDirectory workspaces, AccessEntryStore store)
    {
        if (!(await workspaces.RequireAsync(Access.PrincipalOf(context), workspace, Right.Administer)).TryGet(out var entry, out var refusal)
            || !Precondition.Read(context.Request).TryGet(out var precondition, out refusal))
        {
            return new Refused(refusal);
        }

        if (!(await StrictJson.ReadAsync(context.Request, ResourceJson.Default.ResourceWriteJsonElement)).TryGet(out var write, out var refused))
        {
            return refused;
        }

        var mistakes = ResourceAnswers.EnvelopeMistakes(write, AccessEntriesFeature.Kind, entries, workspace);
        mistakes.AddRange(AccessEntryRules.Mistakes(write.Spec));
        if (mistakes.Count > 0)
        {
            return Refused.Malformed(mistakes);
        }

        if (!(await store.PutAsync(entry.Id, entries, write.Spec, precondition, AuditEvent.Of(context, "access-entries.put"), context.RequestAborted)).TryGet(out var put, out refusal))
        {
            return new Refused(refusal);
        }

        return ResourceAnswers.Answer(context, put.Row.ToResource(AccessEntriesFeature.Kind, entry.Slug), ResourceJson.Default.ResourceJsonElement, put.Created);
    }

    public static async Task<IResult> DeleteAsync(
        string workspace, string entries, HttpContext context, WorkspaceDirectory workspaces, AccessEntryStore store)
    {
        if (!(await workspaces.RequireAsync(Access.PrincipalOf(context), workspace, Right.Administer)).TryGet(out var entry, out var refusal)
            || !Precondition.Read(context.Request).TryGet(out var precondition, out refusal)
            || !(await store.DeleteAsync(entry.Id, entries, precondition, AuditEvent.Of(context, "access-entries.delete"), context.RequestAborted)).TryGet(out _, out refusal))
        {
            return new Refused(refusal);
        }

        return Results.NoContent();
    }
}
