using System.Text;

namespace Lanyard.Identity.Jose;

/// <summary>The compact form of a JWS (RFC 7515 §7.1): three segments, strict base64url, any payload.</summary>
public static class CompactJws
{
    /// <summary>Bytes of a whole token.</summary>
    public const int MaxSize = 16 * 1024;

    /// <summary>Checks a JWS by itself, without claims: header, algorithm, signature.</summary>
    /// <returns>The payload.</returns>
    public static Outcome<byte[]> Verify(ReadOnlySpan<byte> jws, KeySet keys, AlgorithmRules? rules = null)
    {
        ArgumentNullException.ThrowIfNull(keys);
        if (Split(jws, out var headerEnd, out var payloadEnd) is { } refusal)
        {
            return refusal;
        }

        if (Base64Url.Decode(jws[..headerEnd]) is not { } header || Base64Url.Decode(jws[(headerEnd + 1)..payloadEnd]) is not { } payload
            || Base64Url.Decode(jws[(payloadEnd + 1)..]) is not { } signature)
        {
            return NotBase64Url;
        }

        if (JwsHeader.Read(header, out var read) is { } headerRefusal)
        {
            return headerRefusal;
        }

        Span<byte> keyId = stackalloc byte[JwsHeader.MaxKeyIdLength];
        var check = new SignatureCheck
        {
            Keys = keys,
            Rules = rules ?? AlgorithmRules.Default,
            AlgorithmText = read.AlgorithmText,
            HasKeyId = read.KeyId.Exists,
            KeyId = read.KeyId.Exists ? keyId[..JwsHeader.ReadKeyId(jws[..headerEnd], read.KeyId, keyId)] : default,
            SigningInput = jws[..payloadEnd],
            Signature = signature,
        };
        return check.Run(null, out _, out _) is { } signatureRefusal ? signatureRefusal : payload;
    }

    public static Outcome<byte[]> Verify(string jws, KeySet keys, AlgorithmRules? rules = null) => Verify(Encoding.UTF8.GetBytes(jws), keys, rules);

    internal static Refusal NotBase64Url => new(RefusalReason.TokenMalformed, "a segment is not base64url (RFC 7515 §2: no padding, no white space, no spare bits)");

    internal static Refusal? Split(ReadOnlySpan<byte> jws, out int headerEnd, out int payloadEnd)
    {
        headerEnd = payloadEnd = 0;
        if (jws.Length > MaxSize)
        {
            return new Refusal(RefusalReason.TokenTooLarge, $"{jws.Length} bytes; at most {MaxSize}");
        }

        if (jws.IsEmpty)
        {
            return new Refusal(RefusalReason.TokenMissing, "empty");
        }

        headerEnd = jws.IndexOf((byte)'.');
        payloadEnd = headerEnd < 0 ? -1 : headerEnd + 1 + jws[(headerEnd + 1)..].IndexOf((byte)'.');
        if (headerEnd <= 0 || payloadEnd <= headerEnd || jws[(payloadEnd + 1)..].Contains((byte)'.'))
        {
            return new Refusal(RefusalReason.TokenMalformed, "not three segments");
        }

        return null;
    }
}
