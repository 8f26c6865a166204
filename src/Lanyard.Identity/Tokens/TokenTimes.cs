using System.Text.Json;
using Lanyard.Identity.Federation;

namespace Lanyard.Identity.Tokens;

/// <summary>Step 6 of the chain: <c>exp</c>, <c>iat</c>, <c>nbf</c> and the life between them.</summary>
internal readonly record struct TokenTimes(DateTimeOffset? IssuedAt, DateTimeOffset? NotBefore, DateTimeOffset ExpiresAt)
{
    /// <summary>9999-12-31T23:59:59Z.</summary>
    private const long MaxSeconds = 253402300799;

    public static Refusal? Judge(ClaimSet claims, TrustedIssuer issuer, DateTimeOffset now, TimeSpan skew, out TokenTimes times)
    {
        times = default;
        if (Read(claims, ClaimNames.ExpiresAt, out var expires) is { } expRefusal)
        {
            return expRefusal;
        }

        if (Read(claims, ClaimNames.IssuedAt, out var issued) is { } iatRefusal)
        {
            return iatRefusal;
        }

        if (Read(claims, ClaimNames.NotBefore, out var notBefore) is { } nbfRefusal)
        {
            return nbfRefusal;
        }

        if (expires is not { } end)
        {
            return new Refusal(RefusalReason.ClaimMissing, "no exp");
        }

        if (issued is null && issuer.RequireIat)
        {
            return new Refusal(RefusalReason.ClaimMissing, "no iat, which this issuer must have");
        }

        times = new TokenTimes(issued, notBefore, end);
        return JudgeAgainst(now, skew, issuer.MaxLifetime, times);
    }

    private static Refusal? JudgeAgainst(DateTimeOffset now, TimeSpan skew, TimeSpan maxLifetime, TokenTimes times)
    {
        if (times.ExpiresAt <= now - skew)
        {
            return new Refusal(RefusalReason.Expired, $"expired at {times.ExpiresAt:u}, it is {now:u}, and {skew.TotalSeconds:0} s are allowed for clocks");
        }

        if (times.IssuedAt > now + skew)
        {
            return new Refusal(RefusalReason.IssuedInFuture, $"issued at {times.IssuedAt:u}, it is {now:u}, and {skew.TotalSeconds:0} s are allowed for clocks");
        }

        if (times.NotBefore > now + skew)
        {
            return new Refusal(RefusalReason.NotYetValid, $"not valid before {times.NotBefore:u}, it is {now:u}");
        }

        var life = times.ExpiresAt - (times.IssuedAt ?? times.NotBefore ?? now);
        if (life <= TimeSpan.Zero)
        {
            // Without iat and nbf it counts from now, and the clocks' allowance may be all that is left.
            return times.IssuedAt is null && times.NotBefore is null ? null : new Refusal(RefusalReason.ClaimMalformed, "exp is not after iat or nbf");
        }

        return life > maxLifetime
            ? new Refusal(RefusalReason.LifetimeTooLong, $"lives for {life}, and {maxLifetime} is this issuer's limit")
            : null;
    }

    /// <summary>A NumericDate (RFC 7519 §2): a JSON number of seconds, fractions cut off; never a string.</summary>
    private static Refusal? Read(ClaimSet claims, string name, out DateTimeOffset? time)
    {
        time = null;
        if (!claims.TryGet(name, out var value))
        {
            return null;
        }

        if (value.Kind == JsonValueKind.Number && TryGetSeconds(value, out var seconds))
        {
            time = DateTimeOffset.FromUnixTimeSeconds(seconds);
            return null;
        }

        return new Refusal(RefusalReason.ClaimMalformed, $"{name} must be a number of seconds, and is {value}");
    }

    private static bool TryGetSeconds(ClaimValue value, out long seconds)
    {
        if (value.TryGetInt64(out seconds))
        {
            return seconds is >= 0 and <= MaxSeconds;
        }

        var reader = new Utf8JsonReader(value.Json.Span);
        if (reader.Read() && reader.TryGetDouble(out var fractional) && fractional is >= 0 and <= MaxSeconds)
        {
            seconds = (long)fractional;
            return true;
        }

        return false;
    }
}
