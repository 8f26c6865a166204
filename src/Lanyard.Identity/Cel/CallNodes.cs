namespace Lanyard.Identity.Cel;

/// <summary>A call whose overload is found by the arguments' kinds; the compiler leaves only those that can fit.</summary>
internal sealed class UnaryCallNode(CelOverload[] overloads, Node first) : Node
{
    public override CelValue Evaluate(ref CelFrame frame)
    {
        var a = first.Evaluate(ref frame);
        if (a.IsError || !frame.Charge(1))
        {
            return a.IsError ? a : Faults.Budget;
        }

        foreach (var overload in overloads)
        {
            if (overload.Admits(a))
            {
                return overload.One!(ref frame, a);
            }
        }

        return Faults.NoOverload;
    }
}

internal sealed class BinaryCallNode(CelOverload[] overloads, Node first, Node second) : Node
{
    public override CelValue Evaluate(ref CelFrame frame)
    {
        var a = first.Evaluate(ref frame);
        var b = a.IsError ? a : second.Evaluate(ref frame);
        if (b.IsError || !frame.Charge(1))
        {
            return b.IsError ? b : Faults.Budget;
        }

        foreach (var overload in overloads)
        {
            if (overload.Admits(a, b))
            {
                return overload.Two!(ref frame, a, b);
            }
        }

        return Faults.NoOverload;
    }
}

internal sealed class TernaryCallNode(CelOverload[] overloads, Node first, Node second, Node third) : Node
{
    public override CelValue Evaluate(ref CelFrame frame)
    {
        var a = first.Evaluate(ref frame);
        var b = a.IsError ? a : second.Evaluate(ref frame);
        var c = b.IsError ? b : third.Evaluate(ref frame);
        if (c.IsError || !frame.Charge(1))
        {
            return c.IsError ? c : Faults.Budget;
        }

        foreach (var overload in overloads)
        {
            if (overload.Admits(a, b, c))
            {
                return overload.Three!(ref frame, a, b, c);
            }
        }

        return Faults.NoOverload;
    }
}

internal sealed class QuaternaryCallNode(CelOverload[] overloads, Node first, Node second, Node third, Node fourth) : Node
{
    public override CelValue Evaluate(ref CelFrame frame)
    {
        var a = first.Evaluate(ref frame);
        var b = a.IsError ? a : second.Evaluate(ref frame);
        var c = b.IsError ? b : third.Evaluate(ref frame);
        var d = c.IsError ? c : fourth.Evaluate(ref frame);
        if (d.IsError || !frame.Charge(1))
        {
            return d.IsError ? d : Faults.Budget;
        }

        foreach (var overload in overloads)
        {
            if (overload.Admits(a, b, c, d))
            {
                return overload.Four!(ref frame, a, b, c, d);
            }
        }

        return Faults.NoOverload;
    }
}

/// <summary>A regular expression that the text itself holds: compiled with it.</summary>
internal sealed class MatchNode(Node operand, BoundedPattern pattern) : Node
{
    public override CelValue Evaluate(ref CelFrame frame)
    {
        var value = operand.Evaluate(ref frame);
        if (value.Kind != CelKind.String)
        {
            return value.IsError ? value : Faults.NoOverload;
        }

        var text = (string)value.Ref!;
        return frame.Charge(pattern.CostOf(text.Length)) ? CelValue.Of(pattern.IsMatch(text)) : Faults.Budget;
    }
}

/// <summary><c>opt.or(other)</c> and <c>opt.orValue(value)</c>.</summary>
internal sealed class ShortCutNode(Node operand, Node otherwise, bool unwrap) : Node
{
    // The argument is looked at only when there is nothing before it.
    public override CelValue Evaluate(ref CelFrame frame)
    {
        var value = operand.Evaluate(ref frame);
        if (value.Kind != CelKind.Optional)
        {
            return value.IsError ? value : Faults.NoOverload;
        }

        var inner = value.AsOptional;
        if (inner.HasValue)
        {
            return unwrap ? inner.Value : value;
        }

        var other = otherwise.Evaluate(ref frame);
        return unwrap || other.Kind is CelKind.Optional or CelKind.Error ? other : Faults.NoOverload;
    }
}
