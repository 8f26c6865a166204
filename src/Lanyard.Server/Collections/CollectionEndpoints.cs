using Lanyard.Protocol.Resources;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Collections;

internal static class CollectionEndpoints
{
    private const int MaxConcurrency = 100_000;

    /// <summary>All of the workspace for whoever has a role in it; else those that the caller's roles name.</summary>
    public static async Task<IResult> ListAsync(string workspace, HttpContext context, WorkspaceDirectory workspaces, CollectionStore store)
    {
        var principal = Access.PrincipalOf(context);
        IReadOnlyList<string>? only = null;
        if (!(await workspaces.RequireAsync(principal, workspace, Right.Read)).TryGet(out var entry, out var refusal))
        {
            entry = workspaces.Find(workspace);
            only = principal is null || entry is null ? [] : Access.NamedCollections(principal, entry.Id);
            if (entry is null || only.Count == 0)
            {
                return new Refused(refusal);
            }
        }

        if (!Paging.Read(context.Request).TryGet(out var paging, out refusal))
        {
            return new Refused(refusal);
        }

        var (items, next) = paging.Cut(await store.ListAsync(entry.Id, paging, only), static row => row.Slug);
        return Results.Json(
            new ResourceList<CollectionSpec>([.. items.Select(row => row.ToResource(CollectionsFeature.CollectionKind, workspace))], next),
            ResourceJson.Default.ResourceListCollectionSpec);
    }

    public static async Task<IResult> GetAsync(
        string workspace, string collection, HttpContext context, CollectionDirectory directory, CollectionStore store)
    {
        if (!(await directory.RequireAsync(Access.PrincipalOf(context), workspace, collection, Right.Read)).TryGet(out var entry, out var refusal))
        {
            return new Refused(refusal);
        }

        return await store.FindAsync(entry.Id) is { } row
            ? ResourceAnswers.Answer(
                context, row.ToResource(CollectionsFeature.CollectionKind, workspace), ResourceJson.Default.ResourceCollectionSpec)
            : new Refused(Access.Missing($"collection {entry.Id} is gone"));
    }

    /// <summary>Needs the workspace: the walls are its admins'.</summary>
    public static async Task<IResult> PutAsync(
        string workspace, string collection, HttpContext context, WorkspaceDirectory workspaces, CollectionStore store)
    {
        if (!(await workspaces.RequireAsync(Access.PrincipalOf(context), workspace, Right.Administer)).TryGet(out var entry, out var refusal)
            || !Precondition.Read(context.Request).TryGet(out var precondition, out refusal))
        {
            return new Refused(refusal);
        }

        if (!(await StrictJson.ReadAsync(context.Request, ResourceJson.Default.ResourceWriteCollectionSpec)).TryGet(out var write, out var refused))
        {
            return refused;
        }

        var mistakes = ResourceAnswers.EnvelopeMistakes(write, CollectionsFeature.CollectionKind, collection, workspace);
        TextRules.CheckDisplayName(write.Spec.DisplayName, "spec.displayName", mistakes);
        CloudRules.Check(write.Spec.Cloud, "spec.cloud", mistakes);
        PodRules.Check(write.Spec.Pod, "spec.pod", mistakes);
        if (write.Spec.Concurrency is < 1 or > MaxConcurrency)
        {
            mistakes.Add(new Mistake("spec.concurrency", $"must be 1 to {MaxConcurrency}"));
        }

        if (write.Spec.State is { } state && !CollectionStates.IsKnown(state))
        {
            mistakes.Add(new Mistake("spec.state", "must be active, paused, cordoned or draining"));
        }

        if (mistakes.Count > 0)
        {
            return Refused.Malformed(mistakes);
        }

        if (!(await store.PutAsync(entry, collection, write.Spec, precondition, AuditEvent.Of(context, "collection.put"))).TryGet(out var put, out refusal))
        {
            return new Refused(refusal);
        }

        return ResourceAnswers.Answer(
            context, put.Row.ToResource(CollectionsFeature.CollectionKind, workspace), ResourceJson.Default.ResourceCollectionSpec, put.Created);
    }

    public static async Task<IResult> DeleteAsync(
        string workspace,
        string collection,
        HttpContext context,
        WorkspaceDirectory workspaces,
        CollectionDirectory directory,
        CollectionStore store)
    {
        var principal = Access.PrincipalOf(context);
        if (!(await directory.RequireAsync(principal, workspace, collection, Right.Read)).TryGet(out var entry, out var refusal)
            || !Access.RequireOfKnown(principal, entry.Workspace.Id, null, Right.Administer).TryGet(out _, out refusal)
            || !Precondition.Read(context.Request).TryGet(out var precondition, out refusal)
            || !(await store.DeleteAsync(entry, precondition, AuditEvent.Of(context, "collection.delete"))).TryGet(out _, out refusal))
        {
            return Refused.Told(refusal);
        }

        return Results.NoContent();
    }
}
