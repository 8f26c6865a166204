using Lanyard.Identity;
using Lanyard.Server.Http;
using Lanyard.Server.Storage;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Audit;

/// <summary>
/// Owns the record of decisions and changes (<see cref="AuditLog"/>, one hash chain a server process), its check
/// (<see cref="AuditVerifier"/>), and <c>GET /v1/audit</c>, <c>/v1/audit/{event}</c>, <c>/v1/audit/verify</c>,
/// <c>/v1/workspaces/{workspace}/audit</c>. It knows no feature: how a slug becomes a workspace is handed in.
/// </summary>
internal static class AuditFeature
{
    public static IServiceCollection AddAudit(this IServiceCollection services, AuditOptions options)
    {
        services.AddSingleton(provider => new AuditLog(
            provider.GetRequiredService<Database>(),
            options,
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<AuditLog>>()));

        // What a known caller was refused on the way to a resource; token refusals are recorded by the bearer door.
        services.AddSingleton<RefusalHook>(provider => (context, target, refusal) =>
            refusal.Stage == Stage.Authorization && Access.PrincipalOf(context) is not null
                ? provider.GetRequiredService<AuditLog>().RecordAsync(
                    AuditEvent.Of(context, "request") with { Refusal = refusal, Target = target })
                : Task.CompletedTask);
        return services;
    }

    /// <param name="requireWorkspace">Resolves a slug and asks <see cref="Access"/>; answers the workspace's id.</param>
    public static void MapAudit(this IEndpointRouteBuilder routes, RequireWorkspace requireWorkspace)
    {
        var group = routes.MapGroup("/v1").WithTags("Audit");
        group.MapGet("/audit", AuditEndpoints.ListAsync).WithName("listAudit");
        group.MapGet("/audit/verify", AuditEndpoints.VerifyAsync).WithName("verifyAudit");
        group.MapGet("/audit/{event}", AuditEndpoints.GetAsync).WithName("getAudit");
        group.MapGet(
                "/workspaces/{workspace}/audit",
                (string workspace, HttpContext context, Database database, AuditLog log, TimeProvider time) =>
                    AuditEndpoints.ListWorkspaceAsync(workspace, requireWorkspace, context, database, log, time))
            .WithName("listWorkspaceAudit");
    }
}

/// <summary>Resolves a workspace's slug for a principal that needs a right in it.</summary>
/// <returns>The workspace's id, or the refusal to answer.</returns>
internal delegate ValueTask<Outcome<string>> RequireWorkspace(Principal? principal, string slug, Right right);
