using System.Text.Json;
using Lanyard.Identity.Tokens;

namespace Lanyard.Server.Runs;

/// <summary>
/// What a pod-bound service-account token says of its pod: the private claim <c>kubernetes.io</c> (Kubernetes KEP-1205; since 1.20 in every
/// projected token).
/// </summary>
internal sealed record PodClaims(string Namespace, string ServiceAccount, string Name, string Uid)
{
    /// <summary>Null for a token that is bound to no pod, or whose subject says something else than its private claim.</summary>
    public static PodClaims? Of(VerifiedToken token)
    {
        if (!token.Claims.TryGet("kubernetes.io", out var claim) || claim.Kind != JsonValueKind.Object
            || !claim.TryGetMember("pod", out var pod) || pod.Kind != JsonValueKind.Object
            || !claim.TryGetMember("serviceaccount", out var account) || account.Kind != JsonValueKind.Object)
            return null;
        if (Text(claim, "namespace") is not { } place || Text(account, "name") is not { } accountName
            || Text(pod, "name") is not { } name || Text(pod, "uid") is not { } uid)
            return null;
        return token.Subject == $"system:serviceaccount:{place}:{accountName}" ? new(place, accountName, name, uid) : null;
    }

    private static string? Text(ClaimValue of, string name) =>
        of.TryGetMember(name, out var member) && member.TryGetString(out var text) && text.Length > 0 ? text : null;
}
