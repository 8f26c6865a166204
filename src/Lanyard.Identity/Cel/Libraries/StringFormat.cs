using System.Globalization;
using System.Numerics;
using System.Text;

namespace Lanyard.Identity.Cel.Libraries;

/// <summary><c>"%s has %d".format([…])</c>: clauses s d f e b o x X, with a precision for f and e.</summary>
internal static class StringFormat
{
    // Go's number texts have no more digits than this either; it bounds what one clause writes.
    private const int MostDigits = 1000;

    public static CelValue Format(ref CelFrame frame, in CelValue a, in CelValue b)
    {
        var (pattern, arguments) = (a.AsString, b.AsList);
        var text = new StringBuilder();
        var next = 0;
        for (var i = 0; i < pattern.Length; i++)
        {
            if (pattern[i] != '%')
            {
                text.Append(pattern[i]);
                continue;
            }

            if (i + 1 < pattern.Length && pattern[i + 1] == '%')
            {
                text.Append('%');
                i++;
                continue;
            }

            if (ReadClause(pattern, ref i, out var precision) is not { } clause)
            {
                return CelValue.Error("could not parse formatting clause: it ends in the middle, or its precision is out of range");
            }

            if (next >= arguments.Count)
            {
                return CelValue.Error($"index {next} out of range");
            }

            var part = Write(ref frame, clause, precision, arguments[next++]);
            if (part.IsError || text.Length + part.AsString.Length > CelFrame.MaxSize)
            {
                return part.IsError ? part : Faults.TooLarge;
            }

            text.Append(part.AsString);
        }

        return frame.ChargeText(pattern.Length + text.Length) ? CelValue.Of(text.ToString()) : Faults.Budget;
    }

    private static char? ReadClause(string pattern, ref int i, out int precision)
    {
        precision = 6;
        i++;
        if (i < pattern.Length && pattern[i] == '.')
        {
            var from = ++i;
            while (i < pattern.Length && char.IsAsciiDigit(pattern[i]))
            {
                i++;
            }

            if (!int.TryParse(pattern.AsSpan(from, i - from), NumberStyles.None, CultureInfo.InvariantCulture, out precision) || precision > MostDigits)
            {
                return null;
            }
        }

        return i < pattern.Length ? pattern[i] : null;
    }

    private static CelValue Write(ref CelFrame frame, char clause, int precision, in CelValue value) => clause switch
    {
        's' => WriteText(ref frame, value),
        'd' => value.Kind switch
        {
            CelKind.Int or CelKind.Uint => CelValue.Of(CelText.Plain(value)!),
            CelKind.Double when !double.IsFinite(value.AsDouble) => CelValue.Of(Special(value.AsDouble)!),
            _ => Wrong("decimal clause can only be used on integers", value),
        },
        'f' or 'e' => WriteFloat(clause, precision, value),
        'b' => value.Kind switch
        {
            CelKind.Bool => CelValue.Of(value.AsBool ? "1" : "0"),
            CelKind.Int or CelKind.Uint => CelValue.Of(InBase(value, 2)),
            _ => Wrong("only integers and bools can be formatted as binary", value),
        },
        'o' => value.Kind is CelKind.Int or CelKind.Uint
            ? CelValue.Of(InBase(value, 8))
            : Wrong("octal clause can only be used on integers", value),
        'x' or 'X' => WriteHex(value, clause == 'X'),
        _ => CelValue.Error($"could not parse formatting clause: unrecognized formatting clause \"{clause}\""),
    };

    private static CelValue Wrong(string rule, in CelValue value) =>
        CelValue.Error($"error during formatting: {rule}, was given {value.Type.Name}");

    private static string? Special(double value) =>
        double.IsNaN(value) ? "NaN" : double.IsPositiveInfinity(value) ? "Infinity" : double.IsNegativeInfinity(value) ? "-Infinity" : null;

    private static CelValue WriteFloat(char clause, int precision, in CelValue value)
    {
        var number = value.Kind switch
        {
            CelKind.Double => value.AsDouble,
            CelKind.Int => value.AsInt,
            CelKind.Uint => (double?)value.AsUint,
            _ => null,
        };
        if (number is not { } known)
        {
            return Wrong(clause == 'f' ? "fixed-point clause can only be used on doubles" : "scientific clause can only be used on doubles", value);
        }

        return CelValue.Of(Special(known) ?? (clause == 'f' ? Fixed(known, precision) : Scientific(known, precision)));
    }

