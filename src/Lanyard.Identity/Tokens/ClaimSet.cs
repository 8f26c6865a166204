using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Json;
using Lanyard.Identity.Cel;
using Lanyard.Identity.Jose;

namespace Lanyard.Identity.Tokens;

/// <summary>
/// The claims of a token, walked once (<see cref="StrictJson"/>) and read where they stand. Look-ups are typed: a string "1" is no number,
/// a string "true" no boolean.
/// </summary>
public sealed class ClaimSet
{
    private const int MaxNameLength = byte.MaxValue;
    private const int PlaceSize = sizeof(ushort);

    /// <summary>The object, and behind it where each outermost name begins, two bytes a name: one array for all.</summary>
    private readonly byte[] _data;
    private readonly int _length;
    private readonly bool _anyNameEscaped;
    private CelActivation? _forConditions;

    private ClaimSet(ReadOnlySpan<byte> json, ReadOnlySpan<JsonMember> members)
    {
        _length = json.Length;
        _data = new byte[json.Length + (PlaceSize * members.Length)];
        json.CopyTo(_data);
        for (var i = 0; i < members.Length; i++)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(_data.AsSpan(_length + (PlaceSize * i)), members[i].NameStart);
            _anyNameEscaped |= members[i].IsNameEscaped;
        }
    }

    public int Count => (_data.Length - _length) / PlaceSize;

    /// <summary>The claims as they stand in the token, UTF-8.</summary>
    public ReadOnlyMemory<byte> Json => _data.AsMemory(0, _length);

    /// <summary>As conditions in CEL see them; made once, so that each claim is decoded once for all policies.</summary>
    internal CelActivation ForConditions => _forConditions ??= new CelActivation(CelEnvironments.Conditions).Set("claims", CelValue.FromJson(Json));

    /// <summary>Names of the outermost claims in the token's order.</summary>
    public IEnumerable<string> Names => Enumerable.Range(0, Count).Select(NameOf);

    /// <summary>Reads claims that are no token's, for tests, templates and trials.</summary>
    public static Outcome<ClaimSet> Parse(ReadOnlySpan<byte> json)
    {
        return TryWalk(json, out var claims) is { } refusal ? refusal : claims!;
    }

    public static Outcome<ClaimSet> Parse(string json) => Parse(Encoding.UTF8.GetBytes(json));

    /// <summary>An outermost claim by its exact name.</summary>
    public bool TryGet(string name, out ClaimValue value)
    {
        value = default;
        Span<byte> utf8 = stackalloc byte[MaxNameLength];
        if (!Encoding.UTF8.TryGetBytes(name, utf8, out var length))
        {
            return false;
        }

        utf8 = utf8[..length];
        if (utf8.ContainsAny((byte)'"', (byte)'\\') && !_anyNameEscaped)
        {
            return false;
        }

        for (var i = 0; i < Count; i++)
        {
            if (TryMatch(i, utf8, out var end))
            {
                value = ValueBehind(end);
                return true;
            }
        }

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

    /// <summary>Reads a token's payload.</summary>
    internal static Refusal? TryDecode(ReadOnlySpan<byte> encoded, out ClaimSet? claims)
    {
        claims = null;
        var buffer = ArrayPool<byte>.Shared.Rent(Base64Url.GetDecodedLength(encoded.Length));
        try
        {
            return Base64Url.TryDecode(encoded, buffer, out var length) ? TryWalk(buffer.AsSpan(0, length), out claims) : CompactJws.NotBase64Url;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static Refusal? TryWalk(ReadOnlySpan<byte> json, out ClaimSet? claims)
    {
        Span<JsonMember> members = stackalloc JsonMember[StrictJson.MaxMembers];
        var refusal = StrictJson.Walk(json, RefusalReason.PayloadMalformed, members, out var count);
        claims = refusal is null ? new ClaimSet(json, members[..count]) : null;
        return refusal;
    }

    private int NameStart(int member) => BinaryPrimitives.ReadUInt16LittleEndian(_data.AsSpan(_length + (PlaceSize * member)));

    /// <param name="end">Where the name's closing quote stands.</param>
    private bool TryMatch(int member, ReadOnlySpan<byte> name, out int end)
    {
        var start = NameStart(member);
        if (_anyNameEscaped)
        {
            var reader = StringAt(start - 1);
            end = start - 2 + (int)reader.BytesConsumed;
            return reader.ValueTextEquals(name);
        }

        end = start + name.Length;
        return end < _length && _data[end] == '"' && _data.AsSpan(start, name.Length).SequenceEqual(name);
    }

    /// <param name="nameEnd">Where the closing quote of its name stands.</param>
    private ClaimValue ValueBehind(int nameEnd)
    {
        var start = nameEnd + 1;
        while (_data[start] is (byte)':' or (byte)' ' or (byte)'\t' or (byte)'\r' or (byte)'\n')
        {
            start++;
        }

        return ClaimValue.At(_data.AsMemory(start, _length - start));
    }

    private string NameOf(int member) => StringAt(NameStart(member) - 1).GetString()!;

    private Utf8JsonReader StringAt(int quote)
    {
        var reader = new Utf8JsonReader(_data.AsSpan(quote, _length - quote));
        reader.Read();
        return reader;
    }
}
