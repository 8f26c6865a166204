using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Identity.Trust;

namespace Lanyard.Identity.Federation;

/// <summary>Where the keys of a trusted issuer come from.</summary>
public enum KeySource
{
    /// <summary>Fetched: OIDC discovery, then the JWKS that it names.</summary>
    Discovery,

    /// <summary>Given by an admin, and changed by one only.</summary>
    Uploaded,

    /// <summary>Given at registration, and later pushed under a key that is still trusted (PushedKeys).</summary>
    Pushed,

    /// <summary>Fetched from a SPIFFE bundle endpoint, which stands at <see cref="TrustedIssuer.DiscoveryUrl"/> (SPIFFE Federation §5.1, <c>https_web</c>).</summary>
    Bundle,
}

/// <summary>What a record asks beyond claims; null is a yes. The place of CEL conditions.</summary>
public delegate Refusal? TokenCondition(VerifiedToken token);

/// <summary>
/// One trust record: whose tokens are believed, by which keys, and how far. Key sets belong to the record and not to the issuer string,
/// because clusters share issuer strings.
/// </summary>
public sealed record TrustedIssuer
{
    public static readonly TimeSpan DefaultMaxLifetime = TimeSpan.FromHours(24);

    /// <summary>Of the record, such as <c>ti_…</c>, <c>clu_…</c>, <c>key_…</c>.</summary>
    public required string Id { get; init; }

    /// <summary>Compared exactly with <c>iss</c>: no slash is added or taken away.</summary>
    public required string Issuer { get; init; }

    public KeySource Keys { get; init; } = KeySource.Discovery;

    /// <summary>Null means the issuer's own <c>/.well-known/openid-configuration</c> (OIDC Discovery 1.0 §4).</summary>
    public string? DiscoveryUrl { get; init; }

    /// <summary>The SPIFFE trust domain whose bundle the keys are: they vouch for its workloads only, and are those for JWT-SVIDs. Null: not SPIFFE.</summary>
    public string? TrustDomain { get; init; }

    /// <summary>How a document with this record's keys is read.</summary>
    public KeySetOptions KeySetOptions => TrustDomain is null ? KeySetOptions.Default : KeySetOptions.SpiffeBundle;

    public AlgorithmRules Algorithms { get; init; } = AlgorithmRules.Default;

    /// <summary>Any of these must be in <c>aud</c>; empty means the instance's URL.</summary>
    public IReadOnlyList<string> Audiences { get; init; } = [];

    /// <summary>
    /// For tokens that are made for their issuer's own services, such as GitHub's runtime tokens: no audience is asked for, and no subject. A condition of
    /// the record must then say whose they are.
    /// </summary>
    public bool AnyAudience { get; init; }

    /// <summary>From <c>iat</c> to <c>exp</c>.</summary>
    public TimeSpan MaxLifetime { get; init; } = DefaultMaxLifetime;

    /// <summary>When false, the life of a token without <c>iat</c> counts from <c>nbf</c>, or from now (SPIFFE).</summary>
    public bool RequireIat { get; init; } = true;

    public IReadOnlyList<ClaimCondition> RequiredClaims { get; init; } = [];

    public IReadOnlyList<TokenCondition> Conditions { get; init; } = [];

    /// <summary>Keys may be fetched from loopback, private and link-local addresses, and over http from loopback.</summary>
    public bool AllowPrivateAddresses { get; init; }

    /// <summary>Hosts (with their port, where it is not the scheme's own) besides the discovery document's that <c>jwks_uri</c> may be on.</summary>
    public IReadOnlyList<string> JwksHosts { get; init; } = [];

    /// <summary>The only roots for fetching this record's keys, PEM; null means the system's.</summary>
    public string? CaBundlePem { get; init; }
}
