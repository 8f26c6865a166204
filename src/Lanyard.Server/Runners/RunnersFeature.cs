using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Http;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Lanyard.Server.Runners;

/// <summary>
/// Owns runners: what they are (<c>/v1/workspaces/{workspace}/runners/{runner}</c>, shared ones <c>/v1/runners/{runner}</c>), what they serve, how they
/// prove themselves, and the hosts that ask to become one (<c>/v1/runner/requests</c>, <c>/v1/runner-requests</c>). It tells the bearer door who is a
/// runner (<see cref="RunnerDirectory"/>). It does not know runs, clusters, trust or how a token is judged: <see cref="FindCluster"/>,
/// <see cref="FindPolicy"/> and <see cref="JudgeRunnerKey"/> are handed in.
/// </summary>
internal static class RunnersFeature
{
    public const string Kind = "Runner";

    public static IServiceCollection AddRunners(
        this IServiceCollection services, Func<IServiceProvider, FindCluster> findCluster, Func<IServiceProvider, FindPolicy> findPolicy, Func<IServiceProvider, JudgeRunnerKey> judgeKey)
    {
        services.AddSingleton(findCluster).AddSingleton(findPolicy).AddSingleton(judgeKey);
        services.AddSingleton<RunnerStore>().AddSingleton<SessionStore>().AddSingleton<RunnerRequestStore>();
        services.AddSingleton<RunnerDirectory>().AddSingleton<RunnerWriting>().AddSingleton<RunnerParts>().AddSingleton<RequestBudget>();
        services.AddContent(Home.Workspace, "runners", static id => $"select slug as name from runners where workspace = {id}");
        services.AddRemnant(Home.Collection, static id => $"delete from runner_collections where collection = {id}");
        return services;
    }

    public static void MapRunners(this IEndpointRouteBuilder routes)
    {
        var own = routes.MapGroup("/v1/workspaces/{workspace}/runners").WithTags("Runners");
        own.MapGet("", RunnerResourceEndpoints.ListAsync).WithName("listRunners").Produces<ResourceList<RunnerSpec>>();
        own.MapGet("/{runner}", RunnerResourceEndpoints.GetAsync).WithName("getRunner").Produces<Resource<RunnerSpec>>();
        own.MapPut("/{runner}", RunnerResourceEndpoints.PutAsync).WithName("putRunner").Accepts<ResourceWrite<RunnerSpec>>("application/json")
            .Produces<Resource<RunnerSpec>>().Produces<Resource<RunnerSpec>>(StatusCodes.Status201Created);
        own.MapDelete("/{runner}", RunnerResourceEndpoints.DeleteAsync).WithName("deleteRunner").Produces(StatusCodes.Status204NoContent);

        var shared = routes.MapGroup("/v1/runners").WithTags("Runners");
        shared.MapGet("", RunnerResourceEndpoints.ListSharedAsync).WithName("listSharedRunners").Produces<ResourceList<RunnerSpec>>();
        shared.MapGet("/{runner}", RunnerResourceEndpoints.GetSharedAsync).WithName("getSharedRunner").Produces<Resource<RunnerSpec>>();
        shared.MapPut("/{runner}", RunnerResourceEndpoints.PutSharedAsync).WithName("putSharedRunner").Accepts<ResourceWrite<RunnerSpec>>("application/json")
            .Produces<Resource<RunnerSpec>>().Produces<Resource<RunnerSpec>>(StatusCodes.Status201Created);
        shared.MapDelete("/{runner}", RunnerResourceEndpoints.DeleteSharedAsync).WithName("deleteSharedRunner").Produces(StatusCodes.Status204NoContent);

        var requests = routes.MapGroup("/v1").WithTags("Runners");
        requests.MapPost("/runner/requests", RunnerRequestEndpoints.RequestAsync).WithName("requestRunner").WithMetadata(OwnBearer.Instance)
            .Accepts<RunnerRegistration>("application/json").Produces<RunnerRegistrationAnswer>();
        requests.MapGet("/runner-requests", RunnerRequestEndpoints.ListAsync).WithName("listRunnerRequests").Produces<RunnerRequestList>();
        requests.MapPost("/runner-requests/{fingerprint}/approve", RunnerRequestEndpoints.ApproveAsync).WithName("approveRunner")
            .Accepts<ApproveRunner>("application/json").Produces<Resource<RunnerSpec>>(StatusCodes.Status201Created);
    }
}
