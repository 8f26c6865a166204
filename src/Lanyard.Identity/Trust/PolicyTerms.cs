namespace Lanyard.Identity.Trust;

/// <summary>On what terms a trust policy gives what it allows; null members ask for nothing.</summary>
/// <param name="IsAuditOnly">It is judged and written down, and gives nothing.</param>
/// <param name="IsOnce">A subject token is exchanged once, on whatever replica, and is no bearer by itself.</param>
/// <param name="NeedsProof">Tokens are bound to a key of the caller's (RFC 9449).</param>
/// <param name="PerMinute">Exchanges of one principal, on each replica.</param>
/// <param name="IsTogether">One token may be for several of the allowed audiences.</param>
/// <param name="GitHub">Installation tokens of a GitHub App.</param>
/// <param name="Actors">Principals that may act for this one (RFC 8693 §4.4), besides those that a token's own <c>may_act</c> names.</param>
/// <param name="Runner">Slug of the runner as which it may log in, if that runner names this policy too.</param>
public sealed record PolicyTerms(bool IsAuditOnly, bool IsOnce, bool NeedsProof, int? PerMinute, bool IsTogether, IReadOnlyList<string> Actors, GitHubGrant? GitHub = null, string? Runner = null);
