using System.Globalization;
using Lanyard.Identity;
using Lanyard.Protocol.Azure;

namespace Lanyard.Server.Exchange;

/// <summary>How long an issued token lives: pure rules. Nothing ever outlives the token that it came from.</summary>
internal static class Lifetimes
{
    public static readonly TimeSpan ApiToken = TimeSpan.FromMinutes(10);
    public static readonly TimeSpan IdentityDefault = TimeSpan.FromMinutes(10);
    public static readonly TimeSpan IdentityLeast = TimeSpan.FromMinutes(1);
    public static readonly TimeSpan IdentityMost = TimeSpan.FromMinutes(60);

    /// <summary>Azure's SDKs keep a token file's content for 5 minutes: a token must outlive that.</summary>
    public static readonly TimeSpan AzureLeast = TimeSpan.FromMinutes(6);

    /// <summary>Less left of the subject token than this, and a token minted from it would be dead before it is used.</summary>
    public static readonly TimeSpan SubjectLeast = TimeSpan.FromSeconds(60);

    /// <param name="asked"><c>expires_in</c> of the request, or null.</param>
    /// <param name="allowed">What the definition or policy says, or null for the default.</param>
    public static Outcome<DateTimeOffset> ForIdentityToken(TimeSpan? asked, TimeSpan? allowed, string audience, DateTimeOffset subjectExpires, DateTimeOffset now)
    {
        var most = Min(allowed ?? (asked is null ? IdentityDefault : IdentityMost), IdentityMost);
        var life = asked is { } wish ? Min(wish, most) : most;
        var isForAzure = AzureCloud.IsAudience(audience);
        var least = isForAzure ? AzureLeast : IdentityLeast;
        if (life < least) life = least;

        var left = subjectExpires - now;
        if (left < SubjectLeast || (isForAzure && left < AzureLeast))
            return new Refusal(RefusalReason.LifetimeTooShort, $"{Seconds(left)} s are left of the subject token; {Seconds(isForAzure ? AzureLeast : SubjectLeast)} are needed");
        return now + Min(life, left);
    }

    public static DateTimeOffset ForApiToken(DateTimeOffset? subjectExpires, DateTimeOffset now)
    {
        var end = now + ApiToken;
        return subjectExpires is { } limit && limit < end ? limit : end;
    }

    /// <summary>Reads <c>expires_in</c>: whole seconds, 60 to 3600.</summary>
    public static Outcome<TimeSpan> Parse(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds is >= 60 and <= 3600
            ? TimeSpan.FromSeconds(seconds)
            : new Refusal(RefusalReason.RequestMalformed, "expires_in: whole seconds, 60 to 3600");

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;

    private static string Seconds(TimeSpan span) => ((long)span.TotalSeconds).ToString(CultureInfo.InvariantCulture);
}
