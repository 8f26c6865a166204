using Lanyard.Server.Runtime;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Lanyard.Server.Operations;

/// <summary>
/// Owns what a run or a machine does to other runs while it lives: <c>/runtime/runs</c>, start, extend, cancel. An integration of the runtime API and its
/// example (docs/runtime-api.md): callers are <see cref="RuntimeSubject"/>s, what they may is written in their definition or in their machine, and a guard keeps
/// runs from starting each other for ever. It does not know what runs are: that is asked (<see cref="OperationQuestions"/>).
/// </summary>
internal static class OperationsFeature
{
    public static IServiceCollection AddOperations(this IServiceCollection services, Func<IServiceProvider, OperationQuestions> questions)
    {
        services.AddSingleton(questions);
        services.AddSingleton<LoopGuard>();
        services.AddHostedService<LoopGuardSweeper>();
        return services;
    }

    public static void MapOperations(this IEndpointRouteBuilder routes)
    {
        var runs = routes.MapGroup("/runtime/runs").ExcludeFromDescription();
        runs.MapPost("", OperationEndpoints.StartAsync);
        runs.MapGet("/{run}", OperationEndpoints.GetAsync);
        runs.MapPost("/{run}/extend", OperationEndpoints.ExtendAsync);
        runs.MapPost("/{run}/cancel", OperationEndpoints.CancelAsync);
    }
}
