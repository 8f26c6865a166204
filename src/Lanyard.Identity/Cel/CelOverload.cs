namespace Lanyard.Identity.Cel;

internal delegate CelValue Unary(ref CelFrame frame, in CelValue a);

internal delegate CelValue Binary(ref CelFrame frame, in CelValue a, in CelValue b);

internal delegate CelValue Ternary(ref CelFrame frame, in CelValue a, in CelValue b, in CelValue c);

internal delegate CelValue Quaternary(ref CelFrame frame, in CelValue a, in CelValue b, in CelValue c, in CelValue d);

/// <summary>One function of one set of argument types. A receiver function is called as <c>first.name(others)</c>.</summary>
internal sealed class CelOverload
{
    private readonly CelType[] _parameters;

    private CelOverload(string name, bool receiver, CelType result, CelType[] parameters)
    {
        Name = name;
        IsReceiver = receiver;
        Result = result;
        _parameters = parameters;
    }

    public string Name { get; }

    public bool IsReceiver { get; }

    public CelType Result { get; }

    public IReadOnlyList<CelType> Parameters => _parameters;

    public Func<CelValue>? None { get; private init; }

    public Unary? One { get; private init; }

    public Binary? Two { get; private init; }

    public Ternary? Three { get; private init; }

    public Quaternary? Four { get; private init; }

    public static CelOverload Function(string name, Func<CelValue> body, CelType result) => new(name, false, result, []) { None = body };

    public static CelOverload Function(string name, Unary body, CelType result, CelType a) =>
        new(name, false, result, [a]) { One = body };

    public static CelOverload Function(string name, Binary body, CelType result, CelType a, CelType b) =>
        new(name, false, result, [a, b]) { Two = body };

    public static CelOverload Member(string name, Unary body, CelType result, CelType a) =>
        new(name, true, result, [a]) { One = body };

    public static CelOverload Member(string name, Binary body, CelType result, CelType a, CelType b) =>
        new(name, true, result, [a, b]) { Two = body };

    public static CelOverload Member(string name, Ternary body, CelType result, CelType a, CelType b, CelType c) =>
        new(name, true, result, [a, b, c]) { Three = body };

    public static CelOverload Member4(string name, Quaternary body, CelType result, CelType a, CelType b, CelType c, CelType d) =>
        new(name, true, result, [a, b, c, d]) { Four = body };

    public bool Admits(in CelValue a) => _parameters[0].Admits(a);

    public bool Admits(in CelValue a, in CelValue b) => _parameters[0].Admits(a) && _parameters[1].Admits(b);

    public bool Admits(in CelValue a, in CelValue b, in CelValue c) => Admits(a, b) && _parameters[2].Admits(c);

    public bool Admits(in CelValue a, in CelValue b, in CelValue c, in CelValue d) => Admits(a, b, c) && _parameters[3].Admits(d);

    /// <summary>The result's type when the arguments fit, otherwise null.</summary>
    public CelType? ResultFor(IReadOnlyList<CelType> arguments)
    {
        var bound = new CelType?[2];
        for (var i = 0; i < _parameters.Length; i++)
        {
            if (!_parameters[i].Accepts(arguments[i], bound))
            {
                return null;
            }
        }

        return Result.Substitute(bound);
    }
}

/// <summary>A named set of functions and types that an environment offers.</summary>
public sealed class CelLibrary
{
    internal CelLibrary(string name, params IReadOnlyList<CelOverload> overloads)
    {
        Name = name;
        Overloads = overloads;
    }

    public string Name { get; }

    internal IReadOnlyList<CelOverload> Overloads { get; }

    /// <summary>Types that have a name in expressions.</summary>
    internal IReadOnlyList<CelType> Types { get; init; } = [];
}
