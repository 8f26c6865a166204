namespace Lanyard.Identity.Cel;

/// <summary>The elements of a list or the entries of a map, one after the other, put into the locals of a comprehension.</summary>
internal readonly struct Iteration(in CelValue range, int first, int second)
{
    private readonly CelList? _list = range.Ref as CelList;
    private readonly CelMap? _map = range.Ref as CelMap;

    public bool IsPossible => _list is not null || _map is not null;

    public int Count => _list?.Count ?? _map?.Count ?? 0;

    public void Bind(int i, ref CelFrame frame)
    {
        if (second < 0)
        {
            frame.Locals[first] = _list is not null ? _list[i] : _map!.KeyAt(i);
            return;
        }

        frame.Locals[first] = _list is not null ? CelValue.Of((long)i) : _map!.KeyAt(i);
        frame.Locals[second] = _list is not null ? _list[i] : _map!.ValueAt(i);
    }
}

/// <summary><c>all</c> and <c>exists</c>: an element that decides wins over errors of others.</summary>
internal sealed class QuantifierNode(Node range, Node body, int first, int second, bool decides) : Node
{
    public override CelValue Evaluate(ref CelFrame frame)
    {
        var value = range.Evaluate(ref frame);
        var iteration = new Iteration(value, first, second);
        if (!iteration.IsPossible)
        {
            return value.IsError ? value : Faults.NoOverload;
        }

        CelValue fault = default;
        var failed = false;
        for (var i = 0; i < iteration.Count; i++)
        {
            iteration.Bind(i, ref frame);
            var verdict = body.Evaluate(ref frame);
            if (!frame.Charge(1))
            {
                return Faults.Budget;
            }

            if (verdict.Kind == CelKind.Bool)
            {
                if (verdict.Bits != 0 == decides)
                {
                    return verdict;
                }
            }
            else if (!failed)
            {
                failed = true;
                fault = verdict.IsError ? verdict : Faults.NoOverload;
            }
        }

        return failed ? fault : CelValue.Of(!decides);
    }
}

/// <summary><c>exists_one</c>: every element is looked at, and any error is the answer.</summary>
internal sealed class ExistsOneNode(Node range, Node body, int first, int second) : Node
{
    public override CelValue Evaluate(ref CelFrame frame)
    {
        var value = range.Evaluate(ref frame);
        var iteration = new Iteration(value, first, second);
        if (!iteration.IsPossible)
        {
            return value.IsError ? value : Faults.NoOverload;
        }

        var count = 0;
        for (var i = 0; i < iteration.Count; i++)
        {
            iteration.Bind(i, ref frame);
            var verdict = body.Evaluate(ref frame);
            if (verdict.Kind != CelKind.Bool || !frame.Charge(1))
            {
                return verdict.Kind is CelKind.Bool ? Faults.Budget : verdict.IsError ? verdict : Faults.NoOverload;
            }

            count += verdict.Bits != 0 ? 1 : 0;
        }

        return CelValue.Of(count == 1);
    }
}

/// <summary><c>map</c>, <c>filter</c> and <c>transformList</c>; a filter's body is its element.</summary>
internal sealed class TransformListNode(Node range, Node? filter, Node body, int first, int second) : Node
{
    public override CelValue Evaluate(ref CelFrame frame)
    {
        var value = range.Evaluate(ref frame);
        var iteration = new Iteration(value, first, second);
        if (!iteration.IsPossible)
        {
            return value.IsError ? value : Faults.NoOverload;
        }

        var items = new List<CelValue>();
        for (var i = 0; i < iteration.Count; i++)
        {
            iteration.Bind(i, ref frame);
            var keep = filter?.Evaluate(ref frame) ?? CelValue.True;
            if (keep.Kind != CelKind.Bool || !frame.Charge(2))
            {
                return keep.Kind is CelKind.Bool ? Faults.Budget : keep.IsError ? keep : Faults.NoOverload;
            }

            if (keep.Bits == 0)
            {
                continue;
            }

            var item = body.Evaluate(ref frame);
            if (item.IsError)
            {
                return item;
            }

            items.Add(item);
        }

        return CelValue.Of(new CelArray([.. items]));
    }
}

/// <summary><c>transformMap</c> keeps the keys; <c>transformMapEntry</c> makes new entries of a map each.</summary>
internal sealed class TransformMapNode(Node range, Node? filter, Node body, int first, int second, bool entries) : Node
{
    public override CelValue Evaluate(ref CelFrame frame)
    {
        var value = range.Evaluate(ref frame);
        var iteration = new Iteration(value, first, second);
        if (!iteration.IsPossible)
        {
            return value.IsError ? value : Faults.NoOverload;
        }

        var table = new CelTable();
        for (var i = 0; i < iteration.Count; i++)
        {
            iteration.Bind(i, ref frame);
            var keep = filter?.Evaluate(ref frame) ?? CelValue.True;
            if (keep.Kind != CelKind.Bool || !frame.Charge(2))
            {
                return keep.Kind is CelKind.Bool ? Faults.Budget : keep.IsError ? keep : Faults.NoOverload;
            }

            if (keep.Bits != 0 && AddTo(table, ref frame) is { } fault)
            {
                return fault;
            }
        }

        return CelValue.Of(table);
    }

    private CelValue? AddTo(CelTable table, ref CelFrame frame)
    {
        // The key is read before the body, whose own comprehensions use other locals.
        var key = frame.Locals[first];
        var value = body.Evaluate(ref frame);
        if (value.IsError)
        {
            return value;
        }

        if (!entries)
        {
            return MapNode.Add(table, key, value);
        }

        if (value.Kind != CelKind.Map)
        {
            return Faults.NoOverload;
        }

        var made = value.AsMap;
        for (var i = 0; i < made.Count; i++)
        {
            if (MapNode.Add(table, made.KeyAt(i), made.ValueAt(i)) is { } fault)
            {
                return fault;
            }
        }

        return null;
    }
}

/// <summary><c>optMap</c> and <c>optFlatMap</c>.</summary>
internal sealed class OptionalMapNode(Node operand, Node body, int local, bool flat) : Node
{
    public override CelValue Evaluate(ref CelFrame frame)
    {
        var value = operand.Evaluate(ref frame);
        if (value.Kind != CelKind.Optional || !frame.Charge(1))
        {
            return value.Kind == CelKind.Optional ? Faults.Budget : value.IsError ? value : Faults.NoOverload;
        }

        if (!value.AsOptional.HasValue)
        {
            return value;
        }

        frame.Locals[local] = value.AsOptional.Value;
        var result = body.Evaluate(ref frame);
        if (result.IsError)
        {
            return result;
        }

        return !flat ? CelValue.Of(new CelOptional(result, true)) : result.Kind == CelKind.Optional ? result : Faults.NoOverload;
    }
}
