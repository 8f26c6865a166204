namespace Lanyard.Identity.Cel;

/// <summary>The operators' arithmetic: overflow is an error, never a wrap.</summary>
internal static class Arithmetic
{
    /// <summary>0001-01-01T00:00:00Z and the last second of 9999, Unix seconds.</summary>
    public const long FirstSecond = -62135596800;

    public const long LastSecond = 253402300799;

    private const long NanosPerSecond = 1_000_000_000;

    public static CelValue OfInts(char sign, long a, long b)
    {
        try
        {
            return sign switch
            {
                '+' => CelValue.Of(checked(a + b)),
                '-' => CelValue.Of(checked(a - b)),
                '*' => CelValue.Of(checked(a * b)),
                '/' => b == 0 ? Faults.DivideByZero : b == -1 && a == long.MinValue ? Faults.Overflow : CelValue.Of(a / b),
                '%' => b == 0 ? Faults.ModulusByZero : b == -1 ? CelValue.Of(0L) : CelValue.Of(a % b),
                _ => Faults.NoOverload,
            };
        }
        catch (OverflowException)
        {
            return Faults.Overflow;
        }
    }

    public static CelValue OfUints(char sign, ulong a, ulong b)
    {
        try
        {
            return sign switch
            {
                '+' => CelValue.Of(checked(a + b)),
                '-' => CelValue.Of(checked(a - b)),
                '*' => CelValue.Of(checked(a * b)),
                '/' => b == 0 ? Faults.DivideByZero : CelValue.Of(a / b),
                '%' => b == 0 ? Faults.ModulusByZero : CelValue.Of(a % b),
                _ => Faults.NoOverload,
            };
        }
        catch (OverflowException)
        {
            return Faults.Overflow;
        }
    }

    public static CelValue OfDoubles(char sign, double a, double b) => sign switch
    {
        '+' => CelValue.Of(a + b),
        '-' => CelValue.Of(a - b),
        '*' => CelValue.Of(a * b),
        '/' => CelValue.Of(a / b),
        _ => Faults.NoOverload,
    };

    /// <summary>The other meanings of <c>+</c>: texts, bytes, lists, times.</summary>
    public static CelValue Join(in CelValue a, in CelValue b, ref CelFrame frame) => (a.Kind, b.Kind) switch
    {
        (CelKind.String, CelKind.String) => JoinTexts((string)a.Ref!, (string)b.Ref!, ref frame),
        (CelKind.Bytes, CelKind.Bytes) => JoinBytes(a.RawBytes, b.RawBytes, ref frame),
        (CelKind.List, CelKind.List) => JoinLists(a.AsList, b.AsList, ref frame),
        (CelKind.Duration, CelKind.Duration) => OfInts('+', a.Bits, b.Bits) is { IsError: false } sum
            ? CelValue.OfDuration(sum.Bits)
            : Faults.Range,
        (CelKind.Timestamp, CelKind.Duration) => Shift(a, b.Bits),
        (CelKind.Duration, CelKind.Timestamp) => Shift(b, a.Bits),
        _ => Faults.NoOverload,
    };

    public static CelValue SubtractTimes(in CelValue a, in CelValue b)
    {
        switch (a.Kind, b.Kind)
        {
            case (CelKind.Duration, CelKind.Duration):
                return OfInts('-', a.Bits, b.Bits) is { IsError: false } rest ? CelValue.OfDuration(rest.Bits) : Faults.Range;
            case (CelKind.Timestamp, CelKind.Duration):
                return b.Bits == long.MinValue ? Faults.Range : Shift(a, -b.Bits);
            case (CelKind.Timestamp, CelKind.Timestamp):
                var nanos = ((Int128)(a.Bits - b.Bits) * NanosPerSecond) + (a.Extra - b.Extra);
                return nanos < long.MinValue || nanos > long.MaxValue ? Faults.Range : CelValue.OfDuration((long)nanos);
            default:
                return Faults.NoOverload;
        }
    }

    private static CelValue Shift(in CelValue time, long nanoseconds)
    {
        var total = ((Int128)time.Bits * NanosPerSecond) + time.Extra + nanoseconds;
        var nanos = (int)(((total % NanosPerSecond) + NanosPerSecond) % NanosPerSecond);
        var seconds = (long)((total - nanos) / NanosPerSecond);
        return seconds is < FirstSecond or > LastSecond ? Faults.Range : CelValue.OfTimestamp(seconds, nanos);
    }

    private static CelValue JoinTexts(string a, string b, ref CelFrame frame)
    {
        if (a.Length + b.Length > CelFrame.MaxSize)
        {
            return Faults.TooLarge;
        }

        return frame.ChargeText(a.Length + b.Length) ? CelValue.Of(a + b) : Faults.Budget;
    }

    private static CelValue JoinBytes(byte[] a, byte[] b, ref CelFrame frame)
    {
        if (a.Length + b.Length > CelFrame.MaxSize)
        {
            return Faults.TooLarge;
        }

        return frame.ChargeText(a.Length + b.Length) ? CelValue.Of([.. a, .. b]) : Faults.Budget;
    }

    private static CelValue JoinLists(CelList a, CelList b, ref CelFrame frame)
    {
        if (a.Count + b.Count > CelFrame.MaxSize)
        {
            return Faults.TooLarge;
        }

        if (!frame.Charge(1 + a.Count + b.Count))
        {
            return Faults.Budget;
        }

        var items = new CelValue[a.Count + b.Count];
        for (var i = 0; i < items.Length; i++)
        {
            items[i] = i < a.Count ? a[i] : b[i - a.Count];
        }

        return CelValue.Of(new CelArray(items));
    }
}
