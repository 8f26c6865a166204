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
