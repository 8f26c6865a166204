namespace Lanyard.Identity.Cel;

/// <summary>A compiled step. Nodes hold no state of an evaluation; what changes is in the frame.</summary>
internal abstract class Node
{
    public abstract CelValue Evaluate(ref CelFrame frame);
}

internal sealed class ConstantNode(CelValue value) : Node
{
    public CelValue Value => value;

    public override CelValue Evaluate(ref CelFrame frame) => value;
}

internal sealed class VariableNode(int slot) : Node
{
    public override CelValue Evaluate(ref CelFrame frame) => frame.Charge(1) ? frame.Variables[slot] : Faults.Budget;
}

internal sealed class LocalNode(int index) : Node
{
    public override CelValue Evaluate(ref CelFrame frame) => frame.Charge(1) ? frame.Locals[index] : Faults.Budget;
}

/// <summary><c>a.b</c>, <c>a.?b</c> and <c>has(a.b)</c>.</summary>
internal sealed class SelectNode(Node operand, string member, bool optional, bool test) : Node
{
    private readonly CelValue _missing = CelValue.Error($"no such key: '{member}'");

    // Where the member was found last: tokens of one issuer have one order. A race costs a look-up, nothing else.
    private int _hint = -1;

    public override CelValue Evaluate(ref CelFrame frame)
    {
        var value = operand.Evaluate(ref frame);
        if (!frame.Charge(1))
        {
            return Faults.Budget;
        }

        if (value.Kind == CelKind.Map)
        {
            var hint = _hint;
            var found = ((CelMap)value.Ref!).TryGet(member, ref hint, out var result);
            _hint = hint;
            return Answer(found, result);
        }

        return value.IsError ? value : SelectFromOther(value);
    }

    private CelValue Answer(bool found, in CelValue result)
    {
        if (test)
        {
            return CelValue.Of(found);
        }

        if (!optional)
        {
            return found ? result : _missing;
        }

        return result.IsError && found ? result : CelValue.Of(found ? new CelOptional(result, true) : CelOptional.None);
    }

    // Selecting from an optional gives an optional: the chain goes on where the first part may be absent.
    private CelValue SelectFromOther(in CelValue value)
    {
        if (value.Kind != CelKind.Optional)
        {
            return CelValue.Error($"type '{value.Type.Name}' does not support field selection");
        }

        var inner = value.AsOptional;
        if (!inner.HasValue)
        {
            return test ? CelValue.False : value;
        }

        if (inner.Value.Kind != CelKind.Map)
        {
            return CelValue.Error($"type '{inner.Value.Type.Name}' does not support field selection");
        }

        var hint = -1;
        var found = inner.Value.AsMap.TryGet(member, ref hint, out var result);
        return test ? CelValue.Of(found) : CelValue.Of(found ? new CelOptional(result, true) : CelOptional.None);
    }
}

/// <summary><c>a[b]</c> and <c>a[?b]</c>.</summary>
internal sealed class IndexNode(Node operand, Node index, bool optional) : Node
{
    public override CelValue Evaluate(ref CelFrame frame)
    {
        var container = operand.Evaluate(ref frame);
        if (container.IsError)
        {
            return container;
        }

        var key = index.Evaluate(ref frame);
        if (key.IsError || !frame.Charge(1))
        {
            return key.IsError ? key : Faults.Budget;
        }

        if (container.Kind == CelKind.Optional)
        {
            var inner = container.AsOptional;
            return inner.HasValue ? AsOptional(Find(inner.Value, key, out var present), present) : container;
        }

        var value = Find(container, key, out var found);
        return optional ? AsOptional(value, found) : value;
    }

    // A list's or map's missing element is nothing; an index of a wrong type stays an error.
    private static CelValue AsOptional(in CelValue value, bool? found) => found switch
    {
        true => CelValue.Of(new CelOptional(value, true)),
        false => CelValue.Of(CelOptional.None),
        null => value,
    };

    private static CelValue Find(in CelValue container, in CelValue key, out bool? found)
    {
        found = null;
        if (container.Kind == CelKind.Map)
        {
            found = container.AsMap.TryGet(key, out var value);
            return found.Value ? value : CelValue.Error($"no such key: {key}");
        }

        if (container.Kind != CelKind.List)
        {
            return Faults.NoOverload;
        }

        var list = container.AsList;
        if (ToIndex(key) is not { } place)
        {
            return CelValue.Error("invalid argument: a list's index is an integer");
        }

        found = place >= 0 && place < list.Count;
        return found.Value ? list[(int)place] : CelValue.Error($"index out of bounds: {place}");
    }

    private static long? ToIndex(in CelValue key) => key.Kind switch
    {
        CelKind.Int => key.Bits,
        CelKind.Uint => key.AsUint <= long.MaxValue ? key.Bits : long.MaxValue,
        CelKind.Double when key.AsDouble == Math.Truncate(key.AsDouble) && Math.Abs(key.AsDouble) < int.MaxValue => (long)key.AsDouble,
        _ => null,
    };
}

internal sealed class ListNode((Node Item, bool Optional)[] items) : Node
{
    public override CelValue Evaluate(ref CelFrame frame)
    {
        if (!frame.Charge(10))
        {
            return Faults.Budget;
        }

        var values = new List<CelValue>(items.Length);
        foreach (var (item, isOptional) in items)
        {
            var value = item.Evaluate(ref frame);
            if (value.IsError)
            {
                return value;
            }

            if (!isOptional)
            {
                values.Add(value);
            }
            else if (value.Kind != CelKind.Optional)
            {
                return Faults.NoOverload;
            }
            else if (value.AsOptional.HasValue)
            {
                values.Add(value.AsOptional.Value);
            }
        }

        return CelValue.Of(new CelArray([.. values]));
    }
}

internal sealed class MapNode((Node Key, Node Value, bool Optional)[] entries) : Node
{
    public override CelValue Evaluate(ref CelFrame frame)
    {
        if (!frame.Charge(30))
        {
            return Faults.Budget;
        }

        var table = new CelTable();
        foreach (var (keyNode, valueNode, isOptional) in entries)
        {
            var key = keyNode.Evaluate(ref frame);
            var value = key.IsError ? key : valueNode.Evaluate(ref frame);
            if (value.IsError)
            {
                return value;
            }

            if (isOptional && value.Kind != CelKind.Optional)
            {
                return Faults.NoOverload;
            }

            if (isOptional && !value.AsOptional.HasValue)
            {
                continue;
            }

            if (Add(table, key, isOptional ? value.AsOptional.Value : value) is { } fault)
            {
                return fault;
            }
        }

        return CelValue.Of(table);
    }

    /// <summary>Adds an entry, or says what is wrong with its key.</summary>
    public static CelValue? Add(CelTable table, in CelValue key, in CelValue value)
    {
        if (key.Kind is not (CelKind.Bool or CelKind.Int or CelKind.Uint or CelKind.String))
        {
            return CelValue.Error($"unsupported key type: {key.Type.Name}");
        }

        return table.TryAdd(key, value) ? null : CelValue.Error($"repeated key: {key}");
    }
}
