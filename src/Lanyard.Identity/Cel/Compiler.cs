namespace Lanyard.Identity.Cel;

/// <summary>A compiled part and what is known of its type.</summary>
internal readonly record struct Bound(Node Node, CelType Type);

/// <summary>
/// Checks a tree against an environment and makes its nodes in the same walk, so that what was checked is what runs.
/// A mistake is noted and the walk goes on with an unknown type: all mistakes come at once.
/// </summary>
internal sealed partial class Compiler
{
    private readonly CelEnvironment _environment;
    private readonly IssueList _issues;
    private readonly List<(string Name, CelType Type)> _locals = [];
    private int _mostLocals;

    private Compiler(CelEnvironment environment, IssueList issues)
    {
        _environment = environment;
        _issues = issues;
    }

    public static CelCompilation Compile(string text, CelEnvironment environment)
    {
        if (text.Length > environment.Limits.MaxLength)
        {
            return new CelCompilation(null, [new CelIssue(1, 1, $"the expression is longer than {environment.Limits.MaxLength} characters")]);
        }

        var issues = new IssueList(text);
        var tokens = new Lexer(text, issues).Read();
        var tree = issues.Any ? null : new Parser(tokens, environment.Limits, issues).Read();
        if (tree is null || issues.Any)
        {
            return new CelCompilation(null, issues.Issues);
        }

        var compiler = new Compiler(environment, issues);
        var root = compiler.Bind(tree);
        return issues.Any
            ? new CelCompilation(null, issues.Issues)
            : new CelCompilation(
                new CelProgram(text, root.Node, root.Type, compiler._mostLocals, environment)
                {
                    WorstCost = CostEstimator.WorstCost(tree, environment.Limits),
                },
                []);
    }

    private Bound Bind(Ast tree) => tree switch
    {
        LiteralAst literal => Typed(new ConstantNode(literal.Value), literal.Value.Type),
        NameAst name => BindName(name),
        SelectAst select => BindSelect(select),
        IndexAst index => BindIndex(index),
        CallAst call => BindCall(call),
        ListAst list => BindList(list),
        MapAst map => BindMap(map),
        MacroAst macro => BindMacro(macro),
        _ => throw new InvalidOperationException($"unknown node {tree.GetType().Name}"),
    };

    private Bound Typed(Node node, CelType type) => new(node, _environment.Unchecked ? CelType.Dyn : type);

    /// <summary>Notes a mistake; in an unchecked program it becomes an error of the run time.</summary>
    private Bound Fail(Ast at, string text)
    {
        if (!_environment.Unchecked)
        {
            _issues.Add(at.Position, text);
        }

        return new Bound(new ConstantNode(CelValue.Error(text)), CelType.Dyn);
    }

    private int FindLocal(string name) => _locals.FindLastIndex(l => l.Name == name);

    private Bound BindName(NameAst name)
    {
        var local = name.Absolute ? -1 : FindLocal(name.Name);
        if (local >= 0)
        {
            return new Bound(new LocalNode(local), _locals[local].Type);
        }

        return FindGlobal(name.Name, name.Absolute)
            ?? Fail(name, $"undeclared reference to '{name.Name}' (in container '{_environment.Container}')");
    }

    // Variables and the names of types; the innermost scope of the container wins.
    private Bound? FindGlobal(string name, bool absolute)
    {
        foreach (var candidate in absolute ? [name] : _environment.Candidates(name))
        {
            if (_environment.TryFindVariable(candidate, out var slot, out var type))
            {
                return Typed(new VariableNode(slot), type);
            }

            if (_environment.FindType(candidate) is { } named)
            {
                return Typed(new ConstantNode(CelValue.Of(named)), CelType.TypeType);
            }
        }

        return null;
    }

    /// <summary>The dotted name that a chain of selections may be, unless it starts at a local.</summary>
    private string? DottedName(Ast tree, out bool absolute)
    {
        absolute = false;
        switch (tree)
        {
            case NameAst name:
                absolute = name.Absolute;
                return !name.Absolute && FindLocal(name.Name) >= 0 ? null : name.Name;
            case SelectAst { Test: false, Optional: false } select:
                return DottedName(select.Operand, out absolute) is { } prefix ? $"{prefix}.{select.Member}" : null;
            default:
                return null;
        }
    }

    private Bound BindSelect(SelectAst select)
    {
        // The longest name that is declared wins: a.b.c before the member c of a.b.
        if (DottedName(select, out var absolute) is { } dotted && FindGlobal(dotted, absolute) is { } global)
        {
            return global;
        }

        var operand = Bind(select.Operand);
        var member = MemberType(select, operand.Type);
        var type = select.Test ? CelType.Bool : select.Optional && operand.Type.Form != TypeForm.Optional ? CelType.Optional(member) : member;
        return Typed(new SelectNode(operand.Node, select.Member, select.Optional, select.Test), type);
    }

    private CelType MemberType(SelectAst select, CelType operand)
    {
        switch (operand.Form)
        {
            case TypeForm.Dyn:
                return CelType.Dyn;
            case TypeForm.Optional:
                var inner = MemberType(select, operand.Element);
                return CelType.Optional(inner);
            case TypeForm.Map when operand.Key.IsDyn || operand.Key.Kind == CelKind.String:
                return operand.Element;
            case TypeForm.Object when operand.Members!.TryGetValue(select.Member, out var member):
                return member;
            case TypeForm.Object:
                Fail(select, $"undefined field '{select.Member}' of {operand.Name}");
                return CelType.Dyn;
            default:
                Fail(select, $"type '{operand}' does not support field selection");
                return CelType.Dyn;
        }
    }

    private Bound BindIndex(IndexAst index)
    {
        var operand = Bind(index.Operand);
        var key = Bind(index.Index);
        var inOptional = operand.Type.Form == TypeForm.Optional;
        var element = ElementType(index, inOptional ? operand.Type.Element : operand.Type, key.Type);
        return Typed(new IndexNode(operand.Node, key.Node, index.Optional), index.Optional || inOptional ? CelType.Optional(element) : element);
    }

    private CelType ElementType(IndexAst index, CelType container, CelType key)
    {
        var fits = container.Form switch
        {
            TypeForm.Dyn => true,
            TypeForm.List => key.IsDyn || key.Kind is CelKind.Int,
            TypeForm.Map => container.Key.Accepts(key, new CelType?[2]) || IsNumber(container.Key) && IsNumber(key),
            TypeForm.Object => key.IsDyn || key.Kind == CelKind.String,
            _ => false,
        };
        if (!fits)
        {
            Fail(index, $"found no matching overload for '_[_]' applied to '({container}, {key})'");
        }

        return fits && container.Form is TypeForm.List or TypeForm.Map ? container.Element : CelType.Dyn;
    }

    private static bool IsNumber(CelType type) => CelCompare.IsNumber(type.Kind);
}
