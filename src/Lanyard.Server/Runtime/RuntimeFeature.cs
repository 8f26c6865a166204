using Lanyard.Protocol.Runtime;
using Lanyard.Server.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Lanyard.Server.Runtime;

/// <summary>
/// Owns what a run or a machine sees while it lives: <c>GET /runtime/whoami</c>, and for integrations (the cache is one) the way from a runtime token
/// (RFC 9068, audience <c>&lt;instance&gt;/runtime</c>) to a <see cref="RuntimeSubject"/>. An integration is a folder of its own that asks
/// <see cref="RuntimeCaller"/> first and takes workspace, repository and scopes from the subject, never from the request. It does not know runs or
/// machines: who lives is asked of <see cref="RuntimeQuestions"/>.
/// </summary>
internal static class RuntimeFeature
{
    public static IServiceCollection AddRuntime(this IServiceCollection services, Func<IServiceProvider, RuntimeQuestions> questions)
    {
        services.AddSingleton(questions);
        services.AddSingleton<RuntimeCaller>();
        return services;
    }

    public static void MapRuntime(this IEndpointRouteBuilder routes) =>
        routes.MapGroup("/runtime").WithTags("Runtime").ExcludeFromDescription().MapGet("/whoami", WhoAmIAsync);

    private static async Task<IResult> WhoAmIAsync(HttpContext context, RuntimeCaller caller)
    {
        if (!(await caller.RequireAsync(context)).TryGet(out var subject, out var refusal)) return new Refused(refusal);
        context.Response.Headers.CacheControl = "no-store";
        var view = new RuntimeIdentity(
            subject.Kind switch { PrincipalKind.Run => "run", PrincipalKind.Workflow => "workflow", _ => "machine" },
            subject.Id,
            subject.Attempt,
            subject.WorkspaceId,
            subject.Repository,
            subject.Ref,
            [.. subject.Scopes.Select(static grant => new CacheScope(grant.Scope, CacheScope.NameOf((int)grant.Permission)))],
            subject.ExpiresAt);
        return Results.Json(view, RuntimeJson.Default.RuntimeIdentity);
    }
}
