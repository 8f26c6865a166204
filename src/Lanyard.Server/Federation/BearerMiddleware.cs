using Lanyard.Identity;
using Lanyard.Identity.Tokens;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Lanyard.Server.Federation;

/// <summary>
/// Puts the caller's principal on every request under <c>/v1</c>, <c>/runtime</c> and <c>/twirp</c>, and for <c>/metrics</c>, that shows a bearer. A bearer that is shown and not
/// good is refused here, whatever the path, so that the answer says nothing about what exists. A request without one goes on: endpoints that need a
/// principal refuse it themselves.
/// </summary>
internal sealed class BearerMiddleware(RequestDelegate next)
{
    public async Task InvokeAsync(HttpContext context, Doorkeeper door, Possession possession, WorkspaceDirectory workspaces, AuditLog audit)
    {
        if (DoorsOf(context.Request.Path) is not { } doors || context.Request.Headers.Authorization.Count == 0)
        {
            await next(context);
            return;
        }

        var token = Bearer.Of(context.Request) ?? Bearer.BoundOf(context.Request);
        var outcome = token is not null
            ? await door.AdmitAsync(token, doors, NamedBy(context.Request, doors, workspaces), trace: null, context.RequestAborted)
            : new Refusal(RefusalReason.TokenMissing, "the Authorization header is not one bearer");
        if (!outcome.IsRefused && await possession.CheckAsync(context, outcome.Value, token!) is { } unproven) outcome = unproven;
        if (outcome.TryGet(out var principal, out var refusal))
        {
            Admit(context, principal, workspaces);
            if (context.GetEndpoint()?.Metadata.GetMetadata<GoesOn>() is not null) context.Features.Set(StandingOf(context, door, token!, doors, workspaces));
            await next(context);
            return;
        }

        if (context.GetEndpoint()?.Metadata.GetMetadata<OwnBearer>() is not null)
        {
            await next(context);
            return;
        }

        await audit.RecordAsync(new AuditEvent("bearer")
        {
            RequestId = context.TraceIdentifier,
            Refusal = refusal,
            Target = $"{context.Request.Method} {context.Request.Path}",
            TokenSha256 = token is null ? null : TokenHash.Of(token.AsSpan()).ToString(),
        });
        await new Refused(refusal).ExecuteAsync(context);
    }

    /// <summary>Several workspaces may know one caller, each by a name of its own: a workspace sees, and keeps in its audit, only what is its own.</summary>
    private static void Admit(HttpContext context, Principal principal, WorkspaceDirectory workspaces)
    {
        var workspace = context.GetRouteValue("workspace") is string slug ? workspaces.Find(slug) : null;
        context.Features.Set(workspace is null ? principal : principal.Within(workspace.Id));
    }

    private static Standing StandingOf(HttpContext context, Doorkeeper door, string token, Doors doors, WorkspaceDirectory workspaces) => new(async cancellation =>
    {
        if (!(await door.AdmitAsync(token, doors, NamedBy(context.Request, doors, workspaces), trace: null, cancellation)).TryGet(out var principal, out var refusal))
            return refusal;
        Admit(context, principal, workspaces);
        return null;
    });

    /// <summary>A runner and a pod may say of which workspace they are: what others say of the same token does not count then.</summary>
    /// <returns>Null: nothing is named; empty: what there is not, so that the instance alone counts.</returns>
    private static string? NamedBy(HttpRequest request, Doors doors, WorkspaceDirectory workspaces) =>
        doors.HasFlag(Doors.Runs) && request.Headers.TryGetValue(RunnerHeaders.Workspace, out var slug) ? workspaces.Find(slug.ToString())?.Id ?? "" : null;

    private static Doors? DoorsOf(PathString path) =>
        path.StartsWithSegments("/v1/runner", StringComparison.Ordinal) ? Doors.Api | Doors.Runs
        : path.StartsWithSegments("/v1", StringComparison.Ordinal) || path == "/metrics" ? Doors.Api
        : path.StartsWithSegments("/runtime", StringComparison.Ordinal) || path.StartsWithSegments("/twirp", StringComparison.Ordinal) ? Doors.Runtime | Doors.Workflow
        : null;
}
