using Lanyard.ClusterProxy.Impersonation;
using Lanyard.Identity;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Tokens;

namespace Lanyard.ClusterProxy.Authentication;

/// <summary>Everything that decides who a token becomes; immutable, so that a reload swaps it whole.</summary>
internal sealed class AuthenticationRules(IReadOnlyList<JwtAuthenticator> authenticators, ReservedNames reserved)
{
    private readonly Dictionary<string, JwtAuthenticator> _byRecord = authenticators.ToDictionary(a => a.Issuer.Id, StringComparer.Ordinal);

    public IReadOnlyList<TrustedIssuer> Issuers { get; } = [.. authenticators.Select(a => a.Issuer)];

    public ReservedNames Reserved { get; } = reserved;

    public Outcome<KubernetesUser> UserOf(VerifiedToken token) => ClaimMapper.Map(token, _byRecord[token.TrustRecordId]);
}
