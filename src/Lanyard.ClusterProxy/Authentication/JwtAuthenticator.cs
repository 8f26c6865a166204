using Lanyard.Identity.Federation;

namespace Lanyard.ClusterProxy.Authentication;

/// <summary>A claim's value becomes a name with this prefix before it.</summary>
internal sealed record PrefixedClaim(string Claim, string Prefix);

/// <summary>One issuer that is believed, and what its claims become (AuthenticationConfiguration <c>jwt[]</c>).</summary>
/// <param name="UidClaim">Null for no UID.</param>
internal sealed record JwtAuthenticator(TrustedIssuer Issuer, PrefixedClaim Username, PrefixedClaim? Groups, string? UidClaim);
