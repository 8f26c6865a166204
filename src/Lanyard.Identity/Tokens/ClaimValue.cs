using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Json;

namespace Lanyard.Identity.Tokens;

/// <summary>One value of a claim set, still in its JSON spelling; reading it allocates only what is asked for.</summary>
public readonly struct ClaimValue
{
    internal ClaimValue(ReadOnlyMemory<byte> json, JsonValueKind kind)
    {
        Json = json;
        Kind = kind;
    }

    /// <summary>The value with which the text begins; the text has been walked before.</summary>
    internal static ClaimValue At(ReadOnlyMemory<byte> json)
    {
        var reader = new Utf8JsonReader(json.Span);
        reader.Read();
        var kind = KindOf(reader.TokenType);
        reader.Skip();
        return new ClaimValue(json[..(int)reader.BytesConsumed], kind);
    }

    public JsonValueKind Kind { get; }

    /// <summary>The value as it stands in the token, UTF-8.</summary>
    public ReadOnlyMemory<byte> Json { get; }

    public bool IsString => Kind == JsonValueKind.String;

    /// <summary>A string value; no other type is turned into one.</summary>
    public bool TryGetString([NotNullWhen(true)] out string? value)
    {
        value = IsString ? Reader().GetString() : null;
        return value is not null;
    }

    /// <summary>An integer that fits; no string, no fraction.</summary>
    public bool TryGetInt64(out long value)
    {
        value = 0;
        return Kind == JsonValueKind.Number && Reader().TryGetInt64(out value);
    }

    /// <summary>Ordinal comparison with a string value, without making one.</summary>
    public bool EqualsString(string text) => IsString && Reader().ValueTextEquals(text);

    /// <summary>Elements of an array; empty for anything else.</summary>
    public IReadOnlyList<ClaimValue> Elements()
    {
        if (Kind != JsonValueKind.Array)
        {
            return [];
        }

        var elements = new List<ClaimValue>();
        var reader = Reader();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            elements.Add(Take(ref reader));
        }

        return elements;
    }

    /// <summary>A member of an object.</summary>
    public bool TryGetMember(string name, out ClaimValue value)
    {
        // The caller may hand in the very variable that holds this value: it is written last.
        var member = Member(name);
        value = member ?? default;
        return member is not null;
    }

    /// <summary>A copy that outlives the token.</summary>
    public JsonElement ToElement()
    {
        using var document = JsonDocument.Parse(Json);
        return document.RootElement.Clone();
    }

    /// <summary>For people: the JSON text, cut short.</summary>
    public override string ToString() => Printable.Of(Encoding.UTF8.GetString(Json.Span));

    /// <summary>True when an array has this string among its elements, or the value is this string.</summary>
    internal bool HasString(string text)
    {
        if (Kind != JsonValueKind.Array)
        {
            return EqualsString(text);
        }

        var reader = Reader();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType == JsonTokenType.String && reader.ValueTextEquals(text))
            {
                return true;
            }

            reader.Skip();
        }

        return false;
    }

    /// <summary>True for an array of strings only, or one string.</summary>
    internal bool IsStrings()
    {
        if (Kind != JsonValueKind.Array)
        {
            return IsString;
        }

        var reader = Reader();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.String)
            {
                return false;
            }
        }

        return true;
    }

    private ClaimValue? Member(string name)
    {
        if (Kind != JsonValueKind.Object)
        {
            return null;
        }

        var reader = Reader();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var found = reader.ValueTextEquals(name);
            reader.Read();
            if (found)
            {
                return Take(ref reader);
            }

            reader.Skip();
        }

        return null;
    }

    /// <summary>A reader that stands on the value.</summary>
    private Utf8JsonReader Reader()
    {
        var reader = new Utf8JsonReader(Json.Span);
        reader.Read();
        return reader;
    }

    private ClaimValue Take(ref Utf8JsonReader reader)
    {
        var start = (int)reader.TokenStartIndex;
        var kind = KindOf(reader.TokenType);
        reader.Skip();
        return new ClaimValue(Json[start..(int)reader.BytesConsumed], kind);
    }
    private static JsonValueKind KindOf(JsonTokenType token) => token switch
    {
        JsonTokenType.StartObject => JsonValueKind.Object,
        JsonTokenType.StartArray => JsonValueKind.Array,
        JsonTokenType.String => JsonValueKind.String,
        JsonTokenType.Number => JsonValueKind.Number,
        JsonTokenType.True => JsonValueKind.True,
        JsonTokenType.False => JsonValueKind.False,
        _ => JsonValueKind.Null,
    };
}
