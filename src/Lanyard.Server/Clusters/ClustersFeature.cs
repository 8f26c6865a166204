using Lanyard.Protocol.Resources;
using Lanyard.Server.Http;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Lanyard.Server.Clusters;

/// <summary>
/// Owns registered clusters (<c>/v1/workspaces/{workspace}/clusters/{cluster}</c>), the requests of people who administer only a cluster
/// (<c>/v1/cluster-requests</c>, <c>/v1/workspaces/{workspace}/cluster-requests/{code}</c>) and their wizard (<c>/register.sh</c>). A cluster is
/// registered by a trial: a fresh TokenRequest token passes the chain against exactly the record that is then stored, and is forgotten. Nothing
/// is stored that could log in. Runners are not known here: they name a cluster, never the other way round.
/// </summary>
internal static class ClustersFeature
{
    public const string Kind = "Cluster";

    /// <param name="trust">Federation's part, see <see cref="ClusterTrust"/>.</param>
    public static IServiceCollection AddClusters(this IServiceCollection services, Func<IServiceProvider, ClusterTrust> trust)
    {
        services.AddSingleton(trust);
        services.AddSingleton<TrialRoom>();
        services.AddSingleton<ClusterStore>();
        services.AddSingleton<ClusterRequestStore>();
        services.AddSingleton<ClusterBudgets>();
        services.AddContent(Home.Workspace, "clusters", static id => $"select slug as name from clusters where workspace = {id}");
        return services;
    }

    public static void MapClusters(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/register.sh", ClusterRequestEndpoints.Script).WithName("registerScript").WithTags("Clusters").Produces<string>(200, "text/x-shellscript");
        routes.MapPost("/v1/cluster-requests", ClusterRequestEndpoints.CreateAsync).WithName("createClusterRequest").WithTags("Clusters")
            .Accepts<ClusterRequest>("application/json").Produces<ClusterRequestAnswer>(StatusCodes.Status201Created);

        var workspace = routes.MapGroup("/v1/workspaces/{workspace}").WithTags("Clusters");
        workspace.MapGet("/clusters", ClusterEndpoints.ListAsync).WithName("listClusters").Produces<ResourceList<ClusterSpec>>();
        workspace.MapGet("/clusters/{cluster}", ClusterEndpoints.GetAsync).WithName("getCluster").Produces<Resource<ClusterSpec>>();
        workspace.MapPut("/clusters/{cluster}", ClusterEndpoints.PutAsync).WithName("putCluster")
            .Accepts<ClusterWrite>("application/json")
            .Produces<Resource<ClusterSpec>>().Produces<Resource<ClusterSpec>>(StatusCodes.Status201Created).Produces<TrialProblem>(422, "application/problem+json");
        workspace.MapDelete("/clusters/{cluster}", ClusterEndpoints.DeleteAsync).WithName("deleteCluster").Produces(StatusCodes.Status204NoContent);
        workspace.MapGet("/cluster-requests/{code}", ClusterRequestEndpoints.GetAsync).WithName("getClusterRequest").Produces<ClusterRequestView>();
        workspace.MapPost("/cluster-requests/{code}/approve", ClusterRequestEndpoints.ApproveAsync).WithName("approveClusterRequest")
            .Accepts<ClusterApproval>("application/json").Produces<Resource<ClusterSpec>>(StatusCodes.Status201Created);
    }
}

/// <summary>What strangers may ask for, and how often a code may be guessed; for each replica.</summary>
internal sealed class ClusterBudgets(TimeProvider time)
{
    /// <summary>Requests of one address, and of all, in ten minutes.</summary>
    public Budget Requests { get; } = new(time, each: 20, all: 600, TimeSpan.FromMinutes(10));

    /// <summary>Codes that stood for nothing, by one principal and by all, in ten minutes: 40 bits can't be searched at that rate.</summary>
    public Budget Codes { get; } = new(time, each: 10, all: 200, TimeSpan.FromMinutes(10));
}
