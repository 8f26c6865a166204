namespace Lanyard.Identity.Cel;

/// <summary>Comprehensions: their variables become locals of the frame while their body is checked.</summary>
internal sealed partial class Compiler
{
    private Bound BindMacro(MacroAst macro)
    {
        var range = Bind(macro.Range);
        var (first, second) = VariableTypes(macro, range.Type);
        var mark = _locals.Count;
        _locals.Add((macro.First, first));
        if (macro.Second is not null)
        {
            _locals.Add((macro.Second, second));
        }

        _mostLocals = Math.Max(_mostLocals, _locals.Count);
        var filter = macro.Filter is null ? (Bound?)null : Condition(macro.Filter);
        var body = macro.Kind is MacroKind.All or MacroKind.Exists or MacroKind.ExistsOne or MacroKind.Filter
            ? Condition(macro.Body)
            : Bind(macro.Body);
        _locals.RemoveRange(mark, _locals.Count - mark);
        return MakeMacro(macro, range, filter?.Node, body, mark, macro.Second is null ? -1 : mark + 1, first);
    }

    private Bound Condition(Ast tree)
    {
        var bound = Bind(tree);
        if (!bound.Type.IsDyn && bound.Type.Kind != CelKind.Bool)
        {
            Fail(tree, $"expected type 'bool' but found '{bound.Type}'");
        }

        return bound;
    }

    private (CelType First, CelType Second) VariableTypes(MacroAst macro, CelType range)
    {
        var overOptional = macro.Kind is MacroKind.OptMap or MacroKind.OptFlatMap;
        switch (range.Form)
        {
            case TypeForm.Dyn:
                return (CelType.Dyn, CelType.Dyn);
            case TypeForm.Optional when overOptional:
                return (range.Element, CelType.Dyn);
            case TypeForm.List when !overOptional:
                return macro.Second is null ? (range.Element, CelType.Dyn) : (CelType.Int, range.Element);
            case TypeForm.Map when !overOptional:
                return (range.Key, range.Element);
            case TypeForm.Object when !overOptional:
                return (CelType.String, CelType.Dyn);
            default:
                Fail(macro.Range, overOptional ? $"expected an optional value, found '{range}'" : $"'{range}' is no list or map to go through");
                return (CelType.Dyn, CelType.Dyn);
        }
    }

    private Bound MakeMacro(MacroAst macro, Bound range, Node? filter, Bound body, int first, int second, CelType element) => macro.Kind switch
    {
        MacroKind.All => Typed(new QuantifierNode(range.Node, body.Node, first, second, decides: false), CelType.Bool),
        MacroKind.Exists => Typed(new QuantifierNode(range.Node, body.Node, first, second, decides: true), CelType.Bool),
        MacroKind.ExistsOne => Typed(new ExistsOneNode(range.Node, body.Node, first, second), CelType.Bool),
        MacroKind.Filter => Typed(new TransformListNode(range.Node, body.Node, new LocalNode(first), first, second), CelType.List(element)),
        MacroKind.Map => Typed(new TransformListNode(range.Node, filter, body.Node, first, second), CelType.List(body.Type)),
        MacroKind.TransformMap => Typed(
            new TransformMapNode(range.Node, filter, body.Node, first, second, entries: false),
            CelType.Map(element, body.Type)),
        MacroKind.TransformMapEntry => Typed(
            new TransformMapNode(range.Node, filter, body.Node, first, second, entries: true),
            body.Type.Form is TypeForm.Map or TypeForm.Dyn ? body.Type : Fail(macro.Body, $"expected a map, found '{body.Type}'").Type),
        MacroKind.OptMap => Typed(new OptionalMapNode(range.Node, body.Node, first, flat: false), CelType.Optional(body.Type)),
        _ => Typed(
            new OptionalMapNode(range.Node, body.Node, first, flat: true),
            body.Type.Form is TypeForm.Optional or TypeForm.Dyn ? body.Type : Fail(macro.Body, $"expected an optional value, found '{body.Type}'").Type),
    };
}
