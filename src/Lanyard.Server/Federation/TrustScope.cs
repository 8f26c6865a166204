using Lanyard.Identity;
using Lanyard.Server.Http;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Lanyard.Server.Federation;

/// <summary>Where a resource of trust lives: in the workspace that the path names, or in the instance.</summary>
internal sealed record TrustScope(string? WorkspaceId, string? Workspace)
{
    public static async ValueTask<Outcome<TrustScope>> RequireAsync(HttpContext context, WorkspaceDirectory workspaces, Right right)
    {
        var principal = Access.PrincipalOf(context);
        if (context.GetRouteValue("workspace") is not string slug)
            return Access.Require(principal, null, null, right).TryGet(out _, out var refused) ? new TrustScope(null, null) : refused;
        return (await workspaces.RequireAsync(principal, slug, right)).TryGet(out var entry, out var refusal) ? new TrustScope(entry.Id, slug) : refusal;
    }
}
