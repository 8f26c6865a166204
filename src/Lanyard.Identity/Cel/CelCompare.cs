namespace Lanyard.Identity.Cel;

/// <summary>Equality and order. Numbers of different types compare by value; values of other different types are unequal, never an error.</summary>
internal static class CelCompare
{
    private const double TwoTo63 = 9223372036854775808.0;
    private const double TwoTo64 = 18446744073709551616.0;

    public static bool AreEqual(in CelValue left, in CelValue right, ref CelFrame frame)
    {
        if (left.Kind != right.Kind)
        {
            return IsNumber(left.Kind) && IsNumber(right.Kind) && CompareNumbers(left, right) == 0;
        }

        return left.Kind switch
        {
            CelKind.Null => true,
            CelKind.Bool or CelKind.Int or CelKind.Uint or CelKind.Duration => left.Bits == right.Bits,
            CelKind.Double => left.AsDouble == right.AsDouble,
            CelKind.String => (string)left.Ref! == (string)right.Ref!,
            CelKind.Bytes => left.RawBytes.AsSpan().SequenceEqual(right.RawBytes),
            CelKind.Timestamp => left.Bits == right.Bits && left.Extra == right.Extra,
            CelKind.List => ListsEqual(left.AsList, right.AsList, ref frame),
            CelKind.Map => MapsEqual(left.AsMap, right.AsMap, ref frame),
            CelKind.Type => left.AsType.Name == right.AsType.Name,
            CelKind.Optional => OptionalsEqual(left.AsOptional, right.AsOptional, ref frame),
            CelKind.Opaque => OpaquesEqual((CelOpaque)left.Ref!, (CelOpaque)right.Ref!),
            _ => false,
        };
    }

    public static bool IsNumber(CelKind kind) => kind is CelKind.Int or CelKind.Uint or CelKind.Double;

    /// <summary>The order of two values; null where there is none (other types, NaN).</summary>
    public static int? Order(in CelValue left, in CelValue right)
    {
        if (IsNumber(left.Kind) && IsNumber(right.Kind))
        {
            return CompareNumbers(left, right);
        }

        return left.Kind != right.Kind ? null : left.Kind switch
        {
            CelKind.Bool or CelKind.Duration => left.Bits.CompareTo(right.Bits),
            CelKind.String => CompareText((string)left.Ref!, (string)right.Ref!),
            CelKind.Bytes => left.RawBytes.AsSpan().SequenceCompareTo(right.RawBytes),
            CelKind.Timestamp => (left.Bits, left.Extra).CompareTo((right.Bits, right.Extra)),
            _ => null,
        };
    }

    public static bool CanOrder(CelKind left, CelKind right) =>
        (IsNumber(left) && IsNumber(right))
        || (left == right && left is CelKind.Bool or CelKind.String or CelKind.Bytes or CelKind.Timestamp or CelKind.Duration);

    /// <summary>By code point: UTF-16 units alone would put U+FFFF after U+10000.</summary>
    public static int CompareText(string left, string right)
    {
        var common = left.AsSpan().CommonPrefixLength(right);
        if (common == left.Length || common == right.Length)
        {
            return left.Length - right.Length;
        }

        var (a, b) = (left[common], right[common]);
        return char.IsSurrogate(a) != char.IsSurrogate(b) ? (char.IsSurrogate(a) ? 1 : -1) : a - b;
    }

    // Beyond 2^53 an integer is compared as the double nearest to it (as the language's other implementations do).
    private static int? CompareNumbers(in CelValue left, in CelValue right)
    {
        switch (left.Kind, right.Kind)
        {
            case (CelKind.Int, CelKind.Int):
                return left.Bits.CompareTo(right.Bits);
            case (CelKind.Uint, CelKind.Uint):
                return left.AsUint.CompareTo(right.AsUint);
            case (CelKind.Int, CelKind.Uint):
                return left.Bits < 0 ? -1 : ((ulong)left.Bits).CompareTo(right.AsUint);
            case (CelKind.Uint, CelKind.Int):
                return -CompareNumbers(right, left);
            case (CelKind.Double, CelKind.Double):
                return CompareDoubles(left.AsDouble, right.AsDouble);
            case (CelKind.Int, CelKind.Double):
                return right.AsDouble < -TwoTo63 ? 1 : right.AsDouble > TwoTo63 ? -1 : CompareDoubles(left.Bits, right.AsDouble);
            case (CelKind.Uint, CelKind.Double):
                return right.AsDouble < 0 ? 1 : right.AsDouble > TwoTo64 ? -1 : CompareDoubles(left.AsUint, right.AsDouble);
            default:
                return -CompareNumbers(right, left);
        }
    }

    private static int? CompareDoubles(double left, double right) =>
        double.IsNaN(left) || double.IsNaN(right) ? null : left < right ? -1 : left > right ? 1 : 0;

    private static bool ListsEqual(CelList left, CelList right, ref CelFrame frame)
    {
        if (left.Count != right.Count)
        {
            return false;
        }

        for (var i = 0; i < left.Count; i++)
        {
            if (!frame.Charge(1) || !AreEqual(left[i], right[i], ref frame))
            {
                return false;
            }
        }

        return true;
    }

    private static bool MapsEqual(CelMap left, CelMap right, ref CelFrame frame)
    {
        if (left.Count != right.Count)
        {
            return false;
        }

        for (var i = 0; i < left.Count; i++)
        {
            if (!frame.Charge(1) || !right.TryGet(left.KeyAt(i), out var other) || !AreEqual(left.ValueAt(i), other, ref frame))
            {
                return false;
            }
        }

        return true;
    }

    private static bool OptionalsEqual(CelOptional left, CelOptional right, ref CelFrame frame) =>
        left.HasValue == right.HasValue && (!left.HasValue || AreEqual(left.Value, right.Value, ref frame));

    private static bool OpaquesEqual(CelOpaque left, CelOpaque right) => left.Type.Name == right.Type.Name && left.Value.Equals(right.Value);
}

/// <summary>Keys of maps: bool, int, uint, string; equal numbers of different types are one key.</summary>
internal sealed class CelKeyComparer : IEqualityComparer<CelValue>
{
    public static CelKeyComparer Instance { get; } = new();

    public bool Equals(CelValue x, CelValue y)
    {
        var frame = CelFrame.Unbounded;
        return CelCompare.AreEqual(x, y, ref frame);
    }

    public int GetHashCode(CelValue obj) => obj.Kind switch
    {
        CelKind.String => string.GetHashCode((string)obj.Ref!, StringComparison.Ordinal),
        CelKind.Int or CelKind.Uint or CelKind.Double => HashNumber(obj),
        _ => (int)obj.Bits,
    };

    // Through the double, because 1, 1u and 1.0 are one key.
    private static int HashNumber(in CelValue value) => value.Kind switch
    {
        CelKind.Int => ((double)value.Bits).GetHashCode(),
        CelKind.Uint => ((double)value.AsUint).GetHashCode(),
        _ => (value.AsDouble == 0 ? 0.0 : value.AsDouble).GetHashCode(),
    };
}
