using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;

namespace Lanyard.Identity.Tokens;

public sealed record VerifyOptions
{
    /// <summary>For records without audiences of their own: the instance's URL.</summary>
    public required string DefaultAudience { get; init; }

    /// <summary>At most 60 s; more is cut.</summary>
    public TimeSpan ClockSkew { get; init; } = TokenVerifier.MaxClockSkew;

    /// <summary>Accepted <c>typ</c> values (case-insensitive, as media types are); empty accepts any and none.</summary>
    public IReadOnlyList<string> Types { get; init; } = [];

    /// <summary>For assertions, which are used once (RFC 7523 §3): <c>jti</c> must be there.</summary>
    public bool RequireTokenId { get; init; }
}

/// <summary>
/// Steps 3 to 8 of the chain that judges a token (docs/architecture.md), used by every door alike. Pure: it takes values and the time, and
/// fetches nothing; <see cref="JudgeAsync"/> brings the keys.
/// </summary>
public sealed partial class TokenVerifier(TimeProvider time)
{
    public static readonly TimeSpan MaxClockSkew = TimeSpan.FromSeconds(60);

    private const int MaxSignatureLength = 1024;

    /// <summary>Judges a token against one trust record and its keys.</summary>
    public Outcome<VerifiedToken> Verify(UnverifiedToken token, TrustedIssuer issuer, KeySet keys, VerifyOptions options, Trace? trace = null) =>
        Verify(token, issuer, keys, options, trace, memo: null);

    private Outcome<VerifiedToken> Verify(UnverifiedToken token, TrustedIssuer issuer, KeySet keys, VerifyOptions options, Trace? trace, SignatureMemo? memo)
    {
        ArgumentNullException.ThrowIfNull(token);
        ArgumentNullException.ThrowIfNull(issuer);
        ArgumentNullException.ThrowIfNull(keys);
        ArgumentNullException.ThrowIfNull(options);
        var refusal = Judge(token, issuer, keys, options, trace, memo, out var verified);
        if (refusal is not null)
        {
            trace?.Refuse(refusal);
            return refusal;
        }

        return verified!;
    }

    private Refusal? Judge(
        UnverifiedToken token, TrustedIssuer issuer, KeySet keys, VerifyOptions options, Trace? trace, SignatureMemo? memo, out VerifiedToken? verified)
    {
        verified = null;

        // 3: the record was found by the issuer's exact name, and it is looked at once more here, where it counts.
        if (!token.IsFrom(issuer.Issuer))
        {
            return new Refusal(RefusalReason.IssuerUnknown, $"iss is \"{Printable.Of(token.Issuer)}\", the trust record {issuer.Id} is for \"{issuer.Issuer}\"");
        }

        if (issuer.TrustDomain is { } domain && CheckTrustDomain(token, domain) is { } foreign)
        {
            return foreign;
        }

        trace?.Pass(Stage.Issuer, $"trust record {issuer.Id} for {issuer.Issuer}");

        // 4 and 5
        if (CheckSignature(token, issuer, keys, trace, memo, out var key, out var algorithm) is { } signature)
        {
            return signature;
        }

        // 6
        var now = time.GetUtcNow();
        var skew = options.ClockSkew > MaxClockSkew ? MaxClockSkew : options.ClockSkew;
        if (TokenTimes.Judge(token.Claims, issuer, now, skew, out var times) is { } timeRefusal)
        {
            return timeRefusal;
        }

        trace?.Pass(Stage.Time, $"valid until {times.ExpiresAt:u}, {(times.ExpiresAt - now).TotalSeconds:0} s from now");

        // 7
        if (CheckAudience(token.Claims, issuer, options, trace) is { } audience)
        {
            return audience;
        }

        // 8
        if (CheckClaims(token, issuer, options, trace) is { } claims)
        {
            return claims;
        }

        var candidate = new VerifiedToken(token, issuer, key!, algorithm, times);
        foreach (var condition in issuer.Conditions)
        {
            if (condition(candidate) is { } conditionRefusal)
            {
                return conditionRefusal;
            }

            trace?.Pass(Stage.Condition, "the trust record's condition holds");
        }

        verified = candidate;
        return null;
    }

    /// <summary>A trust domain's keys vouch for its own workloads only (JWT-SVID §3.1, §4), whatever <c>iss</c> says.</summary>
    private static Refusal? CheckTrustDomain(UnverifiedToken token, string domain)
    {
        token.Claims.TryGetString(ClaimNames.Subject, out var subject);
        if (!SpiffeId.TrustDomainOf(subject).SequenceEqual(domain))
        {
            return new Refusal(RefusalReason.IssuerUnknown, $"sub is \"{Printable.Of(subject ?? "")}\", the bundle vouches for workloads of {SpiffeId.Scheme}{domain}");
        }

        // JWT-SVID §2.3.
        return token.Type is null or "JWT" or "JOSE" ? null : new Refusal(RefusalReason.TokenTypeNotAllowed, $"typ is \"{Printable.Of(token.Type)}\", a JWT-SVID's is JWT or JOSE");
    }

