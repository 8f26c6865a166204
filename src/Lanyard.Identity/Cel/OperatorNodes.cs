namespace Lanyard.Identity.Cel;

/// <summary>
/// <c>&amp;&amp;</c> and <c>||</c> over any number of terms. Whatever decides wins over an error, on either side, as the language demands;
/// running out of budget wins over everything.
/// </summary>
internal sealed class LogicNode(Node[] terms, bool decides) : Node
{
    public override CelValue Evaluate(ref CelFrame frame)
    {
        CelValue fault = default;
        var failed = false;
        foreach (var term in terms)
        {
            var value = term.Evaluate(ref frame);
            if (value.Kind == CelKind.Bool)
            {
                if (value.Bits != 0 == decides)
                {
                    return value;
                }
            }
            else if (!failed)
            {
                failed = true;
                fault = value.IsError ? value : Faults.NoOverload;
            }

            if (frame.IsExhausted)
            {
                return Faults.Budget;
            }
        }

        return failed ? fault : CelValue.Of(!decides);
    }
}

internal sealed class NotNode(Node operand) : Node
{
    public override CelValue Evaluate(ref CelFrame frame)
    {
        var value = operand.Evaluate(ref frame);
        return value.Kind == CelKind.Bool ? CelValue.Of(value.Bits == 0) : value.IsError ? value : Faults.NoOverload;
    }
}

internal sealed class NegateNode(Node operand) : Node
{
    public override CelValue Evaluate(ref CelFrame frame)
    {
        var value = operand.Evaluate(ref frame);
        return value.Kind switch
        {
            CelKind.Int => value.Bits == long.MinValue ? Faults.Overflow : CelValue.Of(-value.Bits),
            CelKind.Double => CelValue.Of(-value.AsDouble),
            CelKind.Error => value,
            _ => Faults.NoOverload,
        };
    }
}

internal sealed class ConditionalNode(Node condition, Node then, Node otherwise) : Node
{
    public override CelValue Evaluate(ref CelFrame frame)
    {
        var value = condition.Evaluate(ref frame);
        return value.Kind switch
        {
            CelKind.Bool => value.Bits != 0 ? then.Evaluate(ref frame) : otherwise.Evaluate(ref frame),
            CelKind.Error => value,
            _ => Faults.NoOverload,
        };
    }
}

internal sealed class EqualNode(Node left, Node right, bool wanted) : Node
{
    public override CelValue Evaluate(ref CelFrame frame)
    {
        var a = left.Evaluate(ref frame);
        if (a.IsError)
        {
            return a;
        }

        var b = right.Evaluate(ref frame);
        if (b.IsError)
        {
            return b;
        }

        if (a.Kind == CelKind.String && b.Kind == CelKind.String)
        {
            var (x, y) = ((string)a.Ref!, (string)b.Ref!);
            return frame.ChargeText(Math.Min(x.Length, y.Length)) ? CelValue.Of(x == y == wanted) : Faults.Budget;
        }

        return frame.Charge(1) ? CelValue.Of(CelCompare.AreEqual(a, b, ref frame) == wanted) : Faults.Budget;
    }
}

internal enum Ordering
{
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

internal sealed class OrderNode(Node left, Node right, Ordering wanted) : Node
{
    public override CelValue Evaluate(ref CelFrame frame)
    {
        var a = left.Evaluate(ref frame);
        var b = a.IsError ? a : right.Evaluate(ref frame);
        if (b.IsError || !frame.Charge(1))
        {
            return b.IsError ? b : Faults.Budget;
        }

        if (!CelCompare.CanOrder(a.Kind, b.Kind))
        {
            return Faults.NoOverload;
        }

        // NaN has no order: every comparison with it is false.
        return CelValue.Of(CelCompare.Order(a, b) is { } order && wanted switch
        {
            Ordering.Less => order < 0,
            Ordering.LessOrEqual => order <= 0,
            Ordering.Greater => order > 0,
            _ => order >= 0,
        });
    }
}

/// <summary><c>x in list</c>, <c>key in map</c>.</summary>
internal sealed class InNode(Node element, Node container) : Node
{
    public override CelValue Evaluate(ref CelFrame frame)
    {
        var value = element.Evaluate(ref frame);
        var holder = value.IsError ? value : container.Evaluate(ref frame);
        if (holder.IsError || !frame.Charge(1))
        {
            return holder.IsError ? holder : Faults.Budget;
        }

        if (holder.Kind == CelKind.Map)
        {
            return CelValue.Of(holder.AsMap.TryGet(value, out _));
        }

        if (holder.Kind != CelKind.List)
        {
            return Faults.NoOverload;
        }

        var list = holder.AsList;
        for (var i = 0; i < list.Count; i++)
        {
            if (!frame.Charge(1))
            {
                return Faults.Budget;
            }

            if (CelCompare.AreEqual(list[i], value, ref frame))
            {
                return CelValue.True;
            }
        }

        return CelValue.False;
    }
}

internal sealed class ArithmeticNode(Node left, Node right, char sign) : Node
{
    public override CelValue Evaluate(ref CelFrame frame)
    {
        var a = left.Evaluate(ref frame);
        var b = a.IsError ? a : right.Evaluate(ref frame);
        if (b.IsError || !frame.Charge(1))
        {
            return b.IsError ? b : Faults.Budget;
        }

        return (a.Kind, b.Kind) switch
        {
            (CelKind.Int, CelKind.Int) => Arithmetic.OfInts(sign, a.Bits, b.Bits),
            (CelKind.Uint, CelKind.Uint) => Arithmetic.OfUints(sign, a.AsUint, b.AsUint),
            (CelKind.Double, CelKind.Double) => Arithmetic.OfDoubles(sign, a.AsDouble, b.AsDouble),
            _ when sign == '+' => Arithmetic.Join(a, b, ref frame),
            _ when sign == '-' => Arithmetic.SubtractTimes(a, b),
            _ => Faults.NoOverload,
        };
    }
}
