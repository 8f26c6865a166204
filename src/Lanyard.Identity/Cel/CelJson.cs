using System.Text.Json;

namespace Lanyard.Identity.Cel;

/// <summary>
/// JSON as values. Names of an object are read at once, its values at their first use and then kept, so that a thousand policies decode a claim once.
/// </summary>
internal static class CelJson
{
    private static readonly CelValue NotUnicode = CelValue.Error("the string is not valid Unicode");

    // A name that is no Unicode can't be asked for, and must not hide that the others are there.
    private const string NoName = "\uFFFD";

    public static CelValue Read(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => CelValue.Of(new ElementMap(element)),
        JsonValueKind.Array => ReadList(element),
        JsonValueKind.String => ReadString(element),
        JsonValueKind.Number => element.TryGetInt64(out var integer) ? CelValue.Of(integer)
            : element.TryGetUInt64(out var unsigned) ? CelValue.Of(unsigned)
            : CelValue.Of(element.GetDouble()),
        JsonValueKind.True => CelValue.True,
        JsonValueKind.False => CelValue.False,
        JsonValueKind.Null => CelValue.Null,
        _ => CelValue.Error("undefined JSON value"),
    };

    public static CelValue Read(ReadOnlyMemory<byte> json)
    {
        try
        {
            var reader = new Utf8JsonReader(json.Span);
            reader.Read();
            return Read(ref reader, json);
        }
        catch (JsonException)
        {
            return CelValue.Error("the text is no JSON");
        }
    }

    private static CelValue Read(ref Utf8JsonReader reader, ReadOnlyMemory<byte> json) => reader.TokenType switch
    {
        JsonTokenType.StartObject => CelValue.Of(Utf8Map.Read(ref reader, json)),
        JsonTokenType.StartArray => ReadList(ref reader, json),
        JsonTokenType.String => ReadString(ref reader),
        JsonTokenType.Number => reader.TryGetInt64(out var integer) ? CelValue.Of(integer)
            : reader.TryGetUInt64(out var unsigned) ? CelValue.Of(unsigned)
            : CelValue.Of(reader.GetDouble()),
        JsonTokenType.True => CelValue.True,
        JsonTokenType.False => CelValue.False,
        JsonTokenType.Null => CelValue.Null,
        _ => CelValue.Error("undefined JSON value"),
    };

    // A claim may hold escapes that are no Unicode text (a lone surrogate): an error value, since a comparison must not see a replacement.
    private static CelValue ReadString(JsonElement element)
    {
        try
        {
            return CelValue.Of(element.GetString()!);
        }
        catch (InvalidOperationException)
        {
            return NotUnicode;
        }
    }

    private static CelValue ReadString(ref Utf8JsonReader reader)
    {
        try
        {
            return CelValue.Of(reader.GetString()!);
        }
        catch (InvalidOperationException)
        {
            return NotUnicode;
        }
    }

    // An element that can't be read makes the whole list an error: a comparison must not pass over it.
    private static CelValue ReadList(JsonElement element)
    {
        var items = new List<CelValue>(element.GetArrayLength());
        foreach (var item in element.EnumerateArray())
        {
            items.Add(Read(item));
            if (items[^1].IsError)
            {
                return items[^1];
            }
        }

        return CelValue.Of(new CelArray([.. items]));
    }

    private static CelValue ReadList(ref Utf8JsonReader reader, ReadOnlyMemory<byte> json)
    {
        var items = new List<CelValue>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            items.Add(Read(ref reader, json));
            if (items[^1].IsError)
            {
                return items[^1];
            }
        }

        return CelValue.Of(new CelArray([.. items]));
    }

    private sealed class ElementMap(JsonElement element) : JsonMap([.. element.EnumerateObject().Select(NameOf)])
    {
        private readonly JsonElement[] _elements = [.. element.EnumerateObject().Select(m => m.Value)];

        protected override CelValue Read(int index) => CelJson.Read(_elements[index]);

        private static string NameOf(JsonProperty member)
        {
            try
            {
                return member.Name;
            }
            catch (InvalidOperationException)
            {
                return NoName;
            }
        }
    }

    private sealed class Utf8Map(string[] names, ReadOnlyMemory<byte>[] values) : JsonMap(names)
    {
        public static Utf8Map Read(ref Utf8JsonReader reader, ReadOnlyMemory<byte> json)
        {
            var names = new List<string>(32);
            var values = new List<ReadOnlyMemory<byte>>(32);
            while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
            {
                names.Add(ReadString(ref reader) is { IsError: false } name ? name.AsString : NoName);
                reader.Read();
                var start = (int)reader.TokenStartIndex;
                reader.Skip();
                values.Add(json[start..(int)reader.BytesConsumed]);
            }

            return new Utf8Map([.. names], [.. values]);
        }

        protected override CelValue Read(int index) => CelJson.Read(values[index]);
    }
}

/// <summary>An object of JSON; where its values come from is the derived class's.</summary>
internal abstract class JsonMap : CelMap
{
    // Up to here a walk over the names is as fast as a table, and needs none.
    private const int MostToWalk = 48;

    private readonly string[] _names;
    private readonly CelValue[] _values;
    private readonly bool[] _read;
    private readonly Dictionary<string, int>? _places;

    protected JsonMap(string[] names)
    {
        (_names, _values, _read) = (names, new CelValue[names.Length], new bool[names.Length]);
        if (names.Length <= MostToWalk)
        {
            return;
        }

        _places = new Dictionary<string, int>(names.Length, StringComparer.Ordinal);
        for (var i = 0; i < names.Length; i++)
        {
            _places[names[i]] = i;
        }
    }

    public override int Count => _names.Length;

    public override bool TryGet(in CelValue key, out CelValue value)
    {
        var hint = -1;
        if (key.Kind == CelKind.String)
        {
            return TryGet((string)key.Ref!, ref hint, out value);
        }

        value = default;
        return false;
    }

    public override bool TryGet(string key, ref int hint, out CelValue value)
    {
        var place = hint;
        if ((uint)place >= (uint)_names.Length || _names[place] != key)
        {
            place = Find(key);
            if (place < 0)
            {
                value = default;
                return false;
            }

            hint = place;
        }

        value = ValueAt(place);
        return true;
    }

    public override CelValue KeyAt(int index) => CelValue.Of(_names[index]);

    // Two threads may both decode: they write equal values, and the flag is seen only after a value.
    public override CelValue ValueAt(int index)
    {
        if (!Volatile.Read(ref _read[index]))
        {
            _values[index] = Read(index);
            Volatile.Write(ref _read[index], true);
        }

        return _values[index];
    }

    protected abstract CelValue Read(int index);

    private int Find(string key)
    {
        if (_places is not null)
        {
            return _places.GetValueOrDefault(key, -1);
        }

        // From the end: of duplicate members the last counts, as in the table above.
        for (var i = _names.Length - 1; i >= 0; i--)
        {
            if (_names[i] == key)
            {
                return i;
            }
        }

        return -1;
    }
}
