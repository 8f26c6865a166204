using System.Globalization;
using System.Text;

namespace Lanyard.Identity.Cel.Libraries;

/// <summary>The functions that every environment has, after the language definition.</summary>
internal static class StandardLibrary
{
    public static CelLibrary Core { get; } = new(
        "standard",
        CelOverload.Function("size", SizeOfText, CelType.Int, CelType.String),
        CelOverload.Function("size", SizeOfBytes, CelType.Int, CelType.Bytes),
        CelOverload.Function("size", SizeOfList, CelType.Int, CelType.List(CelType.A)),
        CelOverload.Function("size", SizeOfMap, CelType.Int, CelType.Map(CelType.A, CelType.B)),
        CelOverload.Member("size", SizeOfText, CelType.Int, CelType.String),
        CelOverload.Member("size", SizeOfBytes, CelType.Int, CelType.Bytes),
        CelOverload.Member("size", SizeOfList, CelType.Int, CelType.List(CelType.A)),
        CelOverload.Member("size", SizeOfMap, CelType.Int, CelType.Map(CelType.A, CelType.B)),
        CelOverload.Member("contains", Contains, CelType.Bool, CelType.String, CelType.String),
        CelOverload.Member("startsWith", StartsWith, CelType.Bool, CelType.String, CelType.String),
        CelOverload.Member("endsWith", EndsWith, CelType.Bool, CelType.String, CelType.String),
        CelOverload.Member("matches", Matches, CelType.Bool, CelType.String, CelType.String),
        CelOverload.Function("matches", Matches, CelType.Bool, CelType.String, CelType.String),
        CelOverload.Function("type", (ref _, in a) => CelValue.Of(a.Type), CelType.TypeType, CelType.A),
        CelOverload.Function("dyn", (ref _, in a) => a, CelType.Dyn, CelType.A))
    {
        Types =
        [
            CelType.Bool, CelType.Int, CelType.Uint, CelType.Double, CelType.String, CelType.Bytes, CelType.Null, CelType.TypeType,
            CelType.List(CelType.Dyn), CelType.Map(CelType.Dyn, CelType.Dyn), CelType.Timestamp, CelType.Duration,
        ],
    };

    public static CelLibrary Conversions => ConversionLibrary.Library;

    public static CelLibrary Times => TimeLibrary.Library;

    /// <summary>Compiling a pattern costs far more than running it: this many units keep a loop of patterns short.</summary>
    public const int PatternCost = 5_000;

    private static CelValue SizeOfText(ref CelFrame frame, in CelValue a) =>
        frame.ChargeText(a.AsString.Length) ? CelValue.Of((long)CodePoints.Count(a.AsString)) : Faults.Budget;

    private static CelValue SizeOfBytes(ref CelFrame frame, in CelValue a) => CelValue.Of((long)a.RawBytes.Length);

    private static CelValue SizeOfList(ref CelFrame frame, in CelValue a) => CelValue.Of((long)a.AsList.Count);

    private static CelValue SizeOfMap(ref CelFrame frame, in CelValue a) => CelValue.Of((long)a.AsMap.Count);

    private static CelValue Contains(ref CelFrame frame, in CelValue a, in CelValue b)
    {
        var (text, part) = (a.AsString, b.AsString);
        return frame.Charge((1 + (text.Length / 10)) * (1L + (part.Length / 10)))
            ? CelValue.Of(text.Contains(part, StringComparison.Ordinal))
            : Faults.Budget;
    }

    private static CelValue StartsWith(ref CelFrame frame, in CelValue a, in CelValue b) =>
        frame.ChargeText(b.AsString.Length) ? CelValue.Of(a.AsString.StartsWith(b.AsString, StringComparison.Ordinal)) : Faults.Budget;

    private static CelValue EndsWith(ref CelFrame frame, in CelValue a, in CelValue b) =>
        frame.ChargeText(b.AsString.Length) ? CelValue.Of(a.AsString.EndsWith(b.AsString, StringComparison.Ordinal)) : Faults.Budget;

    private static CelValue Matches(ref CelFrame frame, in CelValue a, in CelValue b)
    {
        if (!frame.Charge(PatternCost))
        {
            return Faults.Budget;
        }

        if (!BoundedPattern.TryCreate(b.AsString, frame.Limits.MaxPatternLength, out var pattern, out var problem))
        {
            return CelValue.Error(problem);
        }

        return frame.Charge(pattern.CostOf(a.AsString.Length)) ? CelValue.Of(pattern.IsMatch(a.AsString)) : Faults.Budget;
    }
}

