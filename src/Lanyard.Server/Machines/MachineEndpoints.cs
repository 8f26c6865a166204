using Lanyard.Protocol.Runtime;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Machines;

internal static class MachineEndpoints
{
    public static async Task<IResult> ListAsync(string workspace, HttpContext context, WorkspaceDirectory workspaces, MachineStore store, TimeProvider time)
    {
        if (!(await workspaces.RequireAsync(Access.PrincipalOf(context), workspace, Right.Read)).TryGet(out var entry, out var refusal)
            || !Paging.Read(context.Request).TryGet(out var paging, out refusal))
            return new Refused(refusal);
        var (items, next) = paging.Cut(await store.ListAsync(entry.Id, paging, time.GetUtcNow()), static machine => machine.Id);
        return Results.Json(new MachineList([.. items.Select(static machine => machine.ToView())], next), RuntimeJson.Default.MachineList);
    }

    public static async Task<IResult> CreateAsync(
        string workspace, HttpContext context, WorkspaceDirectory workspaces, MachineCreation creation)
    {
        if (!(await workspaces.RequireAsync(Access.PrincipalOf(context), workspace, Right.Operate)).TryGet(out var entry, out var refusal))
            return new Refused(refusal);
        if (!(await StrictJson.ReadAsync(context.Request, RuntimeJson.Default.MachineRequest)).TryGet(out var request, out var refused)) return refused;
        if (MachineRules.Mistakes(request) is { Count: > 0 } mistakes) return Refused.Malformed(mistakes);

        var principal = Access.PrincipalOf(context)!;
        var resolved = creation.Resolve(entry, request, collection => Access.Require(principal, entry.Id, collection.Id, Right.Operate).TryGet(out _, out _));
        if (resolved.Mistakes.Count > 0) return Refused.Malformed(resolved.Mistakes);
        var about = AuditEvent.Of(context, "machine.create") with
        {
            Details = new Dictionary<string, string> { ["repository"] = request.Repository?.ToLowerInvariant() ?? "", ["ref"] = request.Ref ?? "" },
        };
        if (!(await creation.CreateAsync(entry, request, resolved.Operations, principal.Name, identity: null, about, context.RequestAborted)).TryGet(out var created, out refusal)) return new Refused(refusal);
        context.Response.Headers.CacheControl = "no-store";
        return Results.Json(created, RuntimeJson.Default.MachineCreated, statusCode: StatusCodes.Status201Created);
    }

    public static async Task<IResult> GetAsync(
        string workspace, string machine, HttpContext context, WorkspaceDirectory workspaces, MachineStore store)
    {
        if (!(await workspaces.RequireAsync(Access.PrincipalOf(context), workspace, Right.Read)).TryGet(out var entry, out var refusal))
            return new Refused(refusal);
        return await store.FindAsync(machine, context.RequestAborted) is { } found && found.WorkspaceId == entry.Id
            ? Results.Json(found.ToView(), RuntimeJson.Default.MachineView)
            : new Refused(Access.Missing($"no machine {machine} in {entry.Slug}"));
    }

    /// <summary>From the answer on, its token is refused here; on other replicas within a second.</summary>
    public static async Task<IResult> DeleteAsync(
        string workspace,
        string machine,
        HttpContext context,
        WorkspaceDirectory workspaces,
        MachineStore store,
        MachineDirectory directory,
        TimeProvider time)
    {
        if (!(await workspaces.RequireAsync(Access.PrincipalOf(context), workspace, Right.Operate)).TryGet(out var entry, out var refusal))
            return new Refused(refusal);
        return await store.EndAsync(entry.Id, machine, time.GetUtcNow(), AuditEvent.Of(context, "machine.delete"), () => directory.Ended(machine), context.RequestAborted)
            ? Results.NoContent()
            : new Refused(Access.Missing($"no living machine {machine} in {entry.Slug}"));
    }
}
