using Lanyard.ClusterProxy.Authentication;
using Lanyard.ClusterProxy.Impersonation;

namespace Lanyard.ClusterProxy.AccessEntries;

/// <summary>What the proxy's users are made of: the names that are known before any token comes, and null for those that depend on one. Nothing where there are none.</summary>
internal sealed record ImpersonatedNames(IReadOnlyList<string?> Users, IReadOnlyList<string?> Groups, IReadOnlyList<string?> Uids, IReadOnlyList<string> ExtraKeys)
{
    public static ImpersonatedNames Of(IReadOnlyList<AccessEntry> entries) => new(
        [.. entries.Select(static e => FixedClaims.Known(e.Username, e.Fixed))],
        [.. entries.SelectMany(static e => e.Groups.Select(g => FixedClaims.Known(g, e.Fixed)))],
        [.. entries.Where(static e => e.Uid is not null).Select(static e => FixedClaims.Known(e.Uid!, e.Fixed))],
        [KubernetesUser.CredentialId, .. entries.SelectMany(static e => e.Extras.Select(static x => x.Key))]);

    /// <summary>Of claim mappings: every name depends on the token.</summary>
    public static ImpersonatedNames Of(IReadOnlyList<JwtAuthenticator> authenticators) => new(
        [null],
        authenticators.Any(static a => a.Groups is not null || a.Expressions.Groups is not null) ? [null] : [],
        authenticators.Any(static a => a.UidClaim is not null || a.Expressions.Uid is not null) ? [null] : [],
        [KubernetesUser.CredentialId, .. authenticators.SelectMany(static a => a.Expressions.Extras.Select(static x => x.Key))]);
}