    private static Refusal? CheckSignature(
        UnverifiedToken token, TrustedIssuer issuer, KeySet keys, Trace? trace, SignatureMemo? memo, out VerificationKey? key, out SignatureAlgorithm algorithm)
    {
        Span<byte> signature = stackalloc byte[MaxSignatureLength];
        if (!Base64Url.TryDecode(token.SignatureText, signature, out var length))
        {
            key = null;
            algorithm = default;
            return new Refusal(RefusalReason.SignatureInvalid, $"a signature of more than {MaxSignatureLength} bytes");
        }

        Span<byte> keyId = stackalloc byte[JwsHeader.MaxKeyIdLength];
        var check = new SignatureCheck
        {
            Keys = keys,
            Rules = issuer.Algorithms,
            AlgorithmText = token.Algorithm,
            HasKeyId = token.HasKeyId,
            KeyId = token.ReadKeyId(keyId),
            SigningInput = token.SigningInput,
            Signature = signature[..length],
            Memo = memo,
        };
        return check.Run(trace, out key, out algorithm);
    }

    private static Refusal? CheckAudience(ClaimSet claims, TrustedIssuer issuer, VerifyOptions options, Trace? trace)
    {
        if (issuer.AnyAudience)
        {
            trace?.Pass(Stage.Audience, "the record asks for none: a condition of its own says whose tokens it takes");
            return null;
        }

        if (!claims.TryGet(ClaimNames.Audience, out var audience))
        {
            return new Refusal(RefusalReason.AudienceMismatch, "no aud");
        }

        if (!audience.IsStrings())
        {
            return new Refusal(RefusalReason.ClaimMalformed, $"aud must be a string or an array of strings, and is {audience}");
        }

        if (issuer.Audiences.Count == 0 && audience.HasString(options.DefaultAudience))
        {
            trace?.Pass(Stage.Audience, $"for {options.DefaultAudience}");
            return null;
        }

        for (var i = 0; i < issuer.Audiences.Count; i++)
        {
            if (audience.HasString(issuer.Audiences[i]))
            {
                trace?.Pass(Stage.Audience, $"for {issuer.Audiences[i]}");
                return null;
            }
        }

        var wanted = issuer.Audiences.Count == 0 ? options.DefaultAudience : string.Join(", ", issuer.Audiences);
        return new Refusal(RefusalReason.AudienceMismatch, $"aud is {audience}, wanted is {wanted}");
    }

    private static Refusal? CheckClaims(UnverifiedToken token, TrustedIssuer issuer, VerifyOptions options, Trace? trace)
    {
        if (!token.Claims.TryGet(ClaimNames.Subject, out var subject))
        {
            if (!issuer.AnyAudience) return new Refusal(RefusalReason.ClaimMissing, "no sub");
        }
        else if (!subject.IsString || subject.Json.Length <= 2)
        {
            return new Refusal(RefusalReason.ClaimMalformed, $"sub must be a string that is not empty, and is {subject}");
        }

        if (options.Types.Count > 0 && !HasType(token.Type, options.Types))
        {
            return new Refusal(RefusalReason.TokenTypeNotAllowed, $"typ is \"{Printable.Of(token.Type ?? "")}\", wanted is {string.Join(", ", options.Types)}");
        }

        if (options.RequireTokenId && !token.Claims.TryGetString(ClaimNames.TokenId, out _))
        {
            return new Refusal(RefusalReason.ClaimMissing, "no jti, which makes it usable once");
        }

        for (var i = 0; i < issuer.RequiredClaims.Count; i++)
        {
            if (issuer.RequiredClaims[i].Mismatch(token.Claims) is { } mismatch)
            {
                return new Refusal(RefusalReason.ConditionFailed, mismatch);
            }

            trace?.Pass(Stage.Condition, $"required claim {issuer.RequiredClaims[i].Path} holds");
        }

        return null;
    }

    private static bool HasType(string? type, IReadOnlyList<string> accepted)
    {
        const string application = "application/";
        for (var i = 0; i < accepted.Count; i++)
        {
            if (type is not null && (type.Equals(accepted[i], StringComparison.OrdinalIgnoreCase)
                || (type.StartsWith(application, StringComparison.OrdinalIgnoreCase)
                    && type.AsSpan(application.Length).Equals(accepted[i], StringComparison.OrdinalIgnoreCase))))
            {
                return true;
            }
        }

        return false;
    }
}
