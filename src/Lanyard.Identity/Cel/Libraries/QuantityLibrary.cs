using System.Globalization;

namespace Lanyard.Identity.Cel.Libraries;

/// <summary>Kubernetes' resource quantities (<c>1.5Gi</c>, <c>100m</c>, <c>12e6</c>), exact to a billionth.</summary>
internal static class QuantityLibrary
{
    private static readonly CelType Quantity = CelType.Opaque("kubernetes.Quantity");

    public static CelLibrary Library { get; } = new(
        "quantity",
        CelOverload.Function("quantity", (ref _, in a) => Parse(a.AsString) is { } q ? Of(q) : CelValue.Error("the text is no quantity"), Quantity, CelType.String),
        CelOverload.Function("isQuantity", (ref _, in a) => CelValue.Of(Parse(a.AsString) is not null), CelType.Bool, CelType.String),
        CelOverload.Member("sign", (ref _, in a) => CelValue.Of((long)Math.Sign(Read(a))), CelType.Int, Quantity),
        CelOverload.Member("isInteger", (ref _, in a) => CelValue.Of(IsInteger(Read(a))), CelType.Bool, Quantity),
        CelOverload.Member("asInteger", (ref _, in a) => IsInteger(Read(a)) ? CelValue.Of((long)Read(a)) : CelValue.Error("the quantity is no int"), CelType.Int, Quantity),
        CelOverload.Member("asApproximateFloat", (ref _, in a) => CelValue.Of((double)Read(a)), CelType.Double, Quantity),
        CelOverload.Member("isGreaterThan", (ref _, in a, in b) => CelValue.Of(Read(a) > Read(b)), CelType.Bool, Quantity, Quantity),
        CelOverload.Member("isLessThan", (ref _, in a, in b) => CelValue.Of(Read(a) < Read(b)), CelType.Bool, Quantity, Quantity),
        CelOverload.Member("compareTo", (ref _, in a, in b) => CelValue.Of((long)Read(a).CompareTo(Read(b))), CelType.Int, Quantity, Quantity),
        CelOverload.Member("add", (ref _, in a, in b) => Of(Read(a) + Read(b)), Quantity, Quantity, Quantity),
        CelOverload.Member("add", (ref _, in a, in b) => Of(Read(a) + b.AsInt), Quantity, Quantity, CelType.Int),
        CelOverload.Member("sub", (ref _, in a, in b) => Of(Read(a) - Read(b)), Quantity, Quantity, Quantity),
        CelOverload.Member("sub", (ref _, in a, in b) => Of(Read(a) - b.AsInt), Quantity, Quantity, CelType.Int))
    {
        Types = [Quantity],
    };

    private static decimal Read(in CelValue value) => (decimal)((CelOpaque)value.Ref!).Value;

    // The largest quantity of Kubernetes; beyond it sums are errors here, so that the decimal below can't overflow.
    private static CelValue Of(decimal quantity) => Math.Abs(quantity) > 2m * long.MaxValue
        ? Faults.Range
        : CelValue.Of(new CelOpaque(Quantity, quantity, quantity.ToString("0.#########", CultureInfo.InvariantCulture)));

    private static bool IsInteger(decimal value) => value == Math.Truncate(value) && value is >= long.MinValue and <= long.MaxValue;

    private static decimal? Parse(string text)
    {
        var length = text.AsSpan().IndexOfAnyExcept(NumberCharacters);
        var number = length < 0 ? text : text[..length];
        var suffix = length < 0 ? "" : text[length..];
        if (text.Length > 60 || !IsNumber(number) || Factor(suffix) is not { } factor
            || !decimal.TryParse(number, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value)
            || Math.Abs(value) > long.MaxValue)
        {
            return null;
        }

        // Larger values are capped and finer ones rounded up, as in Kubernetes.
        var scaled = factor > 1 && Math.Abs(value) > long.MaxValue / factor ? Math.Sign(value) * (decimal)long.MaxValue : value * factor;
        var whole = Math.Truncate(scaled);
        var billionths = (scaled - whole) * 1_000_000_000m;
        return whole + ((scaled < 0 ? Math.Floor(billionths) : Math.Ceiling(billionths)) / 1_000_000_000m);
    }

    private static readonly System.Buffers.SearchValues<char> NumberCharacters = System.Buffers.SearchValues.Create("+-.0123456789");

    private static bool IsNumber(string text)
    {
        var digits = text is ['+' or '-', ..] ? text.AsSpan(1) : text;
        return digits.ContainsAnyInRange('0', '9') && !digits.ContainsAny('+', '-');
    }

    private static decimal? Factor(string suffix) => suffix switch
    {
        "" => 1,
        "n" => 0.000_000_001m,
        "u" => 0.000_001m,
        "m" => 0.001m,
        "k" => 1_000m,
        "M" => 1_000_000m,
        "G" => 1_000_000_000m,
        "T" => 1_000_000_000_000m,
        "P" => 1_000_000_000_000_000m,
        "E" => 1_000_000_000_000_000_000m,
        "Ki" => 1L << 10,
        "Mi" => 1L << 20,
        "Gi" => 1L << 30,
        "Ti" => 1L << 40,
        "Pi" => 1L << 50,
        "Ei" => 1L << 60,
        ['e' or 'E', ..] => Power(suffix[1..]),
        _ => null,
    };

    private static decimal? Power(string text)
    {
        if (!int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var power) || power is < -27 or > 27)
        {
            return null;
        }

        var factor = 1m;
        for (var i = Math.Abs(power); i > 0; i--)
        {
            factor = power > 0 ? factor * 10 : factor / 10;
        }

        return factor;
    }
}
