using System.Text.Json;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Lanyard.Server.AccessEntries;

/// <summary>
/// Owns access entries (<c>/v1/workspaces/{workspace}/access-entries/{entries}</c>): documents that say who becomes what on a cluster. A cluster proxy
/// fetches one and decides by its copy; the server keeps and checks it and never judges a request to a cluster.
/// </summary>
internal static class AccessEntriesFeature
{
    public const string Kind = "AccessEntries";

    public static IServiceCollection AddAccessEntries(this IServiceCollection services) => services.AddSingleton<AccessEntryStore>()
        .AddContent(Home.Workspace, "access entries", static id => $"select slug as name from access_entries where workspace = {id}");

    public static void MapAccessEntries(this IEndpointRouteBuilder routes)
    {
        var group = routes.MapGroup("/v1/workspaces/{workspace}/access-entries").WithTags("Clusters");
        group.MapGet("", AccessEntryEndpoints.ListAsync).WithName("listAccessEntries").Produces<ResourceList<JsonElement>>();
        group.MapGet("/{entries}", AccessEntryEndpoints.GetAsync).WithName("getAccessEntries").Produces<Resource<JsonElement>>();
        group.MapPut("/{entries}", AccessEntryEndpoints.PutAsync).WithName("putAccessEntries").Accepts<ResourceWrite<JsonElement>>("application/json")
            .Produces<Resource<JsonElement>>().Produces<Resource<JsonElement>>(StatusCodes.Status201Created);
        group.MapDelete("/{entries}", AccessEntryEndpoints.DeleteAsync).WithName("deleteAccessEntries").Produces(StatusCodes.Status204NoContent);
    }
}
