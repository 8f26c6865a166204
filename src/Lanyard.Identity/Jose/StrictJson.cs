using System.Buffers;
using System.Text.Json;
using System.Text.Unicode;

namespace Lanyard.Identity.Jose;

/// <summary>
/// Where one member of the outermost object stands. Tokens are at most 16 KiB, so 16 bits hold every position; names are at most 255 bytes.
/// </summary>
internal readonly record struct JsonMember(ushort NameStart, ushort ValueStart, ushort ValueLength, byte NameLength, byte Flags)
{
    private const byte KindMask = 0x0f;
    private const byte NameEscapedFlag = 0x10;
    private const byte ValueEscapedFlag = 0x20;

    public JsonValueKind Kind => (JsonValueKind)(Flags & KindMask);

    public bool IsNameEscaped => (Flags & NameEscapedFlag) != 0;

    public bool IsValueEscaped => (Flags & ValueEscapedFlag) != 0;

    public static byte Pack(JsonValueKind kind, bool nameEscaped, bool valueEscaped) =>
        (byte)((int)kind | (nameEscaped ? NameEscapedFlag : 0) | (valueEscaped ? ValueEscapedFlag : 0));
}

/// <summary>
/// One walk over a JSON object from outside: well-formed UTF-8 and JSON, no member twice in one object at any depth,
/// bounded depth and width. What passes here can be read later without surprises.
/// </summary>
internal ref struct StrictJson
{
    public const int MaxDepth = 8;

    /// <summary>Members of the objects that are open at one time.</summary>
    public const int MaxMembers = 256;

    private const int MaxLength = ushort.MaxValue;

    private readonly ReadOnlySpan<byte> _json;
    private readonly RefusalReason _malformed;
    private readonly Span<JsonMember> _members;
    private int _count;
    private bool _anyNameEscaped;

    private StrictJson(ReadOnlySpan<byte> json, RefusalReason malformed, Span<JsonMember> members)
    {
        _json = json;
        _malformed = malformed;
        _members = members;
    }

    /// <param name="malformed">The reason for anything that is not a JSON object.</param>
    /// <param name="members">At least <see cref="MaxMembers"/>; receives the outermost members in their order.</param>
    /// <returns>Null when the object is good.</returns>
    public static Refusal? Walk(ReadOnlySpan<byte> json, RefusalReason malformed, Span<JsonMember> members, out int count)
    {
        count = 0;
        if (json.Length > MaxLength || !Utf8.IsValid(json))
        {
            return new Refusal(malformed, "too long, or not UTF-8");
        }

        var walk = new StrictJson(json, malformed, members);
        try
        {
            var refusal = walk.Run();
            count = walk._count;
            return refusal;
        }
        catch (JsonException e)
        {
            return new Refusal(malformed, $"not JSON at byte {e.BytePositionInLine}");
        }
        catch (InvalidOperationException)
        {
            // An escape that stands for half of a surrogate pair.
            return new Refusal(malformed, "a string is not Unicode");
        }
    }

    private Refusal? Run()
    {
        var reader = new Utf8JsonReader(_json);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
        {
            return new Refusal(_malformed, "not a JSON object");
        }

        return Walk(ref reader) ?? (_anyNameEscaped ? WalkSlowly() : null);
    }

    private Refusal? Walk(ref Utf8JsonReader reader)
    {
        // Names of all open objects, the innermost object's last; scopes[d] is where those of depth d begin.
        Span<(ushort Start, byte Length)> names = stackalloc (ushort, byte)[MaxMembers];
        Span<int> scopes = stackalloc int[MaxDepth + 1];
        scopes.Clear();
        var open = 0;
        var current = default(JsonMember);
        while (reader.Read())
        {
            switch (reader.TokenType)
            {
                case JsonTokenType.StartObject or JsonTokenType.StartArray:
                    if (reader.CurrentDepth >= MaxDepth)
                    {
                        return new Refusal(RefusalReason.NestedTooDeep, $"deeper than {MaxDepth}");
                    }

                    scopes[reader.CurrentDepth] = open;
                    if (reader.CurrentDepth == 1)
                    {
                        current = current with { ValueStart = (ushort)reader.TokenStartIndex };
                    }

                    break;
                case JsonTokenType.EndObject or JsonTokenType.EndArray:
                    open = scopes[reader.CurrentDepth];
                    if (reader.CurrentDepth == 1)
                    {
                        Add(current, reader.TokenType == JsonTokenType.EndObject ? JsonValueKind.Object : JsonValueKind.Array, (int)reader.BytesConsumed, false);
                    }

                    break;
                case JsonTokenType.PropertyName:
                    if (Enter(ref reader, names, scopes[reader.CurrentDepth - 1], ref open) is { } refusal)
                    {
                        return refusal;
                    }

                    if (reader.CurrentDepth == 1)
                    {
                        current = new JsonMember((ushort)(reader.TokenStartIndex + 1), 0, 0, (byte)reader.ValueSpan.Length,
                            JsonMember.Pack(JsonValueKind.Undefined, reader.ValueIsEscaped, false));
                    }

                    break;
                default:
                    CheckEscapes(ref reader);
                    if (reader.CurrentDepth == 1)
                    {
                        current = current with { ValueStart = (ushort)reader.TokenStartIndex };
                        Add(current, KindOf(reader.TokenType), (int)reader.BytesConsumed, reader.ValueIsEscaped);
                    }

                    break;
            }
        }

        return null;
    }

    private void Add(JsonMember member, JsonValueKind kind, int end, bool valueEscaped) =>
        _members[_count++] = member with
        {
            ValueLength = (ushort)(end - member.ValueStart),
            Flags = JsonMember.Pack(kind, member.IsNameEscaped, valueEscaped),
        };

    private Refusal? Enter(ref Utf8JsonReader reader, scoped Span<(ushort Start, byte Length)> names, int scope, ref int open)
    {
        var name = reader.ValueSpan;
        if (open == names.Length || name.Length > byte.MaxValue)
        {
            return new Refusal(_malformed, $"more than {MaxMembers} members, or a name of more than {byte.MaxValue} bytes");
        }

        CheckEscapes(ref reader);
        _anyNameEscaped |= reader.ValueIsEscaped;
        for (var i = scope; i < open; i++)
        {
            if (names[i].Length == name.Length && _json.Slice(names[i].Start, name.Length).SequenceEqual(name))
            {
                return new Refusal(RefusalReason.DuplicateMember, $"\"{Printable.Of(reader.GetString()!)}\" stands twice");
            }
        }

        names[open++] = ((ushort)(reader.TokenStartIndex + 1), (byte)name.Length);
        return null;
    }

    /// <summary>Two spellings of one name ("iss", "\u0069ss") are found by the slower walk that compares unescaped names.</summary>
    private readonly Refusal? WalkSlowly()
    {
        try
        {
            using var document = JsonDocument.Parse(_json.ToArray(), new JsonDocumentOptions { AllowDuplicateProperties = false });
            return null;
        }
        catch (JsonException)
        {
            return new Refusal(RefusalReason.DuplicateMember, "one name stands twice in two spellings");
        }
    }

    private static void CheckEscapes(ref Utf8JsonReader reader)
    {
        if (reader.ValueIsEscaped)
        {
            var scratch = ArrayPool<byte>.Shared.Rent(reader.ValueSpan.Length);
            reader.CopyString(scratch);
            ArrayPool<byte>.Shared.Return(scratch);
        }
    }

    private static JsonValueKind KindOf(JsonTokenType token) => token switch
    {
        JsonTokenType.String => JsonValueKind.String,
        JsonTokenType.Number => JsonValueKind.Number,
        JsonTokenType.True => JsonValueKind.True,
        JsonTokenType.False => JsonValueKind.False,
        _ => JsonValueKind.Null,
    };
}
