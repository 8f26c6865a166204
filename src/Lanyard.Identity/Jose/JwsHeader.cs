using System.Text;
using System.Text.Json;

namespace Lanyard.Identity.Jose;

/// <summary>
/// What of a JOSE header counts here: <c>alg</c>, <c>kid</c>, <c>typ</c>. <c>crit</c> and <c>b64</c> are refused, and
/// <c>jku</c>, <c>x5u</c>, <c>jwk</c>, <c>x5c</c> are never looked at: a token doesn't say which key to trust.
/// </summary>
internal readonly record struct JwsHeader(string AlgorithmText, string? Type, int KeyIdStart, int KeyIdLength)
{
    private const int MaxKeyIdLength = 200;

    /// <param name="json">Is written over: after this the key id stands unescaped at <see cref="KeyIdStart"/>.</param>
    public static Refusal? Read(Span<byte> json, out JwsHeader header)
    {
        header = default;
        Span<JsonMember> members = stackalloc JsonMember[StrictJson.MaxMembers];
        if (StrictJson.Walk(json, RefusalReason.HeaderMalformed, members, out var count) is { } refusal)
        {
            return refusal;
        }

        string? algorithm = null;
        string? type = null;
        var keyIdStart = -1;
        var keyIdLength = 0;
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
                    keyIdStart = member.ValueStart + 1;
                    keyIdLength = UnescapeInPlace(json, member);
                    break;
                case "alg" or "typ" or "kid":
                    return new Refusal(RefusalReason.HeaderMalformed, "alg, typ and kid must be strings");
                default:
                    break;
            }
        }

        if (algorithm is null || keyIdLength > MaxKeyIdLength)
        {
            return new Refusal(RefusalReason.HeaderMalformed, $"no alg, or a kid of more than {MaxKeyIdLength} bytes");
        }

        header = new JwsHeader(algorithm, type, keyIdStart, keyIdLength);
        return null;
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

    private static int UnescapeInPlace(Span<byte> json, JsonMember member)
    {
        var raw = json.Slice(member.ValueStart, member.ValueLength);
        if (!member.IsValueEscaped)
        {
            return raw.Length - 2;
        }

        var reader = new Utf8JsonReader(raw);
        reader.Read();
        var unescaped = Encoding.UTF8.GetBytes(reader.GetString()!);
        unescaped.CopyTo(raw[1..]);
        return unescaped.Length;
    }
}
