namespace Lanyard.Identity.Cel.Libraries;

/// <summary>Functions of the optional type; <c>or</c> and <c>orValue</c> are the compiler's, because they need not look at their argument.</summary>
internal static class OptionalsLibrary
{
    private static readonly CelType OptionalA = CelType.Optional(CelType.A);

    public static CelLibrary Library { get; } = new(
        "optionals",
        CelOverload.Function("optional.none", () => CelValue.Of(CelOptional.None), CelType.Optional(CelType.Dyn)),
        CelOverload.Function("optional.of", (ref _, in a) => CelValue.Of(new CelOptional(a, true)), OptionalA, CelType.A),
        CelOverload.Function("optional.ofNonZeroValue", OfNonZero, OptionalA, CelType.A),
        CelOverload.Function("optional.unwrap", Unwrap, CelType.List(CelType.A), CelType.List(OptionalA)),
        CelOverload.Member("unwrapOpt", Unwrap, CelType.List(CelType.A), CelType.List(OptionalA)),
        CelOverload.Member("hasValue", (ref _, in a) => CelValue.Of(a.AsOptional.HasValue), CelType.Bool, OptionalA),
        CelOverload.Member("value", (ref _, in a) => a.AsOptional.HasValue ? a.AsOptional.Value : CelValue.Error("optional.none() dereference"), CelType.A, OptionalA))
    {
        Types = [CelType.Optional(CelType.Dyn)],
    };

    private static CelValue OfNonZero(ref CelFrame frame, in CelValue a)
    {
        var isZero = a.Kind switch
        {
            CelKind.Null => true,
            CelKind.Bool or CelKind.Int or CelKind.Uint or CelKind.Duration => a.Bits == 0,
            CelKind.Double => a.AsDouble == 0,
            CelKind.String => a.AsString.Length == 0,
            CelKind.Bytes => a.RawBytes.Length == 0,
            CelKind.List => a.AsList.Count == 0,
            CelKind.Map => a.AsMap.Count == 0,
            CelKind.Optional => !a.AsOptional.HasValue,
            _ => false,
        };
        return CelValue.Of(isZero ? CelOptional.None : new CelOptional(a, true));
    }

    private static CelValue Unwrap(ref CelFrame frame, in CelValue a)
    {
        var list = a.AsList;
        var items = new List<CelValue>();
        for (var i = 0; i < list.Count; i++)
        {
            if (list[i].Kind != CelKind.Optional || !frame.Charge(1))
            {
                return list[i].Kind == CelKind.Optional ? Faults.Budget : Faults.NoOverload;
            }

            if (list[i].AsOptional.HasValue)
            {
                items.Add(list[i].AsOptional.Value);
            }
        }

        return CelValue.Of(new CelArray([.. items]));
    }
}
