using Lanyard.Identity.Federation;

namespace Lanyard.ClusterProxy.Authentication;

/// <summary>A claim's value becomes a name with this prefix before it.</summary>
internal sealed record PrefixedClaim(string Claim, string Prefix);

/// <summary>One issuer that is believed, and what its claims become (AuthenticationConfiguration <c>jwt[]</c>).</summary>
/// <param name="Username">Null where an expression makes the name.</param>
/// <param name="UidClaim">Null for no UID, or where an expression makes it.</param>
internal sealed record JwtAuthenticator(TrustedIssuer Issuer, PrefixedClaim? Username, PrefixedClaim? Groups, string? UidClaim)
{
    public UserExpressions Expressions { get; init; } = UserExpressions.None;
}
