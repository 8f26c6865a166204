using System.Text.Json;
using Lanyard.ClusterProxy.Impersonation;
using Lanyard.Identity;
using Lanyard.Identity.Tokens;

namespace Lanyard.ClusterProxy.Authentication;

/// <summary>Claims become a Kubernetes user as the API server's own OIDC authenticator does it, but an empty name is always refused.</summary>
internal static class ClaimMapper
{
    private const string Email = "email";

    public static Outcome<KubernetesUser> Map(VerifiedToken token, JwtAuthenticator authenticator)
    {
        var claims = token.Claims;
        var expressions = new ExpressionMapper(authenticator.Expressions, claims);
        var named = authenticator.Username is { } claim ? ReadName(claims, claim) : expressions.Username();
        if (!named.TryGet(out var name, out var refusal))
        {
            return refusal;
        }

        var grouped = authenticator.Groups is { } mapping ? ReadGroups(claims, mapping) : expressions.Groups();
        if (!grouped.TryGet(out var groups, out refusal) || !expressions.Extras().TryGet(out var extras, out refusal))
        {
            return refusal;
        }

        var credential = KubernetesUser.CredentialOf(token);
        var user = new KubernetesUser(name) { Groups = groups, Extras = extras.Length == 0 ? credential : [.. credential, .. extras] };
        return authenticator.UidClaim is { } uidClaim ? WithUid(user, claims, uidClaim)
            : !expressions.Uid().TryGet(out var uid, out refusal) ? refusal
            : uid.Length > 0 ? user with { Uid = uid }
            : user;
    }

    private static Outcome<string> ReadName(ClaimSet claims, PrefixedClaim mapping)
    {
        if (!claims.TryGetString(mapping.Claim, out var name) || name.Length == 0)
        {
            return new Refusal(RefusalReason.ClaimMissing, $"no text in the user name's claim {mapping.Claim}");
        }

        return mapping.Claim == Email && claims.TryGet("email_verified", out var verified) && verified.Kind != JsonValueKind.True
            ? new Refusal(RefusalReason.ConditionFailed, "email_verified is there and not true")
            : mapping.Prefix + name;
    }

    private static Outcome<string[]> ReadGroups(ClaimSet claims, PrefixedClaim mapping)
    {
        if (!claims.TryGet(mapping.Claim, out var value) || value.Kind == JsonValueKind.Null)
        {
            return IsDistributed(claims, mapping.Claim)
                ? new Refusal(RefusalReason.ClaimMalformed, $"the groups are a distributed claim (_claim_names), which this proxy does not fetch")
                : Array.Empty<string>();
        }

        if (!claims.TryGetStrings(mapping.Claim, out var names))
        {
            return new Refusal(RefusalReason.ClaimMalformed, $"the groups' claim {mapping.Claim} is neither a string nor a list of strings");
        }

        return names.Select(n => mapping.Prefix + n).ToArray();
    }

    private static bool IsDistributed(ClaimSet claims, string name) => claims.TryGet("_claim_names", out var names) && names.TryGetMember(name, out _);

    private static Outcome<KubernetesUser> WithUid(KubernetesUser user, ClaimSet claims, string claim) =>
        claims.TryGetString(claim, out var uid) && uid.Length > 0
            ? user with { Uid = uid }
            : new Refusal(RefusalReason.ClaimMissing, $"no text in the UID's claim {claim}");
}
