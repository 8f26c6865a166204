namespace Lanyard.Identity.Cel;

/// <summary>Operators and calls: which node, which overloads can fit, what type comes out.</summary>
internal sealed partial class Compiler
{
    private Bound BindCall(CallAst call) => call.Function switch
    {
        "_&&_" => Typed(new LogicNode([.. call.Arguments.Select(a => Condition(a).Node)], decides: false), CelType.Bool),
        "_||_" => Typed(new LogicNode([.. call.Arguments.Select(a => Condition(a).Node)], decides: true), CelType.Bool),
        "!_" => Typed(new NotNode(Condition(call.Arguments[0]).Node), CelType.Bool),
        "-_" => BindNegation(call),
        "_?_:_" => BindConditional(call),
        "_==_" or "_!=_" => BindEquality(call),
        "_<_" or "_<=_" or "_>_" or "_>=_" => BindOrder(call),
        "_+_" or "_-_" or "_*_" or "_/_" or "_%_" => BindArithmetic(call),
        "@in" => BindIn(call),
        _ => call.Target is null ? BindGlobalCall(call, call.Function, call.Arguments) : BindMemberCall(call),
    };

    private Bound BindNegation(CallAst call)
    {
        var operand = Bind(call.Arguments[0]);
        return operand.Type.IsDyn || operand.Type.Kind is CelKind.Int or CelKind.Double
            ? Typed(new NegateNode(operand.Node), operand.Type)
            : NoMatch(call, [operand.Type]);
    }

    private Bound BindConditional(CallAst call)
    {
        var condition = Condition(call.Arguments[0]);
        var (then, otherwise) = (Bind(call.Arguments[1]), Bind(call.Arguments[2]));
        var joined = CelType.Join(then.Type, otherwise.Type);
        return joined.IsDyn && !then.Type.IsDyn && !otherwise.Type.IsDyn
            ? NoMatch(call, [condition.Type, then.Type, otherwise.Type])
            : Typed(new ConditionalNode(condition.Node, then.Node, otherwise.Node), joined);
    }

    private Bound BindEquality(CallAst call)
    {
        var (left, right) = (Bind(call.Arguments[0]), Bind(call.Arguments[1]));
        var known = !left.Type.IsDyn && !right.Type.IsDyn;
        return known && CelType.Join(left.Type, right.Type).IsDyn
            ? NoMatch(call, [left.Type, right.Type])
            : Typed(new EqualNode(left.Node, right.Node, call.Function == "_==_"), CelType.Bool);
    }

    private Bound BindOrder(CallAst call)
    {
        var (left, right) = (Bind(call.Arguments[0]), Bind(call.Arguments[1]));
        var fits = left.Type.IsDyn || right.Type.IsDyn
            ? CanOrder(left.Type) && CanOrder(right.Type)
            : CelCompare.CanOrder(left.Type.Kind, right.Type.Kind);
        var ordering = call.Function switch
        {
            "_<_" => Ordering.Less,
            "_<=_" => Ordering.LessOrEqual,
            "_>_" => Ordering.Greater,
            _ => Ordering.GreaterOrEqual,
        };
        return fits ? Typed(new OrderNode(left.Node, right.Node, ordering), CelType.Bool) : NoMatch(call, [left.Type, right.Type]);
    }

    private static bool CanOrder(CelType type) => type.IsDyn || CelCompare.CanOrder(type.Kind, type.Kind);

    private Bound BindArithmetic(CallAst call)
    {
        var (left, right) = (Bind(call.Arguments[0]), Bind(call.Arguments[1]));
        var sign = call.Function[1];
        return ArithmeticType(sign, left.Type, right.Type) is { } type
            ? Typed(new ArithmeticNode(left.Node, right.Node, sign), type)
            : NoMatch(call, [left.Type, right.Type]);
    }

    private static CelType? ArithmeticType(char sign, CelType left, CelType right)
    {
        if (left.IsDyn || right.IsDyn)
        {
            var known = left.IsDyn ? right : left;
            return known.IsDyn || Fits(sign, known.Kind)
                ? known.Kind is CelKind.Timestamp or CelKind.Duration or CelKind.List ? CelType.Dyn : known
                : null;
        }

        return (left.Kind, right.Kind) switch
        {
            (CelKind.Timestamp, CelKind.Timestamp) when sign == '-' => CelType.Duration,
            (CelKind.Timestamp, CelKind.Duration) when sign is '+' or '-' => CelType.Timestamp,
            (CelKind.Duration, CelKind.Timestamp) when sign == '+' => CelType.Timestamp,
            (CelKind.List, CelKind.List) when sign == '+' => CelType.List(CelType.Join(left.Element, right.Element)),
            _ => left.Kind == right.Kind && left.Kind != CelKind.Timestamp && Fits(sign, left.Kind) ? left : null,
        };
    }

    private static bool Fits(char sign, CelKind kind) => kind switch
    {
        CelKind.Int or CelKind.Uint => true,
        CelKind.Double => sign != '%',
        CelKind.String or CelKind.Bytes or CelKind.List => sign == '+',
        CelKind.Timestamp or CelKind.Duration => sign is '+' or '-',
        _ => false,
    };

