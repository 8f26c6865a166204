using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Json;
using Lanyard.Identity.Jose;

namespace Lanyard.Identity.Tokens;

/// <summary>
/// The claims of a token, walked once (<see cref="StrictJson"/>) and read where they stand. Look-ups are typed: a string "1" is no number,
/// a string "true" no boolean.
/// </summary>
public sealed class ClaimSet
{
    private readonly byte[] _json;
    private readonly int _length;
    private readonly JsonMember[] _members;

    /// <param name="json">Begins with the object; what follows <paramref name="length"/> bytes is not ours.</param>
    internal ClaimSet(byte[] json, int length, JsonMember[] members)
    {
        _json = json;
        _length = length;
        _members = members;
    }

    public int Count => _members.Length;

    /// <summary>The claims as they stand in the token, UTF-8.</summary>
    public ReadOnlyMemory<byte> Json => _json.AsMemory(0, _length);

    /// <summary>Names of the outermost claims in the token's order.</summary>
    public IEnumerable<string> Names => _members.Select(NameOf);

    /// <summary>Reads claims that are no token's, for tests, templates and trials.</summary>
    public static Outcome<ClaimSet> Parse(ReadOnlySpan<byte> json)
    {
        var copy = json.ToArray();
        return TryWalk(copy, copy.Length, out var claims) is { } refusal ? refusal : claims!;
    }

    public static Outcome<ClaimSet> Parse(string json) => Parse(Encoding.UTF8.GetBytes(json));

    /// <summary>An outermost claim by its exact name.</summary>
    public bool TryGet(string name, out ClaimValue value)
    {
        foreach (var member in _members)
        {
            if (HasName(member, name))
            {
                value = new ClaimValue(_json.AsMemory(member.ValueStart, member.ValueLength), member.Kind);
                return true;
            }
        }

        value = default;
        return false;
    }

    public bool TryGetString(string name, [NotNullWhen(true)] out string? value)
    {
        value = null;
        return TryGet(name, out var claim) && claim.TryGetString(out value);
    }

    public bool TryGetInt64(string name, out long value)
    {
        value = 0;
        return TryGet(name, out var claim) && claim.TryGetInt64(out value);
    }

    public bool TryGetBool(string name, out bool value)
    {
        var found = TryGet(name, out var claim) && claim.Kind is JsonValueKind.True or JsonValueKind.False;
        value = found && claim.Kind == JsonValueKind.True;
        return found;
    }

    /// <summary>A string, or an array of strings only (as <c>aud</c> may be).</summary>
    public bool TryGetStrings(string name, [NotNullWhen(true)] out IReadOnlyList<string>? values)
    {
        values = null;
        if (!TryGet(name, out var claim) || !claim.IsStrings())
        {
            return false;
        }

        if (claim.TryGetString(out var single))
        {
            values = [single];
            return true;
        }

        var list = new List<string>();
        foreach (var element in claim.Elements())
        {
            if (element.TryGetString(out var text))
            {
                list.Add(text);
            }
        }

        values = list;
        return true;
    }

    /// <summary>By exact name, else by path into objects.</summary>
    public bool TryFind(ClaimPath path, out ClaimValue value)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (TryGet(path.Text, out value))
        {
            return true;
        }

        var segments = path.Segments;
        if (!TryGet(segments[0], out value))
        {
            return false;
        }

        foreach (var segment in segments[1..])
        {
            if (!value.TryGetMember(segment, out value))
            {
                return false;
            }
        }

        return true;
    }

    /// <returns>Null when the path is malformed or there is no such claim.</returns>
    public ClaimValue? Find(string path) => ClaimPath.TryParse(path) is { } parsed && TryFind(parsed, out var value) ? value : null;

    public string ToJson() => Encoding.UTF8.GetString(Json.Span);

    /// <summary>A copy of all claims that outlives the token.</summary>
    public JsonElement ToElement()
    {
        using var document = JsonDocument.Parse(Json);
        return document.RootElement.Clone();
    }

    internal static Refusal? TryWalk(byte[] json, int length, out ClaimSet? claims)
    {
        Span<JsonMember> members = stackalloc JsonMember[StrictJson.MaxMembers];
        var refusal = StrictJson.Walk(json.AsSpan(0, length), RefusalReason.PayloadMalformed, members, out var count);
        claims = refusal is null ? new ClaimSet(json, length, members[..count].ToArray()) : null;
        return refusal;
    }

    private bool HasName(JsonMember member, string name)
    {
        if (!member.IsNameEscaped && member.NameLength != name.Length && Ascii.IsValid(name))
        {
            return false;
        }

        var reader = new Utf8JsonReader(_json.AsSpan(member.NameStart - 1, member.NameLength + 2));
        reader.Read();
        return reader.ValueTextEquals(name);
    }

    private string NameOf(JsonMember member)
    {
        var reader = new Utf8JsonReader(_json.AsSpan(member.NameStart - 1, member.NameLength + 2));
        reader.Read();
        return reader.GetString()!;
    }
}
