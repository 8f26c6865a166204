using System.Text;
using Lanyard.Identity.Jose;

namespace Lanyard.Identity.Tokens;

/// <summary>
/// A token that is well formed (steps 1 and 2 of the chain) and about which nothing else is known. Whatever it says is a claim of whoever
/// sent it: good for finding trust records by issuer, for nothing else.
/// </summary>
public sealed class UnverifiedToken
{
    private readonly ReadOnlyMemory<byte> _encoded;

    /// <summary>The payload, then the header: one array for both.</summary>
    private readonly byte[] _json;
    private readonly int _keyIdStart;
    private readonly int _keyIdLength;
    private readonly int _payloadEnd;

    private UnverifiedToken(ReadOnlyMemory<byte> encoded, int payloadEnd, byte[] json, int headerStart, JwsHeader header, ClaimSet claims)
    {
        _encoded = encoded;
        _payloadEnd = payloadEnd;
        _json = json;
        _keyIdStart = header.KeyIdStart < 0 ? -1 : headerStart + header.KeyIdStart;
        _keyIdLength = header.KeyIdLength;
        Algorithm = header.AlgorithmText;
        Type = header.Type;
        Claims = claims;
    }

    /// <summary>The header's <c>alg</c>, which decides nothing.</summary>
    public string Algorithm { get; }

    /// <summary>The header's <c>typ</c>.</summary>
    public string? Type { get; }

    public ClaimSet Claims { get; }

    /// <summary>The claim <c>iss</c>; never null, because a token without one is no token here.</summary>
    public string Issuer => field ??= Claims.TryGetString(ClaimNames.Issuer, out var issuer) ? issuer : "";

    public string? KeyId => HasKeyId ? Encoding.UTF8.GetString(KeyIdUtf8) : null;

    /// <summary>SHA-256 of the whole token: what logs and audit know it by.</summary>
    public TokenHash Hash() => TokenHash.Of(_encoded.Span);

    internal bool HasKeyId => _keyIdStart >= 0;

    internal ReadOnlySpan<byte> KeyIdUtf8 => HasKeyId ? _json.AsSpan(_keyIdStart, _keyIdLength) : default;

    internal ReadOnlySpan<byte> SigningInput => _encoded.Span[.._payloadEnd];

    internal ReadOnlySpan<byte> SignatureText => _encoded.Span[(_payloadEnd + 1)..];

    /// <summary>Reads a compact JWS. The memory must not change until the token is judged.</summary>
    public static Outcome<UnverifiedToken> Parse(ReadOnlyMemory<byte> token, Trace? trace = null)
    {
        var outcome = Read(token, trace);
        if (outcome.IsRefused)
        {
            trace?.Refuse(outcome.Refusal);
        }

        return outcome;
    }

    public static Outcome<UnverifiedToken> Parse(string token, Trace? trace = null)
    {
        ArgumentNullException.ThrowIfNull(token);
        return token.Length > CompactJws.MaxSize || !Ascii.IsValid(token)
            ? Refuse(new Refusal(
                token.Length > CompactJws.MaxSize ? RefusalReason.TokenTooLarge : RefusalReason.TokenMalformed,
                $"{token.Length} characters, of which all must be ASCII; at most {CompactJws.MaxSize}"), trace)
            : Parse(Encoding.ASCII.GetBytes(token), trace);
    }

    private static Outcome<UnverifiedToken> Read(ReadOnlyMemory<byte> token, Trace? trace)
    {
        var span = token.Span;
        if (CompactJws.Split(span, out var headerEnd, out var payloadEnd) is { } refusal)
        {
            return refusal;
        }

        var payloadLength = Base64Url.GetDecodedLength(payloadEnd - headerEnd - 1);
        var json = new byte[payloadLength + Base64Url.GetDecodedLength(headerEnd)];
        if (!Base64Url.TryDecode(span[(headerEnd + 1)..payloadEnd], json.AsSpan(0, payloadLength), out _)
            || !Base64Url.TryDecode(span[..headerEnd], json.AsSpan(payloadLength), out _)
            || !Base64Url.IsCanonical(span[(payloadEnd + 1)..]))
        {
            return CompactJws.NotBase64Url;
        }

        trace?.Pass(Stage.Shape, $"{span.Length} bytes, three segments, strict base64url");
        if (JwsHeader.Read(json.AsSpan(payloadLength), out var header) is { } headerRefusal)
        {
            return headerRefusal;
        }

        if (ClaimSet.TryWalk(json, payloadLength, out var claims) is { } payloadRefusal)
        {
            return payloadRefusal;
        }

        if (!claims!.TryGet(ClaimNames.Issuer, out var issuer))
        {
            return new Refusal(RefusalReason.ClaimMissing, "no iss");
        }

        if (!issuer.IsString || issuer.Json.Length <= 2)
        {
            return new Refusal(RefusalReason.ClaimMalformed, $"iss must be a string that is not empty, and is {issuer}");
        }

        trace?.Pass(Stage.Content, $"alg {Printable.Of(header.AlgorithmText)}, {claims.Count} claims, iss {issuer}");
        return new UnverifiedToken(token, payloadEnd, json, payloadLength, header, claims);
    }

    private static Refusal Refuse(Refusal refusal, Trace? trace)
    {
        trace?.Refuse(refusal);
        return refusal;
    }
}