    private Bound BindIn(CallAst call)
    {
        var (element, container) = (Bind(call.Arguments[0]), Bind(call.Arguments[1]));
        var fits = container.Type.Form switch
        {
            TypeForm.Dyn => true,
            TypeForm.List => !CelType.Join(element.Type, container.Type.Element).IsDyn || element.Type.IsDyn || container.Type.Element.IsDyn,
            TypeForm.Map => container.Type.Key.Accepts(element.Type, new CelType?[2]) || IsNumber(container.Type.Key) && IsNumber(element.Type),
            TypeForm.Object => element.Type.IsDyn || element.Type.Kind == CelKind.String,
            _ => false,
        };
        return fits ? Typed(new InNode(element.Node, container.Node), CelType.Bool) : NoMatch(call, [element.Type, container.Type]);
    }

    private Bound BindMemberCall(CallAst call)
    {
        // strings.quote(x): a function of a namespace, unless a local of that name is the receiver.
        if (DottedName(call.Target!, out var absolute) is { } prefix)
        {
            foreach (var candidate in absolute ? [$"{prefix}.{call.Function}"] : _environment.Candidates($"{prefix}.{call.Function}"))
            {
                if (_environment.FindFunctions(candidate, receiver: false, call.Arguments.Count).Count > 0)
                {
                    return BindGlobalCall(call, candidate, call.Arguments);
                }
            }
        }

        var target = Bind(call.Target!);
        var arguments = call.Arguments.Select(Bind).ToArray();
        Bound[] all = [target, .. arguments];
        if (call.Function is "or" or "orValue" && arguments.Length == 1 && _environment.HasFunction("optional.of"))
        {
            return BindShortCut(call, target, arguments[0]);
        }

        return Choose(call, _environment.FindFunctions(call.Function, receiver: true, all.Length), all);
    }

    private Bound BindShortCut(CallAst call, Bound target, Bound other)
    {
        var unwrap = call.Function == "orValue";
        var bound = new CelType?[2];
        var wanted = unwrap ? CelType.A : CelType.Optional(CelType.A);
        return CelType.Optional(CelType.A).Accepts(target.Type, bound) && wanted.Accepts(other.Type, bound)
            ? Typed(new ShortCutNode(target.Node, other.Node, unwrap), target.Type.IsDyn ? CelType.Dyn : wanted.Substitute(bound))
            : NoMatch(call, [target.Type, other.Type]);
    }

    private Bound BindGlobalCall(CallAst call, string name, IReadOnlyList<Ast> arguments)
    {
        var all = arguments.Select(Bind).ToArray();
        foreach (var candidate in _environment.Candidates(name))
        {
            if (_environment.FindFunctions(candidate, receiver: false, all.Length) is { Count: > 0 } overloads)
            {
                return Choose(call, overloads, all);
            }
        }

        return Choose(call, [], all);
    }

    private Bound Choose(CallAst call, IReadOnlyList<CelOverload> overloads, Bound[] arguments)
    {
        if (overloads.Count == 0)
        {
            return _environment.HasFunction(call.Function)
                ? NoMatch(call, [.. arguments.Select(a => a.Type)])
                : Fail(call, $"undeclared reference to function '{call.Function}'");
        }

        var types = arguments.Select(a => a.Type).ToArray();
        var fitting = new List<CelOverload>();
        CelType? result = null;
        foreach (var overload in overloads)
        {
            if (overload.ResultFor(types) is { } type)
            {
                fitting.Add(overload);
                result = result is null ? type : CelType.Join(result, type);
            }
        }

        return result is null ? NoMatch(call, types) : Special(call, arguments) ?? Typed(MakeCall([.. fitting], arguments), result);
    }

    private static Node MakeCall(CelOverload[] overloads, Bound[] arguments) => arguments switch
    {
        [] => new ConstantNode(overloads[0].None!()),
        [var a] => new UnaryCallNode(overloads, a.Node),
        [var a, var b] => new BinaryCallNode(overloads, a.Node, b.Node),
        [var a, var b, var c] => new TernaryCallNode(overloads, a.Node, b.Node, c.Node),
        [var a, var b, var c, var d] => new QuaternaryCallNode(overloads, a.Node, b.Node, c.Node, d.Node),
        _ => throw new InvalidOperationException("a function takes at most four arguments"),
    };

    // Literals that can be judged now are: a wrong pattern, time or duration is a mistake of the text, and a right one is read once.
    private Bound? Special(CallAst call, Bound[] arguments)
    {
        if (call.Function == "matches" && arguments[1].Node is ConstantNode { Value.Kind: CelKind.String } pattern)
        {
            if (!BoundedPattern.TryCreate(pattern.Value.AsString, _environment.Limits.MaxPatternLength, out var compiled, out var problem))
            {
                return Fail(call, problem);
            }

            return compiled.IsLarge ? null : Typed(new MatchNode(arguments[0].Node, compiled), CelType.Bool);
        }

        if (call.Function is "duration" or "timestamp" && arguments[0].Node is ConstantNode { Value.Kind: CelKind.String } literal)
        {
            var isDuration = call.Function == "duration";
            var value = isDuration ? CelTime.ParseDuration(literal.Value.AsString) : CelTime.ParseTimestamp(literal.Value.AsString);
            return value.IsError
                ? Fail(call, value.ErrorText)
                : Typed(new ConstantNode(value), isDuration ? CelType.Duration : CelType.Timestamp);
        }

        return null;
    }

    private Bound NoMatch(CallAst call, IReadOnlyList<CelType> types) => Fail(
        call,
        _environment.Unchecked
            ? "no such overload"
            : $"found no matching overload for '{call.Function}' applied to '({string.Join(", ", types)})'");
}
