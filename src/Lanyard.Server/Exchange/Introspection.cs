using Lanyard.Identity;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Tokens;
using Lanyard.Protocol.OAuth;
using Lanyard.Server.Federation;
using Lanyard.Server.Http;
using Lanyard.Server.Issuers;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Exchange;

/// <summary>
/// Token introspection (RFC 7662): says of our tokens whether they are active, to callers whose business they are. A caller must prove who it is; to
/// everybody else, and for everything that is not ours, the answer is the same <c>active: false</c>.
/// </summary>
internal sealed class Introspection(
    TokenExchange exchange, Doorkeeper door, Possession possession, KeyRing ring, Instance instance, TokenVerifier verifier, OwnTokens own, TokenStanding standing)
{
    private static readonly IntrospectionResponse Inactive = new(Active: false);

    /// <summary>By bearer, or by client assertion in the form.</summary>
    public async ValueTask<Outcome<Principal>> CallerAsync(HttpContext context, TokenForm form, CalledIssuer issuer)
    {
        if (form.ClientAssertion is not null) return await exchange.ClientAsync(form, issuer, trace: null, context.RequestAborted);
        if ((Bearer.Of(context.Request) ?? Bearer.BoundOf(context.Request)) is not { } bearer) return new Refusal(RefusalReason.TokenMissing, "introspection without a caller");
        var caller = await door.AdmitAsync(bearer, Doors.Api | Doors.Runtime, issuer.WorkspaceId, trace: null, context.RequestAborted);
        return !caller.IsRefused && await possession.CheckAsync(context, caller.Value, bearer) is { } unproven ? unproven : caller;
    }

    public async ValueTask<IntrospectionResponse> LookAsync(string token, Principal caller, CalledIssuer issuer, CancellationToken cancellation)
    {
        if (await VerifyOursAsync(token, issuer, cancellation) is not { } verified) return Inactive;
        if (!MayAsk(caller, verified, issuer) || !await standing.IsGoodAsync(verified, issuer.WorkspaceId, cancellation)) return Inactive;
        return new IntrospectionResponse(
            Active: true,
            Iss: verified.Issuer,
            Sub: verified.Subject,
            Aud: verified.Audiences,
            Iat: verified.IssuedAt?.ToUnixTimeSeconds(),
            Nbf: verified.NotBefore?.ToUnixTimeSeconds(),
            Exp: verified.ExpiresAt.ToUnixTimeSeconds(),
            Jti: verified.TokenId,
            TokenType: verified.Type != TokenMint.AccessTokenType ? "N_A" : verified.Claims.TryGet("cnf", out _) ? "DPoP" : "Bearer",
            Cnf: MemberOf<Confirmation>(verified, "cnf", OAuthJson.Default.Confirmation),
            Act: MemberOf<Actor>(verified, "act", OAuthJson.Default.Actor));
    }

    private static T? MemberOf<T>(VerifiedToken token, string name, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> shape)
        where T : class => token.Claims.TryGet(name, out var value) ? System.Text.Json.JsonSerializer.Deserialize(value.Json.Span, shape) : null;

    /// <summary>Steps 1 to 8 against this issuer's own keys, for whatever audience it has; null where it is no valid token of this issuer.</summary>
    public async ValueTask<VerifiedToken?> VerifyOursAsync(string token, CalledIssuer issuer, CancellationToken cancellation)
    {
        var parsed = UnverifiedToken.Parse(token);
        if (parsed.IsRefused || parsed.Value.Issuer != issuer.Url) return null;
        var outcome = issuer.WorkspaceId is { } workspaceId
            ? await VerifyIdentityTokenAsync(parsed.Value, issuer.Url, workspaceId, cancellation)
            : await own.VerifyAsync(parsed.Value, Doors.Api | Doors.Runtime, trace: null, cancellation);
        return outcome.IsRefused ? null : outcome.Value;
    }

    private async ValueTask<Outcome<VerifiedToken>> VerifyIdentityTokenAsync(UnverifiedToken parsed, string url, string workspaceId, CancellationToken cancellation)
    {
        if (!parsed.Claims.TryGetStrings(ClaimNames.Audience, out var audiences) || audiences.Count == 0) return new Refusal(RefusalReason.ClaimMissing, ClaimNames.Audience);
        var keys = await ring.GetForAsync(workspaceId, parsed.KeyId, cancellation);
        var record = new TrustedIssuer { Id = "own", Issuer = url, Keys = KeySource.Uploaded, Audiences = audiences };
        return verifier.Verify(parsed, record, keys.Public, new VerifyOptions { DefaultAudience = instance.Url });
    }

    /// <summary>A member of the token's audience, or who may read the workspace (or, for the instance's tokens, the instance).</summary>
    private static bool MayAsk(Principal caller, VerifiedToken token, CalledIssuer issuer) =>
        Access.RoleIn(caller, issuer.WorkspaceId, null) is not null
        || caller.TokenSha256 == token.Sha256.ToString()
        || token.Audiences.Any(audience => caller.Introspects.Contains(audience, StringComparer.Ordinal));
}
