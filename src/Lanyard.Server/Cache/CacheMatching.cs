using Lanyard.Server.Runtime;

namespace Lanyard.Server.Cache;

/// <summary>For the key itself, and else for the newest key that begins with it.</summary>
/// <param name="Folded">In the form in which keys are compared.</param>
internal sealed record CacheProbe(string Scope, string Folded);

/// <summary>
/// GitHub's documented order: in a scope, each key in turn, exactly and then as a prefix (newest first); all of that in the own ref, then again in the
/// next scope. Scopes come from the token alone.
/// </summary>
internal static class CacheMatching
{
    /// <summary>What to ask, best first; the first that finds something is the answer.</summary>
    public static IReadOnlyList<CacheProbe> Probes(IEnumerable<ScopeGrant> scopes, IReadOnlyList<string> keys)
    {
        var probes = new List<CacheProbe>();
        foreach (var scope in ReadScopes(scopes))
        {
            foreach (var key in keys.Select(CacheKeys.Fold).Distinct())
            {
                probes.Add(new CacheProbe(scope, key));
            }
        }

        return probes;
    }

    /// <summary>All of them: nobody has more than <see cref="Lanyard.Protocol.Runtime.CacheScope.Most"/>.</summary>
    public static IEnumerable<string> ReadScopes(IEnumerable<ScopeGrant> scopes) =>
        scopes.Where(static grant => grant.Permission.HasFlag(ScopePermission.Read)).Select(static grant => grant.Scope).Distinct();

    /// <summary>The one scope that a caller writes to: the first that it may; null for one that may write nowhere.</summary>
    public static string? WriteScope(IEnumerable<ScopeGrant> scopes) =>
        scopes.FirstOrDefault(static grant => grant.Permission.HasFlag(ScopePermission.Write))?.Scope;
}