/// <summary>Conversions between types: exact or an error.</summary>
internal static class ConversionLibrary
{
    private const double TwoTo63 = 9223372036854775808.0;
    private const double TwoTo64 = 18446744073709551616.0;

    public static CelLibrary Library { get; } = new(
        "conversions",
        CelOverload.Function("bool", Same, CelType.Bool, CelType.Bool),
        CelOverload.Function("bool", ToBool, CelType.Bool, CelType.String),
        CelOverload.Function("int", Same, CelType.Int, CelType.Int),
        CelOverload.Function("int", (ref _, in a) => a.AsUint <= long.MaxValue ? CelValue.Of(a.Bits) : Faults.Range, CelType.Int, CelType.Uint),
        CelOverload.Function("int", DoubleToInt, CelType.Int, CelType.Double),
        CelOverload.Function("int", TextToInt, CelType.Int, CelType.String),
        CelOverload.Function("int", (ref _, in a) => CelValue.Of(a.Bits), CelType.Int, CelType.Timestamp),
        CelOverload.Function("uint", Same, CelType.Uint, CelType.Uint),
        CelOverload.Function("uint", (ref _, in a) => a.Bits >= 0 ? CelValue.Of((ulong)a.Bits) : Faults.Range, CelType.Uint, CelType.Int),
        CelOverload.Function("uint", DoubleToUint, CelType.Uint, CelType.Double),
        CelOverload.Function("uint", TextToUint, CelType.Uint, CelType.String),
        CelOverload.Function("double", Same, CelType.Double, CelType.Double),
        CelOverload.Function("double", (ref _, in a) => CelValue.Of((double)a.Bits), CelType.Double, CelType.Int),
        CelOverload.Function("double", (ref _, in a) => CelValue.Of((double)a.AsUint), CelType.Double, CelType.Uint),
        CelOverload.Function("double", TextToDouble, CelType.Double, CelType.String),
        CelOverload.Function("string", Same, CelType.String, CelType.String),
        CelOverload.Function("string", ToText, CelType.String, CelType.Bool),
        CelOverload.Function("string", ToText, CelType.String, CelType.Int),
        CelOverload.Function("string", ToText, CelType.String, CelType.Uint),
        CelOverload.Function("string", ToText, CelType.String, CelType.Double),
        CelOverload.Function("string", ToText, CelType.String, CelType.Bytes),
        CelOverload.Function("string", ToText, CelType.String, CelType.Timestamp),
        CelOverload.Function("string", ToText, CelType.String, CelType.Duration),
        CelOverload.Function("bytes", Same, CelType.Bytes, CelType.Bytes),
        CelOverload.Function("bytes", TextToBytes, CelType.Bytes, CelType.String),
        CelOverload.Function("timestamp", Same, CelType.Timestamp, CelType.Timestamp),
        CelOverload.Function("timestamp", SecondsToTime, CelType.Timestamp, CelType.Int),
        CelOverload.Function("timestamp", (ref _, in a) => CelTime.ParseTimestamp(a.AsString), CelType.Timestamp, CelType.String),
        CelOverload.Function("duration", Same, CelType.Duration, CelType.Duration),
        CelOverload.Function("duration", (ref _, in a) => CelTime.ParseDuration(a.AsString), CelType.Duration, CelType.String));

    private static CelValue Malformed(string type) => CelValue.Error($"Type conversion error: the text is no {type}, or out of its range");

    private static CelValue Same(ref CelFrame frame, in CelValue a) => a;

    private static CelValue ToBool(ref CelFrame frame, in CelValue a) => a.AsString switch
    {
        "1" or "t" or "T" or "true" or "TRUE" or "True" => CelValue.True,
        "0" or "f" or "F" or "false" or "FALSE" or "False" => CelValue.False,
        _ => Malformed("bool"),
    };

    private static CelValue DoubleToInt(ref CelFrame frame, in CelValue a) =>
        a.AsDouble > -TwoTo63 && a.AsDouble < TwoTo63 ? CelValue.Of((long)a.AsDouble) : Faults.Range;

    private static CelValue DoubleToUint(ref CelFrame frame, in CelValue a) =>
        a.AsDouble >= 0 && a.AsDouble < TwoTo64 ? CelValue.Of((ulong)a.AsDouble) : Faults.Range;

