using System.Text;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;

namespace Lanyard.Identity.Tokens;

/// <summary>
/// A token that is well formed (steps 1 and 2 of the chain) and about which nothing else is known. Whatever it says is a claim of whoever
/// sent it: good for finding trust records by issuer, for nothing else.
/// </summary>
public sealed class UnverifiedToken
{
    /// <summary>Headers of usual tokens are shorter.</summary>
    private const int StackHeaderSize = 1024;

    private readonly ReadOnlyMemory<byte> _encoded;
    private readonly TokenHash? _hash;

    // A token has at most 16 KiB: 16 bits hold every position in it.
    private readonly ushort _payloadEnd;
    private readonly HeaderMember _keyId;

    private UnverifiedToken(ReadOnlyMemory<byte> encoded, TokenHash? hash, int payloadEnd, JwsHeader header, ClaimSet claims)
    {
        _encoded = encoded;
        _hash = hash;
        _payloadEnd = (ushort)payloadEnd;
        _keyId = header.KeyId;
        Algorithm = header.AlgorithmText;
        Type = header.Type;
        Claims = claims;
    }

    /// <summary>The header's <c>alg</c>, which decides nothing.</summary>
    public string Algorithm { get; }

    /// <summary>The header's <c>typ</c>.</summary>
    public string? Type { get; }

    public ClaimSet Claims { get; }

    /// <summary>The claim <c>iss</c>. A JWT-SVID may be without one: then its trust domain, such as <c>spiffe://example.org</c>. Any other token has one.</summary>
    public string Issuer => Claims.TryGetString(ClaimNames.Issuer, out var issuer) ? issuer : TrustDomainIssuer(Claims) ?? "";

    public string? KeyId => HasKeyId ? Encoding.UTF8.GetString(ReadKeyId(stackalloc byte[JwsHeader.MaxKeyIdLength])) : null;

    /// <summary>SHA-256 of the whole token: what logs and audit know it by.</summary>
    public TokenHash Hash() => _hash ?? TokenHash.Of(_encoded.Span);

    /// <summary>SHA-256 of what is signed: one for all spellings that a token may have.</summary>
    public TokenHash SignedHash() => TokenHash.Of(SigningInput);

    /// <summary>SHA-256 of the other spelling that the token would pass with (<see cref="SignatureTwin"/>); null where there is none.</summary>
    /// <param name="algorithm">By which its signature was found good.</param>
    internal TokenHash? TwinHash(SignatureAlgorithm algorithm)
    {
        Span<byte> signature = stackalloc byte[SignatureTwin.MaxSize];
        if (!Base64Url.TryDecode(SignatureText, signature, out var length) || !SignatureTwin.TryTurn(algorithm, signature[..length]))
        {
            return null;
        }

        var twin = _encoded.ToArray();
        Base64Url.Encode(signature[..length], twin.AsSpan(_payloadEnd + 1));
        return TokenHash.Of(twin);
    }

    internal bool HasKeyId => _keyId.Exists;

    internal ReadOnlySpan<byte> SigningInput => _encoded.Span[.._payloadEnd];

    internal ReadOnlySpan<byte> SignatureText => _encoded.Span[(_payloadEnd + 1)..];

    /// <summary>Whether it is from this issuer, to the letter.</summary>
    internal bool IsFrom(string issuer) =>
        Claims.TryGet(ClaimNames.Issuer, out var claimed) ? claimed.EqualsString(issuer) : TrustDomainIssuer(Claims) is { } domain && domain == issuer;

    /// <summary>
    /// The header's <c>kid</c>, decoded anew where it is asked for: the token keeps no copy of its header. Empty when there is none.
    /// </summary>
    /// <param name="buffer">At least <see cref="JwsHeader.MaxKeyIdLength"/>.</param>
    internal ReadOnlySpan<byte> ReadKeyId(Span<byte> buffer) =>
        HasKeyId ? buffer[..JwsHeader.ReadKeyId(_encoded.Span[.._encoded.Span.IndexOf((byte)'.')], _keyId, buffer)] : default;

    /// <summary>Reads a compact JWS. The memory must not change until the token is judged.</summary>
    public static Outcome<UnverifiedToken> Parse(ReadOnlyMemory<byte> token, Trace? trace = null) => Parse(token, null, trace);

