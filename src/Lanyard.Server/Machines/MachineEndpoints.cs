using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runtime;
using Lanyard.Server.Audit;
using Lanyard.Server.Collections;
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
        string workspace, HttpContext context, WorkspaceDirectory workspaces, CollectionDirectory collections, MachineStore store, MachineTokens tokens,
        AuditLog audit, TimeProvider time)
    {
        if (!(await workspaces.RequireAsync(Access.PrincipalOf(context), workspace, Right.Operate)).TryGet(out var entry, out var refusal))
            return new Refused(refusal);
        if (!(await StrictJson.ReadAsync(context.Request, RuntimeJson.Default.MachineRequest)).TryGet(out var request, out var refused)) return refused;
        if (MachineRules.Mistakes(request) is { Count: > 0 } mistakes) return Refused.Malformed(mistakes);

        var operations = new List<KnownOperation>();
        for (var i = 0; i < (request.Operations?.Count ?? 0); i++)
        {
            var one = request.Operations![i];
            if (!(await collections.RequireAsync(Access.PrincipalOf(context), workspace, one.Collection, Right.Operate)).TryGet(out var collection, out _))
                return Refused.Malformed([new Mistake($"operations[{i}].collection", "there is no such collection of which you are an operator")]);
            operations.Add(new KnownOperation(collection.Id, collection.Slug, one.Definition, one.Actions, one.Phases));
        }

        var now = DateTimeOffset.FromUnixTimeMilliseconds(time.GetUtcNow().ToUnixTimeMilliseconds());
        var machine = new MachineRecord(
            Ids.New("machine", time), entry.Id, request.Runner, request.Repository?.ToLowerInvariant(), request.Ref, MachineRules.Scopes(request),
            Access.PrincipalOf(context)!.Name, now, now.AddSeconds(request.LifetimeSeconds ?? MachineRules.DefaultLifetimeSeconds), null, operations.Count == 0 ? null : operations);
        await store.InsertAsync(machine, context.RequestAborted);
        await audit.RecordAsync(AuditEvent.Of(context, "machine.create") with
        {
            WorkspaceId = entry.Id,
            Target = machine.Id,
            Details = new Dictionary<string, string> { ["repository"] = machine.Repository ?? "", ["ref"] = machine.Ref ?? "" },
        });
        context.Response.Headers.CacheControl = "no-store";
        var created = new MachineCreated(machine.ToView(), await tokens.MintAsync(machine, context.RequestAborted));
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
        AuditLog audit,
        TimeProvider time)
    {
        if (!(await workspaces.RequireAsync(Access.PrincipalOf(context), workspace, Right.Operate)).TryGet(out var entry, out var refusal))
            return new Refused(refusal);
        if (!await store.EndAsync(entry.Id, machine, time.GetUtcNow(), context.RequestAborted))
            return new Refused(Access.Missing($"no living machine {machine} in {entry.Slug}"));
        directory.Ended(machine);
        await audit.RecordAsync(AuditEvent.Of(context, "machine.delete") with { WorkspaceId = entry.Id, Target = machine });
        return Results.NoContent();
    }
}
