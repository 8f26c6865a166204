using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Runners;

/// <summary>Runners as resources: of a workspace for its admins, shared ones for the instance's.</summary>
internal static class RunnerResourceEndpoints
{
    private static readonly TimeSpan SeenLately = TimeSpan.FromMinutes(2);

    public static Task<IResult> ListSharedAsync(HttpContext context, RunnerParts parts) => ListAsync(null, context, parts);

    public static Task<IResult> GetSharedAsync(string runner, HttpContext context, RunnerParts parts) => GetAsync(null, runner, context, parts);

    public static Task<IResult> PutSharedAsync(string runner, HttpContext context, RunnerParts parts) => PutAsync(null, runner, context, parts);

    public static Task<IResult> DeleteSharedAsync(string runner, HttpContext context, RunnerParts parts) => DeleteAsync(null, runner, context, parts);

    public static async Task<IResult> ListAsync(string? workspace, HttpContext context, RunnerParts parts)
    {
        if (!(await PlaceAsync(workspace, context, parts, Right.Read)).TryGet(out var place, out var refusal)
            || !Paging.Read(context.Request).TryGet(out var paging, out refusal))
            return new Refused(refusal);
        var rows = await parts.Store.ListAsync(place.Workspace?.Id, paging.After, paging.Limit + 1, context.RequestAborted);
        var (items, next) = paging.Cut(rows, static row => row.Slug);
        var resources = new List<Resource<RunnerSpec>>(items.Count);
        foreach (var row in items)
            resources.Add(await ToResourceAsync(row, place, parts, context.RequestAborted));
        return Results.Json(new ResourceList<RunnerSpec>(resources, next), ResourceJson.Default.ResourceListRunnerSpec);
    }

    public static async Task<IResult> GetAsync(string? workspace, string runner, HttpContext context, RunnerParts parts)
    {
        if (!(await PlaceAsync(workspace, context, parts, Right.Read)).TryGet(out var place, out var refusal))
            return new Refused(refusal);
        return await parts.Store.FindBySlugAsync(place.Workspace?.Id, runner, context.RequestAborted) is { } row
            ? ResourceAnswers.Answer(context, await ToResourceAsync(row, place, parts, context.RequestAborted), ResourceJson.Default.ResourceRunnerSpec)
            : new Refused(Access.Missing($"no runner {runner}"));
    }

    public static async Task<IResult> PutAsync(string? workspace, string runner, HttpContext context, RunnerParts parts)
    {
        if (!(await PlaceAsync(workspace, context, parts, Right.Administer)).TryGet(out var place, out var refusal)
            || !Precondition.Read(context.Request).TryGet(out var precondition, out refusal))
            return new Refused(refusal);
        if (!(await StrictJson.ReadAsync(context.Request, ResourceJson.Default.ResourceWriteRunnerSpec)).TryGet(out var write, out var refused))
            return refused;
        var mistakes = ResourceAnswers.EnvelopeMistakes(write, RunnersFeature.Kind, runner, workspace);
        RunnerRules.Check(write.Spec, mistakes);
        if (mistakes.Count > 0)
            return Refused.Malformed(mistakes);

        var put = await parts.Writing.PutAsync(place.Workspace, runner, write.Spec, precondition, mistakes, AuditEvent.Of(context, "runner.put"), context.RequestAborted);
        if (mistakes.Count > 0)
            return Refused.Malformed(mistakes);
        if (!put.TryGet(out var done, out refusal))
            return Refused.Told(refusal);
        return ResourceAnswers.Answer(
            context, await ToResourceAsync(done.Runner, place, parts, context.RequestAborted), ResourceJson.Default.ResourceRunnerSpec, done.IsNew);
    }

    public static async Task<IResult> DeleteAsync(string? workspace, string runner, HttpContext context, RunnerParts parts)
    {
        if (!(await PlaceAsync(workspace, context, parts, Right.Administer)).TryGet(out var place, out var refusal)
            || !Precondition.Read(context.Request).TryGet(out var precondition, out refusal)
            || !(await parts.Writing.DeleteAsync(place.Workspace, runner, precondition, AuditEvent.Of(context, "runner.delete"), context.RequestAborted)).TryGet(out _, out refusal))
            return new Refused(refusal);
        return Results.NoContent();
    }

    public static async Task<Resource<RunnerSpec>> ToResourceAsync(RunnerRecord row, RunnerPlace place, RunnerParts parts, CancellationToken cancellationToken)
    {
        var session = await parts.Sessions.FindAsync(row.Id, cancellationToken);
        var seen = session is null ? (DateTimeOffset?)null : DateTimeOffset.FromUnixTimeMilliseconds(session.LastSeen);
        var status = new RunnerStatus(
            session?.Version, session?.Concurrency, session?.Sandboxed, session?.Labels, seen, seen is { } at && parts.Time.GetUtcNow() - at <= SeenLately, session?.NoRoom);
        return new(
            RunnersFeature.Kind,
            row.Id,
            row.Slug,
            place.Workspace?.Slug,
            null,
            RunnerWriting.ETagOf(row),
            DateTimeOffset.FromUnixTimeMilliseconds(row.Created),
            DateTimeOffset.FromUnixTimeMilliseconds(row.Updated),
            RunnerRules.SpecOf(row),
            JsonSerializer.SerializeToElement(status, ResourceJson.Default.RunnerStatus));
    }

    /// <param name="workspace">Null: where shared runners live, which is the instance.</param>
    private static async ValueTask<Outcome<RunnerPlace>> PlaceAsync(string? workspace, HttpContext context, RunnerParts parts, Right right)
    {
        var principal = Access.PrincipalOf(context);
        if (workspace is null)
            return Access.Require(principal, null, null, right).TryGet(out _, out var missing) ? new RunnerPlace(null) : missing;
        return (await parts.Workspaces.RequireAsync(principal, workspace, right)).TryGet(out var entry, out var refusal) ? new RunnerPlace(entry) : refusal;
    }
}

/// <param name="Workspace">Null: shared.</param>
internal sealed record RunnerPlace(WorkspaceEntry? Workspace);

/// <summary>What the endpoints of runners work with.</summary>
internal sealed record RunnerParts(
    RunnerStore Store, SessionStore Sessions, RunnerRequestStore Requests, RunnerWriting Writing, WorkspaceDirectory Workspaces, AuditLog Audit, TimeProvider Time);
