using Lanyard.Identity;
using Lanyard.Protocol.OAuth;
using Lanyard.Server.Audit;
using Lanyard.Server.Federation;
using Lanyard.Server.Http;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Lanyard.Server.Exchange;

/// <summary>
/// <c>POST /v1/explain</c>: every step of the chain for one token, for those who administer what judges it. The token is judged anew and nothing is
/// minted, used up or remembered.
/// </summary>
internal static class ExplainEndpoints
{
    public static async Task<IResult> ExplainAsync(
        HttpContext context, TokenExchange exchange, Doorkeeper door, WorkspaceDirectory workspaces, Instance instance, AuditLog audit)
    {
        var principal = Access.PrincipalOf(context);
        if (!(await StrictJson.ReadAsync(context.Request, ExplainJson.Default.ExplainRequest)).TryGet(out var request, out var refused))
            return principal is null ? new Refused(new Refusal(RefusalReason.TokenMissing, "no bearer token")) : refused;

        var issuer = new CalledIssuer(instance.Url, null, null);
        if (context.GetRouteValue("workspace") is string home)
        {
            if (request.Workspace is not null && request.Workspace != home) return Refused.Malformed([new Protocol.Resources.Mistake("workspace", "must be that of the path")]);
            request = request with { Workspace = home };
        }

        if (request.Workspace is { } slug)
        {
            if (!(await workspaces.RequireAsync(principal, slug, Right.Administer)).TryGet(out var entry, out var missing)) return new Refused(missing);
            issuer = new CalledIssuer(instance.WorkspaceIssuer(slug), entry.Id, slug);
        }
        else if (!Access.Require(principal, null, null, Right.Administer).TryGet(out _, out var forbidden))
        {
            return new Refused(forbidden);
        }

        var trace = new Trace();
        var admitted = await door.ExplainAsync(
            request.Token, issuer.WorkspaceId, request.Policy, request.Cluster is { } cluster ? $"cluster/{cluster}" : null, trace, context.RequestAborted);
        var refusal = admitted.IsRefused ? admitted.Refusal : null;
        if (refusal is null && request.Audience is { } audience) refusal = await exchange.ExplainAudienceAsync(admitted.Value, audience, issuer, trace, context.RequestAborted);
        await audit.RecordAsync(AuditEvent.Of(context, "token.explain") with { WorkspaceId = issuer.WorkspaceId });
        return Results.Json(Of(trace, admitted, refusal), ExplainJson.Default.Explanation);
    }

    private static Explanation Of(Trace trace, Outcome<Principal> admitted, Refusal? refusal) => new(
        [.. trace.Steps.Select(s => new ExplainedStep((int)s.Stage, s.Stage.ToString(), s.Passed, s.Text))],
        admitted.IsRefused ? null : admitted.Value.Name,
        refusal is null ? null : $"{refusal.Stage}/{refusal.Reason}",
        admitted.IsRefused ? null : admitted.Value.Evidence,
        trace.Policies.Count == 0 ? null : [.. trace.Policies.Select(static policy => new ExplainedPolicy(policy.Policy, policy.Matches, policy.Why, policy.Change))]);
}
