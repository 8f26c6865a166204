namespace Lanyard.Server.Http;

/// <summary>What a token was narrowed to when it was exchanged: at most this role, at most this place. Limits only take away.</summary>
/// <param name="Most">Null: whatever role there is.</param>
internal sealed record AccessLimit(Role? Most, Scope Place)
{
    /// <summary>As a claim of our own tokens holds it: role, workspace, collection; <c>-</c> is none.</summary>
    public override string ToString() => $"{(Most is { } role ? role.ToString() : "-")} {Place.WorkspaceId ?? "-"} {Place.CollectionId ?? "-"}";

    /// <returns>Null: not written by us.</returns>
    public static AccessLimit? Parse(string text)
    {
        if (text.Split(' ') is not [var role, var workspace, var collection]) return null;
        Role? most = null;
        if (role != "-")
        {
            if (!Enum.TryParse<Role>(role, out var known)) return null;
            most = known;
        }

        return new AccessLimit(most, new Scope(workspace == "-" ? null : workspace, collection == "-" ? null : collection));
    }

    /// <summary>The principal within its limits. It also loses what is no role: audiences of identity tokens, introspection, tokens of GitHub's and being a runner.</summary>
    public static Principal Apply(Principal principal, IReadOnlyList<AccessLimit> limits)
    {
        if (limits.Count == 0) return principal;
        if (principal.Facets.Count == 0) return principal with { Roles = Narrow(principal.Roles, limits), Limits = limits };
        PrincipalFacet[] facets = [.. principal.Facets.Select(facet => facet with { Roles = Narrow(facet.Roles, limits), Audiences = [], Introspects = [], Terms = facet.Terms is null ? null : facet.Terms with { GitHub = null, Runner = null } })];
        return PrincipalFacet.Together(principal, facets) with { Limits = limits };
    }

    private static IReadOnlyList<RoleBinding> Narrow(IReadOnlyList<RoleBinding> roles, IReadOnlyList<AccessLimit> limits) =>
        limits.Aggregate(roles, static (left, limit) => [.. left.Select(limit.Narrow).OfType<RoleBinding>()]);

    private RoleBinding? Narrow(RoleBinding binding)
    {
        var place = Place.Covers(binding.Scope.WorkspaceId, binding.Scope.CollectionId) ? binding.Scope
            : binding.Scope.Covers(Place.WorkspaceId, Place.CollectionId) ? Place
            : null;
        return place is null ? null : new RoleBinding(place, Most is { } most && most < binding.Role ? most : binding.Role);
    }
}
