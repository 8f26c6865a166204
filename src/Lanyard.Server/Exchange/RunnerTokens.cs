using Lanyard.Identity;
using Lanyard.Server.Http;

namespace Lanyard.Server.Exchange;

/// <summary>
/// A host that its platform vouches for asks for a runner's API token: it names the runner, and the runner names the trust policy that the platform's token must
/// match. Both name each other, so that no workspace can make another's host its runner: at a workspace's endpoint its own policies count alone.
/// </summary>
internal static class RunnerTokens
{
    /// <returns>The runner; or NoMatchingPolicy, whatever of it is not so, and AudienceNotAllowed for a token for elsewhere.</returns>
    public static async ValueTask<Outcome<Principal>> BecomeAsync(
        Principal caller, string slug, CalledIssuer issuer, TokenForm form, ExchangeQuestions questions, CancellationToken cancellation)
    {
        if (form.ActorToken is not null || form.Scope is not null) return new Refusal(RefusalReason.RequestMalformed, "runner: stands alone, without actor_token and scope");
        if (caller.Kind is not PrincipalKind.Policy) return None($"{caller.Name} is no principal of a trust policy");
        // A runner's token has no limits and no actor: whoever was given less, or acts for the host, would have more.
        if (caller.Limits.Count > 0 || caller.ActorJson is not null) return None($"the token of {caller.Name} was narrowed, or somebody acts with it");
        if (!Slug.IsValid(slug) || await questions.RunnerBySlug(issuer.WorkspaceId, slug, cancellation) is not { } runner) return None($"there is no runner {slug}");
        if (runner.PolicyId is not { } policy) return None($"runner {slug} proves itself otherwise");
        if (caller.Facets.FirstOrDefault(facet => facet.WorkspaceId == runner.WorkspaceId && facet.Policy.StartsWith(policy + "@", StringComparison.Ordinal)) is not { } facet)
            return None($"{caller.Name} does not match the policy {policy} of runner {slug}");
        if (facet.Terms?.Runner != slug) return None($"the policy {policy} does not allow the runner {slug}");
        return new Principal
        {
            Kind = PrincipalKind.Runner,
            Name = $"runner:{runner.Id}",
            SubjectId = runner.Id,
            WorkspaceId = runner.WorkspaceId,
            Policies = [facet.Policy],
            TrustRecord = facet.TrustRecord ?? caller.TrustRecord,
            Evidence = facet.Evidence,
            TokenSha256 = caller.TokenSha256,
            TokenId = caller.TokenId,
            ExpiresAt = caller.ExpiresAt,
            Confirmation = caller.Confirmation,
            Origin = caller.Origin,
            Facets = [facet],
            HasTerms = facet.Terms is not null,
        };
    }

    private static Refusal None(string detail) => new(RefusalReason.NoMatchingPolicy, detail);
}