    public static Outcome<UnverifiedToken> Parse(string token, Trace? trace = null)
    {
        ArgumentNullException.ThrowIfNull(token);
        return Parse(token.AsSpan(), null, trace);
    }

    /// <summary>As the others, for text that stands inside a longer one.</summary>
    /// <param name="hash">The token's, where somebody has made it already.</param>
    public static Outcome<UnverifiedToken> Parse(ReadOnlySpan<char> token, TokenHash? hash, Trace? trace = null)
    {
        if (token.Length <= CompactJws.MaxSize && Ascii.IsValid(token))
        {
            var bytes = new byte[token.Length];
            Encoding.ASCII.GetBytes(token, bytes);
            return Parse(bytes, hash, trace);
        }

        var refusal = new Refusal(
            token.Length > CompactJws.MaxSize ? RefusalReason.TokenTooLarge : RefusalReason.TokenMalformed,
            $"{token.Length} characters, of which all must be ASCII; at most {CompactJws.MaxSize}");
        trace?.Refuse(refusal);
        return refusal;
    }

    private static Outcome<UnverifiedToken> Parse(ReadOnlyMemory<byte> token, TokenHash? hash, Trace? trace)
    {
        var outcome = Read(token, hash, trace);
        if (outcome.IsRefused)
        {
            trace?.Refuse(outcome.Refusal);
        }

        return outcome;
    }

    private static Outcome<UnverifiedToken> Read(ReadOnlyMemory<byte> token, TokenHash? hash, Trace? trace)
    {
        var span = token.Span;
        if (CompactJws.Split(span, out var headerEnd, out var payloadEnd) is { } refusal)
        {
            return refusal;
        }

        if (!Base64Url.IsCanonical(span[(payloadEnd + 1)..]))
        {
            return CompactJws.NotBase64Url;
        }

        var headerSize = Base64Url.GetDecodedLength(headerEnd);
        if (ReadHeader(span[..headerEnd], headerSize <= StackHeaderSize ? stackalloc byte[StackHeaderSize] : new byte[headerSize], out var header) is { } headerRefusal)
        {
            return headerRefusal;
        }

        if (ClaimSet.TryDecode(span[(headerEnd + 1)..payloadEnd], out var claims) is { } payloadRefusal)
        {
            return payloadRefusal;
        }

        trace?.Pass(Stage.Shape, $"{span.Length} bytes, three segments, strict base64url");
        if (!claims!.TryGet(ClaimNames.Issuer, out var issuer))
        {
            if (TrustDomainIssuer(claims) is not { } domain)
            {
                return new Refusal(RefusalReason.ClaimMissing, "no iss");
            }

            trace?.Pass(Stage.Content, $"alg {Printable.Of(header.AlgorithmText)}, {claims.Count} claims, no iss: a JWT-SVID of {domain}");
            return new UnverifiedToken(token, hash, payloadEnd, header, claims);
        }

        if (!issuer.IsString || issuer.Json.Length <= 2)
        {
            return new Refusal(RefusalReason.ClaimMalformed, $"iss must be a string that is not empty, and is {issuer}");
        }

        trace?.Pass(Stage.Content, $"alg {Printable.Of(header.AlgorithmText)}, {claims.Count} claims, iss {issuer}");
        return new UnverifiedToken(token, hash, payloadEnd, header, claims);
    }

    /// <summary>Of a token without <c>iss</c>: its subject's trust domain, or null where the subject is no workload's SPIFFE id.</summary>
    private static string? TrustDomainIssuer(ClaimSet claims) =>
        claims.TryGetString(ClaimNames.Subject, out var subject) && SpiffeId.TrustDomainOf(subject) is { Length: > 0 } domain ? $"{SpiffeId.Scheme}{domain}" : null;

    private static Refusal? ReadHeader(ReadOnlySpan<byte> encoded, Span<byte> buffer, out JwsHeader header)
    {
        header = default;
        return Base64Url.TryDecode(encoded, buffer, out var length) ? JwsHeader.Read(buffer[..length], out header) : CompactJws.NotBase64Url;
    }
}
