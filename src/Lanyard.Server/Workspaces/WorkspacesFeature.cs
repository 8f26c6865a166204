using Lanyard.Protocol.Resources;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Lanyard.Server.Workspaces;

/// <summary>
/// Owns workspaces, the tenants: <c>/v1/workspaces</c> and <c>/v1/workspaces/{workspace}</c>. A workspace is an OIDC issuer at its slug, so a slug
/// never changes and is never given again. What lives in a workspace is others', who say so (<see cref="HomeContents"/>): one that is
/// not empty is not deleted.
/// </summary>
internal static class WorkspacesFeature
{
    public const string Kind = "Workspace";

    public static IServiceCollection AddWorkspaces(this IServiceCollection services)
    {
        services.AddSingleton<WorkspaceDirectory>();
        services.AddSingleton<WorkspaceStore>().AddSingleton<HomeContents>();
        return services;
    }

    public static void MapWorkspaces(this IEndpointRouteBuilder routes)
    {
        var group = routes.MapGroup("/v1/workspaces").WithTags("Workspaces");
        group.MapGet("", WorkspaceEndpoints.ListAsync).WithName("listWorkspaces").Produces<ResourceList<WorkspaceSpec>>();
        group.MapGet("/{workspace}", WorkspaceEndpoints.GetAsync).WithName("getWorkspace").Produces<Resource<WorkspaceSpec>>();
        group.MapPut("/{workspace}", WorkspaceEndpoints.PutAsync).WithName("putWorkspace")
            .Accepts<ResourceWrite<WorkspaceSpec>>("application/json")
            .Produces<Resource<WorkspaceSpec>>().Produces<Resource<WorkspaceSpec>>(StatusCodes.Status201Created);
        group.MapDelete("/{workspace}", WorkspaceEndpoints.DeleteAsync).WithName("deleteWorkspace").Produces(StatusCodes.Status204NoContent);
    }
}
