using System.Text.Json;

namespace Lanyard.Identity.Jose;

/// <summary>
/// What of a JOSE header counts here: <c>alg</c>, <c>kid</c>, <c>typ</c>. <c>crit</c> and <c>b64</c> are refused, and
/// <c>jku</c>, <c>x5u</c>, <c>jwk</c>, <c>x5c</c> are never looked at: a token doesn't say which key to trust.
/// </summary>
internal readonly record struct JwsHeader(string AlgorithmText, string? Type, HeaderMember KeyId)
{
    /// <summary>Bytes of a <c>kid</c> in UTF-8.</summary>
    public const int MaxKeyIdLength = 200;

    /// <summary>Every byte written as an escape of six signs, and the quotes.</summary>
    private const int MaxKeyIdText = (MaxKeyIdLength * 6) + 2;

    public static Refusal? Read(ReadOnlySpan<byte> json, out JwsHeader header)
    {
        header = default;
        Span<JsonMember> members = stackalloc JsonMember[StrictJson.MaxMembers];
        if (StrictJson.Walk(json, RefusalReason.HeaderMalformed, members, out var count) is { } refusal)
        {
            return refusal;
        }

        string? algorithm = null;
        string? type = null;
        var keyId = default(HeaderMember);
        foreach (var member in members[..count])
        {
            switch (NameOf(json, member))
            {
                case "crit" or "b64":
                    return new Refusal(RefusalReason.CriticalHeader, "crit and b64 are not supported");
                case "alg" when member.Kind == JsonValueKind.String:
                    algorithm = Text(json, member, AlgorithmNames);
                    break;
                case "typ" when member.Kind == JsonValueKind.String:
                    type = Text(json, member, TypeNames);
                    break;
                case "kid" when member.Kind == JsonValueKind.String:
                    if (!IsShort(json, member))
                    {
                        return new Refusal(RefusalReason.HeaderMalformed, $"a kid of more than {MaxKeyIdLength} bytes");
                    }

                    keyId = new HeaderMember(member.ValueStart, member.ValueLength);
                    break;
                case "alg" or "typ" or "kid":
                    return new Refusal(RefusalReason.HeaderMalformed, "alg, typ and kid must be strings");
                default:
                    break;
            }
        }

        if (algorithm is null)
        {
            return new Refusal(RefusalReason.HeaderMalformed, "no alg");
        }

        header = new JwsHeader(algorithm, type, keyId);
        return null;
    }

    /// <summary>Decodes the <c>kid</c> alone from a header that was read before.</summary>
    /// <param name="destination">At least <see cref="MaxKeyIdLength"/>.</param>
    /// <returns>Its length in UTF-8.</returns>
    public static int ReadKeyId(ReadOnlySpan<byte> encodedHeader, HeaderMember keyId, Span<byte> destination)
    {
        // Four signs stand for three bytes: from the group in which the text begins to the one in which it ends.
        var first = keyId.Start / 3;
        var groups = encodedHeader[(first * 4)..Math.Min(encodedHeader.Length, ((keyId.Start + keyId.Length + 2) / 3) * 4)];
        Span<byte> text = stackalloc byte[MaxKeyIdText + 4];
        System.Buffers.Text.Base64Url.DecodeFromUtf8(groups, text, out _, out _);
        var reader = new Utf8JsonReader(text.Slice(keyId.Start - (first * 3), keyId.Length));
        reader.Read();
        return reader.CopyString(destination);
    }

    private static readonly string[] AlgorithmNames = ["RS256", "ES256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES384", "ES512"];

    private static readonly string[] TypeNames = ["JWT", "at+jwt"];

    private static readonly string[] Names = ["alg", "kid", "typ", "crit", "b64"];

    private static string NameOf(ReadOnlySpan<byte> json, JsonMember member)
    {
        var name = json.Slice(member.NameStart - 1, member.NameLength + 2);
        var reader = new Utf8JsonReader(name);
        reader.Read();
        foreach (var known in Names)
        {
            if (reader.ValueTextEquals(known))
            {
                return known;
            }
        }

        return "";
    }

    private static string Text(ReadOnlySpan<byte> json, JsonMember member, string[] known)
    {
        var reader = new Utf8JsonReader(json.Slice(member.ValueStart, member.ValueLength));
        reader.Read();
        foreach (var text in known)
        {
            if (reader.ValueTextEquals(text))
            {
                return text;
            }
        }

        return reader.GetString()!;
    }

    private static bool IsShort(ReadOnlySpan<byte> json, JsonMember member)
    {
        if (member.ValueLength > MaxKeyIdText)
        {
            return false;
        }

        var reader = new Utf8JsonReader(json.Slice(member.ValueStart, member.ValueLength));
        reader.Read();
        Span<byte> unescaped = stackalloc byte[MaxKeyIdText];
        return (member.IsValueEscaped ? reader.CopyString(unescaped) : member.ValueLength - 2) <= MaxKeyIdLength;
    }
}

/// <summary>Where a member's value stands in a header's JSON, with its quotes; a length of 0: it is not there.</summary>
internal readonly record struct HeaderMember(ushort Start, ushort Length)
{
    public bool Exists => Length > 0;
}
