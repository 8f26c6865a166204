namespace Lanyard.Identity.Cel;

/// <summary>Lists and maps: the one type of what is in them, and literals of literals, which are made once.</summary>
internal sealed partial class Compiler
{
    private Bound BindList(ListAst list)
    {
        CelType? element = null;
        var items = new List<(Node, bool)>(list.Items.Count);
        foreach (var (item, optional) in list.Items)
        {
            var bound = Bind(item);
            items.Add((bound.Node, optional));
            element = JoinLiteral(item, element, Unwrapped(item, bound.Type, optional));
        }

        return Typed(Fold(new ListNode([.. items]), items.TrueForAll(i => i.Item1 is ConstantNode && !i.Item2)), CelType.List(element ?? CelType.Dyn));
    }

    private Bound BindMap(MapAst map)
    {
        CelType? key = null;
        CelType? value = null;
        var entries = new List<(Node, Node, bool)>(map.Entries.Count);
        foreach (var (keyTree, valueTree, optional) in map.Entries)
        {
            var (boundKey, boundValue) = (Bind(keyTree), Bind(valueTree));
            if (!boundKey.Type.IsDyn && boundKey.Type.Kind is not (CelKind.Bool or CelKind.Int or CelKind.Uint or CelKind.String))
            {
                Fail(keyTree, $"unsupported key type: {boundKey.Type}");
            }

            entries.Add((boundKey.Node, boundValue.Node, optional));
            key = JoinLiteral(keyTree, key, boundKey.Type);
            value = JoinLiteral(valueTree, value, Unwrapped(valueTree, boundValue.Type, optional));
        }

        var constant = entries.TrueForAll(e => e.Item1 is ConstantNode && e.Item2 is ConstantNode && !e.Item3);
        return Typed(Fold(new MapNode([.. entries]), constant), CelType.Map(key ?? CelType.Dyn, value ?? CelType.Dyn));
    }

    private static Node Fold(Node node, bool constant)
    {
        var frame = CelFrame.Unbounded;
        return constant ? new ConstantNode(node.Evaluate(ref frame)) : node;
    }

    private CelType Unwrapped(Ast at, CelType type, bool optional)
    {
        if (!optional || type.IsDyn)
        {
            return type;
        }

        if (type.Form == TypeForm.Optional)
        {
            return type.Element;
        }

        Fail(at, $"expected an optional value, found '{type}'");
        return CelType.Dyn;
    }

    private CelType JoinLiteral(Ast at, CelType? before, CelType type)
    {
        var joined = before is null ? type : CelType.Join(before, type);
        if (_environment.HomogeneousLiterals && joined.IsDyn && !type.IsDyn && before is { IsDyn: false })
        {
            Fail(at, $"expected type '{before}' but found '{type}': a literal's values have one type");
            return before;
        }

        return joined;
    }
}
