using Lanyard.Identity;
using Lanyard.Identity.Tokens;
using Lanyard.Identity.Trust;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Exchange;

/// <summary><c>POST /v1/workspaces/{workspace}/github-tokens</c>: installation tokens for whom a trust policy of the workspace names with <c>allow.github</c>.</summary>
internal static class GitHubEndpoints
{
    public static async Task<IResult> MintAsync(
        string workspace, HttpContext context, WorkspaceDirectory workspaces, GitHubApps apps, GitHubTokens tokens, AuditLog audit)
    {
        context.Response.Headers.CacheControl = "no-store";
        var principal = Access.PrincipalOf(context);
        if (principal is null) return new Refused(new Refusal(RefusalReason.TokenMissing, "no bearer token"));
        // Behind the wall is whoever a policy of the workspace knows, whatever the policy gives.
        var entry = workspaces.Find(workspace);
        var own = entry is null ? [] : principal.Facets.Where(facet => facet.WorkspaceId == entry.Id).ToList();
        if (entry is null || (own.Count == 0 && Access.RoleIn(principal, entry.Id, null) is null)) return new Refused(Access.Missing($"no workspace {workspace}"));
        if (!(await StrictJson.ReadAsync(context.Request, GitHubJson.Default.GitHubTokenRequest)).TryGet(out var request, out var refused)) return refused;

        var chosen = Choose(own, request);
        if (!chosen.TryGet(out var choice, out var refusal)) return new Refused(refusal);
        if (apps.Find(choice.App) is not { } app) return new Refused(new Refusal(RefusalReason.Forbidden, $"the server has no GitHub App {choice.App ?? "(or several, and the policy names none)"}"));
        var outcome = await tokens.MintAsync(app, choice.Repositories, choice.Permissions, context.RequestAborted);
        await audit.RecordAsync(AuditEvent.Of(context, "github.token") with
        {
            WorkspaceId = entry.Id, Refusal = outcome.IsRefused ? outcome.Refusal : null, Target = string.Join(' ', choice.Repositories), Details = DetailsOf(app, choice, outcome),
        });
        return outcome.TryGet(out var made, out refusal) ? Results.Json(made, GitHubJson.Default.GitHubToken) : new Refused(refusal);
    }

    /// <summary>One policy must allow all of it; what is not asked for is what that policy allows.</summary>
    private static Outcome<GitHubGrant> Choose(IReadOnlyList<PrincipalFacet> facets, GitHubTokenRequest request)
    {
        var grants = facets.Select(static facet => facet.Terms?.GitHub).OfType<GitHubGrant>().ToList();
        if (grants.Count == 0) return new Refusal(RefusalReason.Forbidden, "no policy allows tokens of GitHub");
        if (request.Repositories is { Count: 0 } || request.Permissions is { Count: 0 }) return new Refusal(RefusalReason.RequestMalformed, "an empty list asks for nothing");
        var grant = grants.Find(one => (request.Repositories ?? []).All(one.Allows) && (request.Permissions ?? new Dictionary<string, string>()).All(wish => one.Allows(wish.Key, wish.Value)));
        if (grant is null) return new Refusal(RefusalReason.Forbidden, $"no policy allows {string.Join(", ", request.Repositories ?? [])} with these permissions");
        var repositories = request.Repositories ?? grant.Repositories;
        return repositories.Select(static name => name[..name.IndexOf('/', StringComparison.Ordinal)]).Distinct(StringComparer.OrdinalIgnoreCase).Count() == 1
            ? grant with { Repositories = repositories, Permissions = request.Permissions ?? grant.Permissions }
            : new Refusal(RefusalReason.RequestMalformed, "a token is for repositories of one owner: name them");
    }

    private static Dictionary<string, string> DetailsOf(GitHubApp app, GitHubGrant choice, Outcome<GitHubToken> outcome)
    {
        var details = new Dictionary<string, string> { ["app"] = app.Name, ["permissions"] = string.Join(' ', choice.Permissions.Select(static one => $"{one.Key}:{one.Value}")) };
        if (!outcome.IsRefused) details["issuedSha256"] = TokenHash.Of(outcome.Value.Token.AsSpan()).ToString();
        return details;
    }
}