    // Exactly, with ties to even: the platform's "F" rounds ties away from zero.
    private static string Fixed(double value, int precision)
    {
        var bits = BitConverter.DoubleToInt64Bits(Math.Abs(value));
        var exponent = (int)(bits >> 52);
        var mantissa = new BigInteger((bits & 0xFFFFFFFFFFFFF) | (exponent == 0 ? 0 : 1L << 52));
        var power = Math.Max(exponent, 1) - 1075;
        var scaled = mantissa * BigInteger.Pow(10, precision);
        var rounded = power >= 0 ? scaled << power : RoundShift(scaled, -power);
        var digits = rounded.ToString(CultureInfo.InvariantCulture).PadLeft(precision + 1, '0');
        var text = precision == 0 ? digits : $"{digits.AsSpan(0, digits.Length - precision)}.{digits.AsSpan(digits.Length - precision)}";
        return double.IsNegative(value) ? "-" + text : text;
    }

    private static BigInteger RoundShift(BigInteger value, int by)
    {
        var whole = value >> by;
        var rest = value - (whole << by);
        var half = BigInteger.One << (by - 1);
        return rest > half || (rest == half && !whole.IsEven) ? whole + 1 : whole;
    }

    private static string Scientific(double value, int precision)
    {
        var text = value.ToString("e" + precision.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
        var mark = text.IndexOf('e', StringComparison.Ordinal);
        var exponent = int.Parse(text.AsSpan(mark + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        return $"{text.AsSpan(0, mark)}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):D2}";
    }

    private static string InBase(in CelValue value, uint radix)
    {
        var negative = value.Kind == CelKind.Int && value.Bits < 0;
        var rest = value.Kind == CelKind.Uint ? value.AsUint : (ulong)(negative ? -(Int128)value.Bits : value.Bits);
        var digits = new Stack<char>();
        do
        {
            digits.Push((char)('0' + (rest % radix)));
            rest /= radix;
        }
        while (rest > 0);
        return (negative ? "-" : "") + string.Concat(digits);
    }

    private static CelValue WriteHex(in CelValue value, bool upper)
    {
        var format = upper ? "X" : "x";
        switch (value.Kind)
        {
            case CelKind.Int when value.Bits < 0:
                return CelValue.Of("-" + ((UInt128)(-(Int128)value.Bits)).ToString(format, CultureInfo.InvariantCulture));
            case CelKind.Int or CelKind.Uint:
                return CelValue.Of(value.Bits.ToString(format, CultureInfo.InvariantCulture));
            case CelKind.String or CelKind.Bytes:
                var bytes = value.Kind == CelKind.Bytes ? value.RawBytes : Encoding.UTF8.GetBytes(value.AsString);
                return CelValue.Of(upper ? Convert.ToHexString(bytes) : Convert.ToHexStringLower(bytes));
            default:
                return Wrong("only integers, byte buffers, and strings can be formatted as hex", value);
        }
    }

    private static CelValue WriteText(ref CelFrame frame, in CelValue value)
    {
        if (!frame.Charge(1))
        {
            return Faults.Budget;
        }

        switch (value.Kind)
        {
            case CelKind.List:
                return WriteList(ref frame, value.AsList);
            case CelKind.Map:
                return WriteMap(ref frame, value.AsMap);
            case CelKind.Double:
                return CelValue.Of(Special(value.AsDouble) ?? CelText.Plain(value)!);
            default:
                return CelText.Plain(value) is { } text
                    ? CelValue.Of(text)
                    : Wrong("string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps", value);
        }
    }

    private static CelValue WriteList(ref CelFrame frame, CelList list)
    {
        var parts = new string[list.Count];
        for (var i = 0; i < parts.Length; i++)
        {
            var part = WriteText(ref frame, list[i]);
            if (part.IsError || !frame.ChargeText(part.AsString.Length))
            {
                return part.IsError ? part : Faults.Budget;
            }

            parts[i] = part.AsString;
        }

        return CelValue.Of($"[{string.Join(", ", parts)}]");
    }

    // By key text, so that one value has one text.
    private static CelValue WriteMap(ref CelFrame frame, CelMap map)
    {
        var parts = new List<(string Key, string Value)>();
        for (var i = 0; i < map.Count; i++)
        {
            var (key, value) = (WriteText(ref frame, map.KeyAt(i)), WriteText(ref frame, map.ValueAt(i)));
            if (key.IsError || value.IsError)
            {
                return key.IsError ? key : value;
            }

            if (!frame.ChargeText(key.AsString.Length + value.AsString.Length))
            {
                return Faults.Budget;
            }

            parts.Add((key.AsString, value.AsString));
        }

        parts.Sort((x, y) => CelCompare.CompareText(x.Key, y.Key));
        return CelValue.Of($"{{{string.Join(", ", parts.Select(p => $"{p.Key}: {p.Value}"))}}}");
    }
}
