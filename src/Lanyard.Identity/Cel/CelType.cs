namespace Lanyard.Identity.Cel;

internal enum TypeForm
{
    Dyn,
    Plain,
    List,
    Map,
    Optional,
    Type,
    Opaque,
    Object,
    Parameter,
}

/// <summary>A static type: what the checker knows of an expression before it runs. <see cref="Dyn"/> is "known at run time only".</summary>
public sealed class CelType
{
    private readonly CelType[] _arguments;

    private CelType(TypeForm form, string name, CelKind kind, params CelType[] arguments)
    {
        Form = form;
        Name = name;
        Kind = kind;
        _arguments = arguments;
    }

    public static CelType Dyn { get; } = new(TypeForm.Dyn, "dyn", CelKind.Error);

    public static CelType Null { get; } = new(TypeForm.Plain, "null_type", CelKind.Null);

    public static CelType Bool { get; } = new(TypeForm.Plain, "bool", CelKind.Bool);

    public static CelType Int { get; } = new(TypeForm.Plain, "int", CelKind.Int);

    public static CelType Uint { get; } = new(TypeForm.Plain, "uint", CelKind.Uint);

    public static CelType Double { get; } = new(TypeForm.Plain, "double", CelKind.Double);

    public static CelType String { get; } = new(TypeForm.Plain, "string", CelKind.String);

    public static CelType Bytes { get; } = new(TypeForm.Plain, "bytes", CelKind.Bytes);

    public static CelType Timestamp { get; } = new(TypeForm.Plain, "google.protobuf.Timestamp", CelKind.Timestamp);

    public static CelType Duration { get; } = new(TypeForm.Plain, "google.protobuf.Duration", CelKind.Duration);

    public static CelType TypeType { get; } = new(TypeForm.Type, "type", CelKind.Type);

    internal static CelType A { get; } = new(TypeForm.Parameter, "A", CelKind.Error);

    internal static CelType B { get; } = new(TypeForm.Parameter, "B", CelKind.Error);

    /// <summary>The name that <c>type(x)</c> shows: lists are <c>list</c> whatever they hold.</summary>
    public string Name { get; }

    internal TypeForm Form { get; }

    internal CelKind Kind { get; }

    internal bool IsDyn => Form == TypeForm.Dyn;

    /// <summary>Declared members of an object type, or null for any other.</summary>
    internal IReadOnlyDictionary<string, CelType>? Members { get; private init; }

    internal CelType Element => _arguments[^1];

    internal CelType Key => _arguments[0];

    public static CelType List(CelType element) => new(TypeForm.List, "list", CelKind.List, element);

    public static CelType Map(CelType key, CelType value) => new(TypeForm.Map, "map", CelKind.Map, key, value);

    public static CelType Optional(CelType value) => new(TypeForm.Optional, "optional_type", CelKind.Optional, value);

    /// <summary>A map whose member names are known: <c>user.nmae</c> is then found before it runs.</summary>
    public static CelType Object(string name, IReadOnlyDictionary<string, CelType> members) =>
        new(TypeForm.Object, name, CelKind.Map) { Members = members };

    internal static CelType Opaque(string name) => new(TypeForm.Opaque, name, CelKind.Opaque);

    /// <summary>True when a value of the run-time kind may be of this type; what a container holds is not looked at.</summary>
    internal bool Admits(in CelValue value) => Form switch
    {
        TypeForm.Dyn or TypeForm.Parameter => true,
        TypeForm.Opaque => value.Kind == CelKind.Opaque && ((CelOpaque)value.Ref!).Type.Name == Name,
        _ => value.Kind == Kind,
    };

    /// <summary>Whether <paramref name="argument"/> fits here; what type parameters stand for is noted in <paramref name="bound"/>.</summary>
    internal bool Accepts(CelType argument, CelType?[] bound)
    {
        if (Form == TypeForm.Parameter)
        {
            return AcceptsAs(ref bound[Name == "A" ? 0 : 1], argument, bound);
        }

        if (IsDyn || argument.IsDyn)
        {
            return true;
        }

        if (argument.Form == TypeForm.Plain && argument.Kind == CelKind.Null)
        {
            return Kind is CelKind.Null or CelKind.Timestamp or CelKind.Duration or CelKind.Opaque or CelKind.Optional;
        }

        if (Form == TypeForm.Map && argument.Form == TypeForm.Object)
        {
            return Key.Accepts(String, bound);
        }

        return Form == argument.Form && Name == argument.Name && ArgumentsFit(argument, bound);
    }

    internal CelType Substitute(CelType?[] bound) => Form switch
    {
        TypeForm.Parameter => bound[Name == "A" ? 0 : 1] ?? Dyn,
        TypeForm.List => List(Element.Substitute(bound)),
        TypeForm.Map => Map(Key.Substitute(bound), Element.Substitute(bound)),
        TypeForm.Optional => Optional(Element.Substitute(bound)),
        _ => this,
    };

    /// <summary>The common type of two: themselves when they fit each other, otherwise <see cref="Dyn"/>.</summary>
    internal static CelType Join(CelType left, CelType right)
    {
        if (left.IsDyn || right.IsDyn)
        {
            return Dyn;
        }

        return left.Accepts(right, new CelType?[2]) ? left : right.Accepts(left, new CelType?[2]) ? right : Dyn;
    }

    public override string ToString() => Form switch
    {
        TypeForm.List => $"list({Element})",
        TypeForm.Map => $"map({Key}, {Element})",
        TypeForm.Optional => $"optional_type({Element})",
        _ => Name,
    };

    private static bool AcceptsAs(ref CelType? slot, CelType argument, CelType?[] bound)
    {
        if (slot is null)
        {
            slot = argument;
            return true;
        }

        if (argument.IsDyn || slot.IsDyn)
        {
            slot = Dyn;
            return true;
        }

        if (slot.Accepts(argument, bound))
        {
            return true;
        }

        if (argument.Accepts(slot, bound))
        {
            slot = argument;
            return true;
        }

        return false;
    }

    private bool ArgumentsFit(CelType other, CelType?[] bound)
    {
        for (var i = 0; i < _arguments.Length; i++)
        {
            if (!_arguments[i].Accepts(other._arguments[i], bound))
            {
                return false;
            }
        }

        return true;
    }
}
