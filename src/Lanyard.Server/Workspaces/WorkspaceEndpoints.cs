using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Workspaces;

internal static class WorkspaceEndpoints
{
    /// <summary>Those in which the caller has a role for the whole workspace.</summary>
    public static async Task<IResult> ListAsync(HttpContext context, WorkspaceStore store, Instance instance)
    {
        var principal = Access.PrincipalOf(context);
        if (principal is null)
        {
            return new Refused(new Refusal(RefusalReason.TokenMissing, "no bearer token"));
        }

        if (!Paging.Read(context.Request).TryGet(out var paging, out var refusal))
        {
            return new Refused(refusal);
        }

        var only = Access.RoleIn(principal, null, null) is null
            ? principal.Roles.Where(static role => role.Scope.CollectionId is null).Select(static role => role.Scope.WorkspaceId!).Distinct().ToList()
            : null;
        var (items, next) = paging.Cut(await store.ListAsync(paging, only), static row => row.Slug);
        return Results.Json(
            new ResourceList<WorkspaceSpec>([.. items.Select(row => ToResource(row, instance))], next), ResourceJson.Default.ResourceListWorkspaceSpec);
    }

    public static async Task<IResult> GetAsync(
        string workspace, HttpContext context, WorkspaceDirectory directory, WorkspaceStore store, Instance instance)
    {
        if (!(await directory.RequireAsync(Access.PrincipalOf(context), workspace, Right.Read)).TryGet(out var entry, out var refusal))
        {
            return new Refused(refusal);
        }

        return await store.FindAsync(entry.Id) is { } row
            ? ResourceAnswers.Answer(context, ToResource(row, instance), ResourceJson.Default.ResourceWorkspaceSpec)
            : new Refused(Access.Missing($"workspace {entry.Id} is gone"));
    }

    /// <summary>Creating one needs the instance; changing one, that workspace.</summary>
    public static async Task<IResult> PutAsync(
        string workspace, HttpContext context, WorkspaceDirectory directory, WorkspaceStore store, Instance instance)
    {
        var principal = Access.PrincipalOf(context);
        var allowed = Access.Require(principal, directory.Find(workspace)?.Id, null, Right.Administer);
        if (!allowed.TryGet(out _, out var refusal) || !Precondition.Read(context.Request).TryGet(out var precondition, out refusal))
        {
            return new Refused(refusal);
        }

        if (!(await StrictJson.ReadAsync(context.Request, ResourceJson.Default.ResourceWriteWorkspaceSpec)).TryGet(out var write, out var refused))
        {
            return refused;
        }

        var mistakes = ResourceAnswers.EnvelopeMistakes(write, WorkspacesFeature.Kind, workspace);
        TextRules.CheckDisplayName(write.Spec.DisplayName, "spec.displayName", mistakes);
        TextRules.CheckAudience(write.Spec.DefaultAudience, "spec.defaultAudience", mistakes);
        if (mistakes.Count > 0)
        {
            return Refused.Malformed(mistakes);
        }

        if (!(await store.PutAsync(workspace, write.Spec, precondition, AuditEvent.Of(context, "workspace.put"))).TryGet(out var put, out refusal))
        {
            return Refused.Told(refusal);
        }

        return ResourceAnswers.Answer(context, ToResource(put.Row, instance), ResourceJson.Default.ResourceWorkspaceSpec, put.Created);
    }

    public static async Task<IResult> DeleteAsync(
        string workspace, HttpContext context, WorkspaceDirectory directory, WorkspaceStore store)
    {
        var principal = Access.PrincipalOf(context);
        if (!(await directory.RequireAsync(principal, workspace, Right.Read)).TryGet(out var entry, out var refusal)
            || !Access.RequireOfKnown(principal, null, null, Right.Administer).TryGet(out _, out refusal)
            || !Precondition.Read(context.Request).TryGet(out var precondition, out refusal)
            || !(await store.DeleteAsync(entry.Id, precondition, AuditEvent.Of(context, "workspace.delete"))).TryGet(out _, out refusal))
        {
            return Refused.Told(refusal);
        }

        return Results.NoContent();
    }

    private static Resource<WorkspaceSpec> ToResource(ResourceRow<WorkspaceSpec> row, Instance instance)
    {
        var issuer = instance.WorkspaceIssuer(row.Slug);
        var status = JsonSerializer.SerializeToElement(
            new WorkspaceStatus(issuer, row.Spec.DefaultAudience ?? issuer), ResourceJson.Default.WorkspaceStatus);
        return row.ToResource(WorkspacesFeature.Kind, status: status);
    }
}
