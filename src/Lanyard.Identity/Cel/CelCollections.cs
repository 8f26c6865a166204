using System.Text.Json;

namespace Lanyard.Identity.Cel;

/// <summary>A list whose elements are made when they are asked for.</summary>
public abstract class CelList
{
    public abstract int Count { get; }

    public abstract CelValue this[int index] { get; }
}

/// <summary>
/// A map whose values are made when they are asked for. Other sources of claims join in by deriving from it; the two
/// look-ups must agree, and an instance must stay as it is while programs read it.
/// </summary>
public abstract class CelMap
{
    public abstract int Count { get; }

    /// <summary>Finds by any key; keys that are equal numbers of different types are the same key.</summary>
    public abstract bool TryGet(in CelValue key, out CelValue value);

    /// <summary>Finds by a member name. <paramref name="hint"/> is the caller's memory of where it was found the last time.</summary>
    public abstract bool TryGet(string key, ref int hint, out CelValue value);

    public abstract CelValue KeyAt(int index);

    public abstract CelValue ValueAt(int index);
}

internal sealed class CelArray(CelValue[] items) : CelList
{
    public static CelArray Empty { get; } = new([]);

    public override int Count => items.Length;

    public override CelValue this[int index] => items[index];
}

/// <summary>A map made by an expression.</summary>
internal sealed class CelTable : CelMap
{
    private readonly Dictionary<CelValue, int> _places = new(CelKeyComparer.Instance);
    private readonly List<CelValue> _keys = [];
    private readonly List<CelValue> _values = [];

    public override int Count => _keys.Count;

    /// <summary>False when the key is there already.</summary>
    public bool TryAdd(in CelValue key, in CelValue value)
    {
        if (!_places.TryAdd(key, _keys.Count))
        {
            return false;
        }

        _keys.Add(key);
        _values.Add(value);
        return true;
    }

    public override bool TryGet(in CelValue key, out CelValue value)
    {
        var found = _places.TryGetValue(key, out var place);
        value = found ? _values[place] : default;
        return found;
    }

    public override bool TryGet(string key, ref int hint, out CelValue value) => TryGet(CelValue.Of(key), out value);

    public override CelValue KeyAt(int index) => _keys[index];

    public override CelValue ValueAt(int index) => _values[index];
}

internal static class JsonList
{
    /// <summary>An element that can't be read makes the whole list an error: a comparison must not pass over it.</summary>
    public static CelValue Read(JsonElement element)
    {
        var items = new CelValue[element.GetArrayLength()];
        var i = 0;
        foreach (var item in element.EnumerateArray())
        {
            items[i] = CelValue.FromJson(item);
            if (items[i].IsError)
            {
                return items[i];
            }

            i++;
        }

        return CelValue.Of(new CelArray(items));
    }
}

/// <summary>Names are read at once, values at their first use and then kept, so that a thousand policies decode a claim once.</summary>
internal sealed class JsonMap : CelMap
{
    private readonly string[] _names;
    private readonly JsonElement[] _elements;
    private readonly CelValue[] _values;
    private readonly bool[] _read;
    private readonly Dictionary<string, int>? _places;

    public JsonMap(JsonElement element)
    {
        var count = element.GetPropertyCount();
        (_names, _elements, _values, _read) = (new string[count], new JsonElement[count], new CelValue[count], new bool[count]);
        _places = count > 16 ? new Dictionary<string, int>(count, StringComparer.Ordinal) : null;
        var i = 0;
        foreach (var member in element.EnumerateObject())
        {
            _names[i] = member.Name;
            _elements[i] = member.Value;
            _places?[member.Name] = i;
            i++;
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
            _values[index] = CelValue.FromJson(_elements[index]);
            Volatile.Write(ref _read[index], true);
        }

        return _values[index];
    }

    private int Find(string key)
    {
        if (_places is not null)
        {
            return _places.GetValueOrDefault(key, -1);
        }

        // From the end: of duplicate members the last counts, as in the dictionary above.
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
