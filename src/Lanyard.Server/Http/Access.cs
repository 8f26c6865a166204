using Lanyard.Identity;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Http;

/// <summary>What a call wants to do in a scope.</summary>
public enum Right
{
    /// <summary>Look: every role.</summary>
    Read,

    /// <summary>Create, cancel and look at runs: operators and admins.</summary>
    Operate,

    /// <summary>Change what is there: admins.</summary>
    Administer,
}

/// <summary>
/// The one function that decides. It is asked before anything is looked up in the database; rooms that know slugs
/// (<c>Workspaces/WorkspaceDirectory</c>, <c>Collections/CollectionDirectory</c>) turn a path into ids in memory and ask here.
/// Whatever lies outside a principal's scopes is the same 404, whether it exists or not; what it may see and not do is a 403.
/// </summary>
public static class Access
{
    /// <summary>The principal that the bearer door found, or null.</summary>
    public static Principal? PrincipalOf(HttpContext context) => context.Features.Get<Principal>();

    /// <param name="workspaceId">Null with <paramref name="collectionId"/>: the instance itself.</param>
    /// <returns>The principal; or TokenMissing, NotFound, Forbidden.</returns>
    public static Outcome<Principal> Require(Principal? principal, string? workspaceId, string? collectionId, Right right)
    {
        if (principal is null)
        {
            return new Refusal(RefusalReason.TokenMissing, "no bearer token");
        }

        var role = RoleIn(principal, workspaceId, collectionId);
        if (role is null)
        {
            return Missing($"{principal.Name} has no role in workspace {workspaceId ?? "-"}, collection {collectionId ?? "-"}");
        }

        return Allows(role.Value, right)
            ? principal
            : new Refusal(RefusalReason.Forbidden, $"{principal.Name} is {role.Value} there, which does not include {right}");
    }

    /// <summary>
    /// As <see cref="Require"/>, for a caller that was just found to see the thing itself and needs a right in what holds it: where it has none,
    /// that is a 403 and no 404.
    /// </summary>
    public static Outcome<Principal> RequireOfKnown(Principal? principal, string? workspaceId, string? collectionId, Right right)
    {
        var outcome = Require(principal, workspaceId, collectionId, right);
        return outcome.IsRefused && outcome.Refusal.Reason == RefusalReason.NotFound
            ? new Refusal(RefusalReason.Forbidden, outcome.Refusal.Detail)
            : outcome;
    }

    /// <summary>For paths that name nothing that exists: the same answer as for what is foreign.</summary>
    public static Refusal Missing(string detail) => new(RefusalReason.NotFound, detail);

    /// <summary>The highest role that covers the place, or null.</summary>
    public static Role? RoleIn(Principal principal, string? workspaceId, string? collectionId)
    {
        Role? highest = null;
        foreach (var binding in principal.Roles)
        {
            if (binding.Scope.Covers(workspaceId, collectionId) && (highest is null || binding.Role > highest))
            {
                highest = binding.Role;
            }
        }

        return highest;
    }

    /// <summary>Collections of a workspace that are named one by one in the principal's roles; it sees no more of it unless a wider scope says so.</summary>
    public static IReadOnlyList<string> NamedCollections(Principal principal, string workspaceId) =>
        [.. principal.Roles.Where(binding => binding.Scope.WorkspaceId == workspaceId).Select(binding => binding.Scope.CollectionId).OfType<string>()];

    private static bool Allows(Role role, Right right) => right switch
    {
        Right.Read => true,
        Right.Operate => role >= Role.Operator,
        Right.Administer => role >= Role.Admin,
        _ => throw new ArgumentOutOfRangeException(nameof(right), right, null),
    };
}
