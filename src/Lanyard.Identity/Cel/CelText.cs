using System.Globalization;
using System.Text;

namespace Lanyard.Identity.Cel;

/// <summary>Values as text.</summary>
internal static class CelText
{
    /// <summary>For messages: short, and strings in quotes.</summary>
    public static string Describe(in CelValue value) => value.Kind switch
    {
        CelKind.Error => $"error: {value.ErrorText}",
        CelKind.String => value.AsString.Length <= 100 ? $"'{value.AsString}'" : $"'{value.AsString.AsSpan(0, 100)}…'",
        CelKind.List => $"list of {value.AsList.Count}",
        CelKind.Map => $"map of {value.AsMap.Count}",
        CelKind.Optional => value.AsOptional.HasValue ? $"optional({value.AsOptional.Value})" : "optional.none()",
        _ => Plain(value) ?? value.Type.Name,
    };

    /// <summary>What <c>string(x)</c> gives; null for what it does not take, or bytes that are no UTF-8.</summary>
    public static string? Plain(in CelValue value) => value.Kind switch
    {
        CelKind.Null => "null",
        CelKind.Bool => value.AsBool ? "true" : "false",
        CelKind.Int => value.AsInt.ToString(CultureInfo.InvariantCulture),
        CelKind.Uint => value.AsUint.ToString(CultureInfo.InvariantCulture),
        CelKind.Double => Format(value.AsDouble),
        CelKind.String => value.AsString,
        CelKind.Bytes => Decode(value.RawBytes),
        CelKind.Timestamp or CelKind.Duration => CelTime.Format(value),
        CelKind.Type => value.AsType.Name,
        CelKind.Opaque => ((CelOpaque)value.Ref!).Text,
        _ => null,
    };

    /// <summary>The shortest digits that give the number back; an exponent below 1e-4 and from 1e21.</summary>
    public static string Format(double value)
    {
        if (!double.IsFinite(value))
        {
            return double.IsNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
        }

        var text = value.ToString("E16", CultureInfo.InvariantCulture);
        var exponent = int.Parse(text.AsSpan(text.IndexOf('E', StringComparison.Ordinal) + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        var shortest = value.ToString("R", CultureInfo.InvariantCulture);
        var (sign, digits) = Digits(shortest);
        if (value == 0)
        {
            return sign + "0";
        }

        if (exponent is < -4 or >= 21)
        {
            var fraction = digits.Length > 1 ? "." + digits[1..] : "";
            return $"{sign}{digits[0]}{fraction}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):D2}";
        }

        return exponent < 0
            ? $"{sign}0.{new string('0', -exponent - 1)}{digits}"
            : digits.Length <= exponent + 1
                ? sign + digits.PadRight(exponent + 1, '0')
                : $"{sign}{digits.AsSpan(0, exponent + 1)}.{digits.AsSpan(exponent + 1)}";
    }

    public static string? Decode(byte[] bytes)
    {
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }

    // The significant digits of a round-trip text, without sign, point, exponent and outer zeros.
    private static (string Sign, string Digits) Digits(string text)
    {
        var mantissa = text.Split('E')[0];
        var digits = mantissa.Replace(".", "", StringComparison.Ordinal).Replace("-", "", StringComparison.Ordinal).Trim('0');
        return (mantissa[0] == '-' ? "-" : "", digits);
    }
}
