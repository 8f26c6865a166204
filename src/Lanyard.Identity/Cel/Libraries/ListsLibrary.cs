namespace Lanyard.Identity.Cel.Libraries;

/// <summary>Kubernetes' functions of lists, and the sets extension (lists taken as sets).</summary>
internal static class ListsLibrary
{
    private static readonly CelType ListA = CelType.List(CelType.A);

    public static CelLibrary Library { get; } = new(
        "lists",
        CelOverload.Member("isSorted", IsSorted, CelType.Bool, ListA),
        CelOverload.Member("sum", Sum, CelType.A, ListA),
        CelOverload.Member("min", (ref f, in a) => Extreme(ref f, a, -1), CelType.A, ListA),
        CelOverload.Member("max", (ref f, in a) => Extreme(ref f, a, 1), CelType.A, ListA),
        CelOverload.Member("indexOf", (ref f, in a, in b) => Find(ref f, a.AsList, b, fromEnd: false), CelType.Int, ListA, CelType.A),
        CelOverload.Member("lastIndexOf", (ref f, in a, in b) => Find(ref f, a.AsList, b, fromEnd: true), CelType.Int, ListA, CelType.A));

    public static CelLibrary Sets { get; } = new(
        "sets",
        CelOverload.Function("sets.contains", (ref f, in a, in b) => Covers(ref f, a.AsList, b.AsList), CelType.Bool, ListA, ListA),
        CelOverload.Function("sets.equivalent", Equivalent, CelType.Bool, ListA, ListA),
        CelOverload.Function("sets.intersects", Intersects, CelType.Bool, ListA, ListA));

    private static CelValue IsSorted(ref CelFrame frame, in CelValue a)
    {
        var list = a.AsList;
        for (var i = 1; i < list.Count; i++)
        {
            if (!frame.Charge(1) || !CelCompare.CanOrder(list[i - 1].Kind, list[i].Kind))
            {
                return frame.IsExhausted ? Faults.Budget : Faults.NoOverload;
            }

            if (CelCompare.Order(list[i - 1], list[i]) is not <= 0)
            {
                return CelValue.False;
            }
        }

        return CelValue.True;
    }

    // An empty list of unknown type sums up to the int 0, as in Kubernetes.
    private static CelValue Sum(ref CelFrame frame, in CelValue a)
    {
        var list = a.AsList;
        var total = list.Count == 0 ? CelValue.Of(0L) : list[0];
        if (list.Count > 0 && total.Kind is not (CelKind.Int or CelKind.Uint or CelKind.Double or CelKind.Duration))
        {
            return Faults.NoOverload;
        }

        for (var i = 1; i < list.Count; i++)
        {
            if (list[i].Kind != total.Kind || !frame.Charge(1))
            {
                return frame.IsExhausted ? Faults.Budget : Faults.NoOverload;
            }

            total = total.Kind switch
            {
                CelKind.Int => Arithmetic.OfInts('+', total.Bits, list[i].Bits),
                CelKind.Uint => Arithmetic.OfUints('+', total.AsUint, list[i].AsUint),
                CelKind.Double => CelValue.Of(total.AsDouble + list[i].AsDouble),
                _ => Arithmetic.Join(total, list[i], ref frame),
            };
            if (total.IsError)
            {
                return total;
            }
        }

        return total;
    }

    private static CelValue Extreme(ref CelFrame frame, in CelValue a, int sign)
    {
        var list = a.AsList;
        if (list.Count == 0)
        {
            return CelValue.Error("min and max of an empty list");
        }

        var best = list[0];
        for (var i = 0; i < list.Count; i++)
        {
            if (!frame.Charge(1) || !CelCompare.CanOrder(best.Kind, list[i].Kind))
            {
                return frame.IsExhausted ? Faults.Budget : Faults.NoOverload;
            }

            best = CelCompare.Order(list[i], best) * sign > 0 ? list[i] : best;
        }

        return best;
    }

    private static CelValue Find(ref CelFrame frame, CelList list, in CelValue wanted, bool fromEnd)
    {
        for (var n = 0; n < list.Count; n++)
        {
            var i = fromEnd ? list.Count - 1 - n : n;
            if (!frame.Charge(1))
            {
                return Faults.Budget;
            }

            if (CelCompare.AreEqual(list[i], wanted, ref frame))
            {
                return CelValue.Of((long)i);
            }
        }

        return CelValue.Of(-1L);
    }

    private static CelValue Covers(ref CelFrame frame, CelList all, CelList part)
    {
        for (var i = 0; i < part.Count; i++)
        {
            var place = Find(ref frame, all, part[i], fromEnd: false);
            if (place.IsError || place.Bits < 0)
            {
                return place.IsError ? place : CelValue.False;
            }
        }

        return CelValue.True;
    }

    private static CelValue Equivalent(ref CelFrame frame, in CelValue a, in CelValue b)
    {
        var forth = Covers(ref frame, a.AsList, b.AsList);
        return forth.IsError || !forth.AsBool ? forth : Covers(ref frame, b.AsList, a.AsList);
    }

    private static CelValue Intersects(ref CelFrame frame, in CelValue a, in CelValue b)
    {
        var (left, right) = (a.AsList, b.AsList);
        for (var i = 0; i < left.Count; i++)
        {
            var place = Find(ref frame, right, left[i], fromEnd: false);
            if (place.IsError || place.Bits >= 0)
            {
                return place.IsError ? place : CelValue.True;
            }
        }

        return CelValue.False;
    }
}
