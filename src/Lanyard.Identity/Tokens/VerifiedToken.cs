using System.Runtime.CompilerServices;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;

namespace Lanyard.Identity.Tokens;

/// <summary>
/// A token that passed steps 1 to 8 of the chain against one trust record. Only <see cref="TokenVerifier"/> makes one; it says nothing yet about what
/// its owner may do (step 9) or whether the owner still lives (step 10).
/// </summary>
public sealed class VerifiedToken
{
    private const long Absent = -1;

    private readonly TrustedIssuer _trustedIssuer;
    private readonly VerificationKey _key;
    private readonly UnverifiedToken _token;
    private StrongBox<TokenHash?>? _twin;

    // Whole seconds since 1970, as tokens have them: three DateTimeOffsets, of which two may be null, are 64 bytes.
    private readonly long _issuedAt;
    private readonly long _notBefore;
    private readonly long _expiresAt;

    internal VerifiedToken(UnverifiedToken token, TrustedIssuer trustedIssuer, VerificationKey key, SignatureAlgorithm algorithm, TokenTimes times)
    {
        _trustedIssuer = trustedIssuer;
        _key = key;
        _token = token;
        Claims = token.Claims;
        Type = token.Type;
        Algorithm = algorithm;
        _issuedAt = times.IssuedAt?.ToUnixTimeSeconds() ?? Absent;
        _notBefore = times.NotBefore?.ToUnixTimeSeconds() ?? Absent;
        _expiresAt = times.ExpiresAt.ToUnixTimeSeconds();
        Sha256 = token.Hash();
    }

    public string Issuer => _trustedIssuer.Issuer;

    /// <summary>The id of the trust record that vouched; two clusters may share an issuer string, never a record.</summary>
    public string TrustRecordId => _trustedIssuer.Id;

    /// <summary>Empty only where the record asks for no audience and no subject.</summary>
    public string Subject => field ??= Claims.TryGetString(ClaimNames.Subject, out var subject) ? subject : "";

    /// <summary>The claim <c>aud</c>, one or several.</summary>
    public IReadOnlyList<string> Audiences => field ??= Claims.TryGetStrings(ClaimNames.Audience, out var audiences) ? audiences : [];

    /// <summary>Null when the issuer's record lets <c>iat</c> be absent and it is.</summary>
    public DateTimeOffset? IssuedAt => Time(_issuedAt);

    public DateTimeOffset? NotBefore => Time(_notBefore);

    public DateTimeOffset ExpiresAt => DateTimeOffset.FromUnixTimeSeconds(_expiresAt);

    /// <summary>The claim <c>jti</c>.</summary>
    public string? TokenId => Claims.TryGetString(ClaimNames.TokenId, out var id) ? id : null;

    /// <summary>The header's <c>typ</c>.</summary>
    public string? Type { get; }

    public ClaimSet Claims { get; }

    /// <summary>Of the whole token, for logs, audit and the memory of verified tokens.</summary>
    public TokenHash Sha256 { get; }

    /// <summary>
    /// Of the token in its other spelling, where its algorithm is ECDSA, whose signatures have two; else null. Whoever holds the token can make it, so that who looks for
    /// a token by its hash must look for both. Made when it is first asked for: a token that only passes never has one.
    /// </summary>
    public TokenHash? TwinSha256 => (_twin ??= new StrongBox<TokenHash?>(_token.TwinHash(Algorithm))).Value;

    public SignatureAlgorithm Algorithm { get; }

    /// <summary>The key's <c>kid</c>, or its thumbprint when it has none.</summary>
    public string KeyId => _key.KeyId ?? _key.Thumbprint;

    private static DateTimeOffset? Time(long seconds) => seconds == Absent ? null : DateTimeOffset.FromUnixTimeSeconds(seconds);
}
