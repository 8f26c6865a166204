using System.Globalization;
using System.Text;

namespace Lanyard.Identity.Cel;

/// <summary>Timestamps (RFC 3339) and durations (<c>1h2m3.5s</c>) as text; calendar fields of a timestamp.</summary>
internal static class CelTime
{
    private const long NanosPerSecond = 1_000_000_000;

    private static readonly System.Buffers.SearchValues<char> NumberCharacters = System.Buffers.SearchValues.Create("0123456789.");

    /// <summary>A duration is a sum of numbers with units, as <c>-1.5h30m</c>; ±292 years.</summary>
    public static CelValue ParseDuration(string text)
    {
        var problem = CelValue.Error($"'{Shorten(text)}' is not a duration, or out of its range");
        var rest = text.AsSpan();
        var negative = rest is ['-', ..];
        rest = rest is ['-' or '+', ..] ? rest[1..] : rest;
        if (rest.Length is 0 or > 64)
        {
            return problem;
        }

        decimal total = 0;
        if (rest is not "0")
        {
            while (rest.Length > 0)
            {
                if (!ReadPart(ref rest, ref total))
                {
                    return problem;
                }
            }
        }

        total = Math.Truncate(negative ? -total : total);
        return total < long.MinValue || total > long.MaxValue ? problem : CelValue.OfDuration((long)total);
    }

    public static CelValue ParseTimestamp(string text)
    {
        var problem = CelValue.Error($"'{Shorten(text)}' is not an RFC 3339 time of the years 1 to 9999, or out of its range");
        if (text.Length is < 20 or > 35 || text[10] is not ('T' or 't') || !TrySplit(text, out var local, out var nanos, out var offset))
        {
            return problem;
        }

        if (!DateTime.TryParseExact(local, "yyyy-MM-ddTHH:mm:ss", CultureInfo.InvariantCulture, DateTimeStyles.None, out var time))
        {
            return problem;
        }

        var seconds = ((time.Ticks - DateTime.UnixEpoch.Ticks) / TimeSpan.TicksPerSecond) - offset;
        return seconds is < Arithmetic.FirstSecond or > Arithmetic.LastSecond ? problem : CelValue.OfTimestamp(seconds, nanos);
    }

    public static string Format(in CelValue value)
    {
        if (value.Kind == CelKind.Duration)
        {
            var nanos = (Int128)value.Bits;
            var size = nanos < 0 ? -nanos : nanos;
            return $"{(nanos < 0 ? "-" : "")}{(long)(size / NanosPerSecond)}{Fraction((int)(size % NanosPerSecond))}s";
        }

        var (seconds, rest) = value.AsTimestamp;
        var time = DateTimeOffset.FromUnixTimeSeconds(seconds);
        return $"{time.ToString("yyyy-MM-ddTHH:mm:ss", CultureInfo.InvariantCulture)}{Fraction(rest)}Z";
    }

    /// <summary>The time of day and date at a zone: an IANA name or an offset such as <c>-02:30</c>; null for an unknown one.</summary>
    public static DateTime? At(in CelValue value, string zone)
    {
        var utc = DateTimeOffset.FromUnixTimeSeconds(value.AsTimestamp.Seconds).UtcDateTime;
        var offset = TryParseOffset(zone) ?? OffsetOf(zone, utc);
        if (offset is not { } known)
        {
            return null;
        }

        var ticks = utc.Ticks + known.Ticks;
        return ticks < 0 || ticks > DateTime.MaxValue.Ticks ? null : new DateTime(ticks);
    }

    private static TimeSpan? OffsetOf(string zone, DateTime utc) =>
        IsZoneName(zone) && TimeZoneInfo.TryFindSystemTimeZoneById(zone, out var info) ? info.GetUtcOffset(utc) : null;

    // The name becomes a path below the system's zone folder.
    private static bool IsZoneName(string zone) =>
        zone.Length is > 0 and <= 64 && char.IsAsciiLetter(zone[0]) && zone.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '+' or '-' or '/');

    private static TimeSpan? TryParseOffset(string zone)
    {
        var digits = zone is ['+' or '-', ..] ? zone.AsSpan(1) : zone;
        return digits.Length == 5 && digits[2] == ':'
            && int.TryParse(digits[..2], NumberStyles.None, CultureInfo.InvariantCulture, out var hours) && hours < 24
            && int.TryParse(digits[3..], NumberStyles.None, CultureInfo.InvariantCulture, out var minutes) && minutes < 60
            ? new TimeSpan(hours, minutes, 0) * (zone[0] == '-' ? -1 : 1)
            : null;
    }

    // local date and time | .fraction | Z or offset
    private static bool TrySplit(string text, out string local, out int nanos, out int offset)
    {
        local = text[..19].ToUpperInvariant();
        var rest = text.AsSpan(19);
        nanos = 0;
        offset = 0;
        if (rest is ['.', ..])
        {
            var digits = rest[1..].IndexOfAnyExceptInRange('0', '9');
            if (digits is < 1 or > 9)
            {
                return false;
            }

            nanos = int.Parse(rest.Slice(1, digits).ToString().PadRight(9, '0'), NumberStyles.None, CultureInfo.InvariantCulture);
            rest = rest[(1 + digits)..];
        }

        if (rest is "Z" or "z")
        {
            return true;
        }

        var parsed = rest is ['+' or '-', ..] ? TryParseOffset(rest.ToString()) : null;
        offset = (int)(parsed?.TotalSeconds ?? 0);
        return parsed is not null;
    }

    private static bool ReadPart(ref ReadOnlySpan<char> rest, ref decimal total)
    {
        var length = rest.IndexOfAnyExcept(NumberCharacters);
        if (length < 1 || !decimal.TryParse(rest[..length], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number))
        {
            return false;
        }

        rest = rest[length..];
        var unitLength = rest.IndexOfAny(NumberCharacters);
        var unit = unitLength < 0 ? rest : rest[..unitLength];
        decimal nanos = unit switch
        {
            "h" => 3_600_000_000_000,
            "m" => 60_000_000_000,
            "s" => NanosPerSecond,
            "ms" => 1_000_000,
            "us" or "µs" or "μs" => 1_000,
            "ns" => 1,
            _ => 0,
        };
        rest = rest[unit.Length..];
        if (nanos == 0 || number > 10_000_000_000_000_000_000m / nanos)
        {
            return false;
        }

        total += number * nanos;
        return true;
    }

    private static string Fraction(int nanos)
    {
        if (nanos == 0)
        {
            return "";
        }

        var digits = nanos.ToString("D9", CultureInfo.InvariantCulture).TrimEnd('0');
        return new StringBuilder(10).Append('.').Append(digits).ToString();
    }

    private static string Shorten(string text) => text.Length <= 40 ? text : string.Concat(text.AsSpan(0, 40), "…");
}
