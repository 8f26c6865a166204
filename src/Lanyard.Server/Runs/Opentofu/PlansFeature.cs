using Lanyard.Protocol.Runs;
using Lanyard.Server.Audit;
using Lanyard.Server.Collections;
using Lanyard.Server.Http;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Lanyard.Server.Runs.Opentofu;

/// <summary>Plan, approval, apply: what people say to a plan, the states of a collection, and what runners hand on of the tool's HTTP backend (<see cref="StateEndpoints"/>).</summary>
internal static class PlansFeature
{
    public static void AddPlans(this IServiceCollection services) => services.AddSingleton<PlanStore>().AddSingleton<StateStore>().AddSingleton<StateEndpoints>()
        .AddContent(Home.Collection, "states", static id => $"select name from states where collection = {id} union all select name from state_locks where collection = {id}");

    public static void MapPlans(this IEndpointRouteBuilder routes)
    {
        var collection = routes.MapGroup("/v1/workspaces/{workspace}/collections/{collection}").WithTags("Runs");
        collection.MapPost("/runs/{run}/approve", ApproveAsync).WithName("approveRun").Produces<RunView>();
        collection.MapPost("/runs/{run}/discard", DiscardAsync).WithName("discardRun").Produces<RunView>();
        collection.MapGet("/states", ListAsync).WithName("listStates").Produces<StateList>();
        collection.MapGet("/states/{state}/versions", StateVersions.ListAsync).WithName("listStateVersions").Produces<StateVersionList>();
        collection.MapGet("/states/{state}/versions/{version}", StateVersions.PullAsync).WithName("pullState").Produces(StatusCodes.Status200OK, contentType: "application/json");
        collection.MapPut("/states/{state}", StateVersions.PushAsync).WithName("pushState").Accepts<byte[]>("application/json").Produces<StateVersionView>();
        collection.MapDelete("/states/{state}", StateVersions.DeleteAsync).WithName("deleteState").Produces(StatusCodes.Status204NoContent);
        collection.MapDelete("/states/{state}/locks/{lock}", UnlockAsync).WithName("unlockState").Produces(StatusCodes.Status204NoContent);

        var attempt = routes.MapGroup("/v1/runner/attempts/{run}/{attempt}").WithTags("Runner");
        attempt.MapGet("/plan", StateEndpoints.GetPlanAsync).WithName("getPlan").Produces(StatusCodes.Status200OK, contentType: "application/octet-stream");
        attempt.MapPut("/plan", StateEndpoints.PutPlanAsync).WithName("putPlan").Accepts<byte[]>("application/octet-stream").Produces(StatusCodes.Status204NoContent);
        attempt.MapGet("/state", StateEndpoints.GetAsync).WithName("getState").Produces(StatusCodes.Status200OK, contentType: "application/json").Produces(StatusCodes.Status204NoContent);
        attempt.MapPost("/state", StateEndpoints.PutAsync).WithName("putState").Accepts<byte[]>("application/octet-stream").Produces(StatusCodes.Status204NoContent);
        attempt.MapPost("/state/lock", StateEndpoints.LockAsync).WithName("lockState").Accepts<byte[]>("application/octet-stream").Produces(StatusCodes.Status204NoContent);
        attempt.MapPost("/state/unlock", StateEndpoints.UnlockAsync).WithName("unlockStateOfAttempt").Accepts<byte[]>("application/octet-stream").Produces(StatusCodes.Status204NoContent);
    }

    private static Task<IResult> ApproveAsync(
        string workspace, string collection, string run, HttpContext context, CollectionDirectory directory, RunQueries queries, RunChanges changes, RunRules rules, RunViews views) =>
        DecideAsync(workspace, collection, run, context, directory, queries, changes, views, "run.approve", rules.Approve);

    private static Task<IResult> DiscardAsync(
        string workspace, string collection, string run, HttpContext context, CollectionDirectory directory, RunQueries queries, RunChanges changes, RunRules rules, RunViews views) =>
        DecideAsync(workspace, collection, run, context, directory, queries, changes, views, "run.discard", rules.Discard);

    private static async Task<IResult> DecideAsync(
        string workspace, string collection, string run, HttpContext context, CollectionDirectory directory, RunQueries queries, RunChanges changes, RunViews views,
        string action, Func<RunRecord, Lanyard.Identity.Outcome<RunRecord>> rule)
    {
        var cancellation = context.RequestAborted;
        if (!(await RunsEndpoints.FindAsync(directory, queries, context, workspace, collection, run, Right.Operate)).TryGet(out var listed, out var refusal)
            || !(await changes.ApplyAsync(run, rule, done => RunAudit.Changed(context, action, done), cancellation)).TryGet(out var change, out refusal))
            return Refused.Told(refusal);
        return Results.Json(await views.WholeAsync(listed with { Run = change.After }, workspace, collection, cancellation), RunsJson.Default.RunView);
    }

    private static async Task<IResult> ListAsync(string workspace, string collection, HttpContext context, CollectionDirectory directory, StateStore states)
    {
        if (!(await directory.RequireAsync(Access.PrincipalOf(context), workspace, collection, Right.Read)).TryGet(out var entry, out var refusal))
            return new Refused(refusal);
        var rows = await states.ListAsync(entry.Id, context.RequestAborted);
        return Results.Json(new StateList([.. rows.Select(ViewOf)]), RunsJson.Default.StateList);
    }

    private static StateView ViewOf(StateRow row) => new(
        row.Name, row.Version, row.Bytes, DateTimeOffset.FromUnixTimeMilliseconds(row.At), StateVersions.WriterOf(row),
        row.Lock is { } held ? new StateLockView(held.Id, held.Run, held.Attempt, held.Phase, DateTimeOffset.FromUnixTimeMilliseconds(held.At)) : null);

    /// <summary>For an admin who knows how far an apply came that did not come to its end.</summary>
    private static async Task<IResult> UnlockAsync(
        string workspace, string collection, string state, string @lock, HttpContext context, CollectionDirectory directory, StateStore states)
    {
        if (!(await directory.RequireAsync(Access.PrincipalOf(context), workspace, collection, Right.Administer)).TryGet(out var entry, out var refusal))
            return new Refused(refusal);
        var about = AuditEvent.Of(context, "state.unlock") with { WorkspaceId = entry.Workspace.Id, CollectionId = entry.Id, Target = $"{entry.Id}/{state}" };
        return await states.UnlockAsync(entry.Id, state, @lock, about, context.RequestAborted) ? Results.NoContent() : new Refused(Access.Missing($"{state} has no lock {@lock}"));
    }
}
