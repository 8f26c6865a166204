using System.Text.Json;

namespace Lanyard.Identity.Cel;

/// <summary>What a <see cref="CelValue"/> is at run time. <see cref="Error"/> is the default, so that a forgotten value fails closed.</summary>
public enum CelKind : byte
{
    Error,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Timestamp,
    Duration,
    List,
    Map,
    Type,
    Optional,
    Opaque,
}

/// <summary>
/// A value of the Common Expression Language, or the error that stands in its place: errors are values because <c>||</c> and
/// <c>&amp;&amp;</c> may absorb them. A structure, so that a condition over claims allocates nothing.
/// </summary>
public readonly struct CelValue
{
    private CelValue(CelKind kind, object? reference, long bits = 0, int extra = 0)
    {
        Kind = kind;
        Ref = reference;
        Bits = bits;
        Extra = extra;
    }

    public CelKind Kind { get; }

    internal object? Ref { get; }

    /// <summary>The number's bits, a timestamp's Unix seconds, a duration's nanoseconds.</summary>
    internal long Bits { get; }

    /// <summary>A timestamp's nanoseconds within the second.</summary>
    internal int Extra { get; }

    public static CelValue Null { get; } = new(CelKind.Null, null);

    public static CelValue True { get; } = new(CelKind.Bool, null, 1);

    public static CelValue False { get; } = new(CelKind.Bool, null);

    public bool IsError => Kind == CelKind.Error;

    /// <summary>The text of an error; empty for any other value.</summary>
    public string ErrorText => Kind == CelKind.Error ? Ref as string ?? "no value" : "";

    public bool AsBool => Kind == CelKind.Bool ? Bits != 0 : throw Wrong(CelKind.Bool);

    public long AsInt => Kind == CelKind.Int ? Bits : throw Wrong(CelKind.Int);

    public ulong AsUint => Kind == CelKind.Uint ? (ulong)Bits : throw Wrong(CelKind.Uint);

    public double AsDouble => Kind == CelKind.Double ? BitConverter.Int64BitsToDouble(Bits) : throw Wrong(CelKind.Double);

    public string AsString => Kind == CelKind.String ? (string)Ref! : throw Wrong(CelKind.String);

    public ReadOnlyMemory<byte> AsBytes => Kind == CelKind.Bytes ? (byte[])Ref! : throw Wrong(CelKind.Bytes);

    public CelList AsList => Kind == CelKind.List ? (CelList)Ref! : throw Wrong(CelKind.List);

    public CelMap AsMap => Kind == CelKind.Map ? (CelMap)Ref! : throw Wrong(CelKind.Map);

    public CelType AsType => Kind == CelKind.Type ? (CelType)Ref! : throw Wrong(CelKind.Type);

    /// <summary>Nanoseconds.</summary>
    public long AsDuration => Kind == CelKind.Duration ? Bits : throw Wrong(CelKind.Duration);

    /// <summary>Unix seconds and the nanoseconds within that second.</summary>
    public (long Seconds, int Nanos) AsTimestamp => Kind == CelKind.Timestamp ? (Bits, Extra) : throw Wrong(CelKind.Timestamp);

    internal byte[] RawBytes => (byte[])Ref!;

    internal CelOptional AsOptional => (CelOptional)Ref!;

    /// <summary>The value's type as <c>type(x)</c> gives it.</summary>
    public CelType Type => Kind switch
    {
        CelKind.Null => CelType.Null,
        CelKind.Bool => CelType.Bool,
        CelKind.Int => CelType.Int,
        CelKind.Uint => CelType.Uint,
        CelKind.Double => CelType.Double,
        CelKind.String => CelType.String,
        CelKind.Bytes => CelType.Bytes,
        CelKind.Timestamp => CelType.Timestamp,
        CelKind.Duration => CelType.Duration,
        CelKind.List => CelType.List(CelType.Dyn),
        CelKind.Map => CelType.Map(CelType.Dyn, CelType.Dyn),
        CelKind.Type => CelType.TypeType,
        CelKind.Optional => CelType.Optional(CelType.Dyn),
        CelKind.Opaque => ((CelOpaque)Ref!).Type,
        _ => CelType.Dyn,
    };

    public static CelValue Of(bool value) => value ? True : False;

    public static CelValue Of(long value) => new(CelKind.Int, null, value);

    public static CelValue Of(ulong value) => new(CelKind.Uint, null, (long)value);

    public static CelValue Of(double value) => new(CelKind.Double, null, BitConverter.DoubleToInt64Bits(value));

    public static CelValue Of(string value) => new(CelKind.String, value);

    public static CelValue Of(byte[] value) => new(CelKind.Bytes, value);

    public static CelValue Of(CelList value) => new(CelKind.List, value);

    public static CelValue Of(CelMap value) => new(CelKind.Map, value);

    public static CelValue Of(CelType value) => new(CelKind.Type, value);

    public static CelValue OfList(IEnumerable<CelValue> items) => Of(new CelArray([.. items]));

    public static CelValue OfStrings(IEnumerable<string> items) => OfList(items.Select(Of));

    /// <summary>Nanoseconds.</summary>
    public static CelValue OfDuration(long nanoseconds) => new(CelKind.Duration, null, nanoseconds);

    public static CelValue OfTimestamp(DateTimeOffset time) =>
        OfTimestamp(time.ToUnixTimeSeconds(), (int)(time.UtcTicks % TimeSpan.TicksPerSecond) * 100);

    internal static CelValue OfTimestamp(long seconds, int nanos) => new(CelKind.Timestamp, null, seconds, nanos);

    internal static CelValue Of(CelOptional value) => new(CelKind.Optional, value);

    internal static CelValue Of(CelOpaque value) => new(CelKind.Opaque, value);

    internal static CelValue Error(string text) => new(CelKind.Error, text);

    /// <summary>Reads JSON where it lies: members become values when they are asked for. The document must outlive the value.</summary>
    public static CelValue FromJson(JsonElement element) => CelJson.Read(element);

    /// <summary>Reads UTF-8 JSON where it lies, such as the claims of a token; the bytes must stay as they are. Text that is no JSON is an error value.</summary>
    public static CelValue FromJson(ReadOnlyMemory<byte> utf8) => CelJson.Read(utf8);

    public override string ToString() => CelText.Describe(this);

    private InvalidOperationException Wrong(CelKind wanted) => new($"a {Kind} is no {wanted}");
}

/// <summary>A value of the optional type: something or nothing.</summary>
internal sealed class CelOptional(CelValue value, bool hasValue)
{
    public static CelOptional None { get; } = new(default, false);

    public bool HasValue => hasValue;

    public CelValue Value => value;
}

/// <summary>A value of a library's own type (an IP address, a URL): equal by <see cref="object.Equals(object)"/>.</summary>
internal sealed class CelOpaque(CelType type, object value, string text)
{
    public CelType Type => type;

    public object Value => value;

    public string Text => text;
}
