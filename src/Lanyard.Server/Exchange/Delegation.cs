using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Identity;
using Lanyard.Identity.Tokens;
using Lanyard.Protocol.OAuth;
using Lanyard.Server.Federation;
using Lanyard.Server.Http;

namespace Lanyard.Server.Exchange;

/// <summary>
/// Delegation (RFC 8693 §1.1, §4): somebody with a token of its own acts for the subject, where the subject's token (<c>may_act</c>) or the subject's policy
/// (<c>allow.actors</c>) says so. The issued token is the subject's and names who acts.
/// </summary>
internal static class Delegation
{
    /// <summary>Tokens are read to a depth of eight.</summary>
    private const int MostActors = 4;

    /// <returns>The subject's principal with its actor, and the actor's own: what its policy asks of it is asked of it here too.</returns>
    public static async ValueTask<Outcome<(Principal Subject, Principal? Actor)>> ActAsync(
        TokenForm form, Principal subject, Doorkeeper door, ExchangeTerms terms, string? workspaceId, string? proven, CancellationToken cancellation)
    {
        if (form.ActorToken is null || form.ActorTokenType is null) return Malformed("actor_token and actor_token_type come together (RFC 8693 §2.1)");
        if (form.ActorTokenType is not (OAuthNames.TokenTypeJwt or OAuthNames.TokenTypeIdToken or OAuthNames.TokenTypeAccessToken))
            return Malformed("actor_token_type: jwt, id_token or access_token of RFC 8693 §3");

        if (!(await door.AdmitAsync(form.ActorToken, Doors.Api | Doors.Runtime, workspaceId, trace: null, cancellation)).TryGet(out var actor, out var refusal)) return refusal;
        if (terms.Check(actor, proven) is { } unmet) return unmet;
        var (own, theirs) = (ClaimsOf(form.SubjectToken!), ClaimsOf(form.ActorToken));
        if (own.TryGet("may_act", out var allowed))
        {
            if (!Names(allowed, own, theirs)) return new Refusal(RefusalReason.NoMatchingPolicy, $"may_act of the subject token names {allowed}, and not {actor.Name}");
        }
        else if (!subject.Facets.Any(facet => facet.Terms is { } given && given.Actors.Contains(actor.Name, StringComparer.Ordinal)))
        {
            return new Refusal(RefusalReason.NoMatchingPolicy, $"no policy lets {actor.Name} act for {subject.Name}, and its token has no may_act");
        }

        var act = new JsonObject { ["sub"] = actor.Name };
        if (subject.ActorJson is { } before) act["act"] = JsonNode.Parse(before);
        if (DepthOf(act) > MostActors) return new Refusal(RefusalReason.NoMatchingPolicy, $"more than {MostActors} act for one another");
        return (subject with { ActorJson = act.ToJsonString(), Origin = [.. subject.Origin, .. actor.Origin], Evidence = [.. subject.Evidence, $"acting for it: {actor.Name}"] }, actor);
    }

    /// <summary>RFC 8693 §4.4: its members identify the actor; without <c>iss</c> it is of the subject's own issuer.</summary>
    private static bool Names(ClaimValue allowed, ClaimSet own, ClaimSet theirs)
    {
        if (allowed.Kind != JsonValueKind.Object || !allowed.TryGetMember("sub", out var sub) || !sub.TryGetString(out var name)) return false;
        var issuer = allowed.TryGetMember("iss", out var iss) ? iss.TryGetString(out var said) ? said : null : own.TryGetString(ClaimNames.Issuer, out var same) ? same : null;
        return issuer is not null && theirs.TryGetString(ClaimNames.Issuer, out var actual) && actual == issuer && theirs.TryGetString(ClaimNames.Subject, out var who) && who == name;
    }

    /// <summary>Of a token that the door has just verified.</summary>
    private static ClaimSet ClaimsOf(string token) => UnverifiedToken.Parse(token).Value.Claims;

    private static int DepthOf(JsonNode? act) => act is JsonObject one ? 1 + DepthOf(one["act"]) : 0;

    private static Refusal Malformed(string detail) => new(RefusalReason.RequestMalformed, detail);
}