    private static CelValue TextToInt(ref CelFrame frame, in CelValue a) =>
        long.TryParse(a.AsString, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) ? CelValue.Of(value) : Malformed("int");

    private static CelValue TextToUint(ref CelFrame frame, in CelValue a) =>
        ulong.TryParse(a.AsString, NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? CelValue.Of(value) : Malformed("uint");

    private static CelValue TextToDouble(ref CelFrame frame, in CelValue a)
    {
        const NumberStyles Plain = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        var text = a.AsString;
        if (text is "NaN" or "Infinity" or "+Infinity" or "-Infinity" or "Inf" or "+Inf" or "-Inf")
        {
            return CelValue.Of(text == "NaN" ? double.NaN : text[0] == '-' ? double.NegativeInfinity : double.PositiveInfinity);
        }

        return double.TryParse(text, Plain, CultureInfo.InvariantCulture, out var value) && double.IsFinite(value)
            ? CelValue.Of(value)
            : Malformed("double");
    }

    private static CelValue ToText(ref CelFrame frame, in CelValue a)
    {
        if (a.Kind == CelKind.Bytes && !frame.ChargeText(a.RawBytes.Length))
        {
            return Faults.Budget;
        }

        return CelText.Plain(a) is { } text ? CelValue.Of(text) : CelValue.Error("invalid UTF-8 in bytes, cannot convert to string");
    }

    private static CelValue TextToBytes(ref CelFrame frame, in CelValue a) =>
        frame.ChargeText(a.AsString.Length) ? CelValue.Of(Encoding.UTF8.GetBytes(a.AsString)) : Faults.Budget;

    private static CelValue SecondsToTime(ref CelFrame frame, in CelValue a) =>
        a.Bits is < Arithmetic.FirstSecond or > Arithmetic.LastSecond ? Faults.Range : CelValue.OfTimestamp(a.Bits, 0);
}

/// <summary>Fields of timestamps (UTC, or at a zone) and whole units of durations.</summary>
internal static class TimeLibrary
{
    public static CelLibrary Library { get; } = new(
        "times",
        [
            .. OfTimestamp("getFullYear", t => t.Year),
            .. OfTimestamp("getMonth", t => t.Month - 1),
            .. OfTimestamp("getDayOfYear", t => t.DayOfYear - 1),
            .. OfTimestamp("getDayOfMonth", t => t.Day - 1),
            .. OfTimestamp("getDate", t => t.Day),
            .. OfTimestamp("getDayOfWeek", t => (int)t.DayOfWeek),
            .. OfTimestamp("getHours", t => t.Hour),
            .. OfTimestamp("getMinutes", t => t.Minute),
            .. OfTimestamp("getSeconds", t => t.Second),
            CelOverload.Member("getMilliseconds", (ref _, in a) => CelValue.Of(a.Extra / 1_000_000L), CelType.Int, CelType.Timestamp),
            CelOverload.Member("getMilliseconds", (ref _, in a, in _) => CelValue.Of(a.Extra / 1_000_000L), CelType.Int, CelType.Timestamp, CelType.String),
            OfDuration("getHours", 3_600_000_000_000),
            OfDuration("getMinutes", 60_000_000_000),
            OfDuration("getSeconds", 1_000_000_000),
            CelOverload.Member("getMilliseconds", (ref _, in a) => CelValue.Of(a.Bits / 1_000_000 % 1000), CelType.Int, CelType.Duration),
        ]);

    private static CelOverload OfDuration(string name, long unit) =>
        CelOverload.Member(name, (ref _, in a) => CelValue.Of(a.Bits / unit), CelType.Int, CelType.Duration);

    private static CelOverload[] OfTimestamp(string name, Func<DateTime, int> field) =>
    [
        CelOverload.Member(
            name,
            (ref _, in a) => CelValue.Of((long)field(DateTimeOffset.FromUnixTimeSeconds(a.Bits).UtcDateTime)),
            CelType.Int,
            CelType.Timestamp),
        CelOverload.Member(
            name,
            (ref _, in a, in b) => CelTime.At(a, b.AsString) is { } time ? CelValue.Of((long)field(time)) : CelValue.Error("unknown time zone, or out of range"),
            CelType.Int,
            CelType.Timestamp,
            CelType.String),
    ];
}
