using System.Globalization;
using Lanyard.Identity;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Http;

/// <summary>Keyset paging: <c>?limit=</c> (1 to 500, default 100) and <c>?after=</c>, the <c>next</c> of the page before.</summary>
/// <param name="After">Sorts before every text when nothing came before.</param>
internal sealed record Paging(int Limit, string After)
{
    public const int Default = 100;
    public const int Max = 500;

    public static Outcome<Paging> Read(HttpRequest request)
    {
        var limit = Default;
        if (request.Query.TryGetValue("limit", out var text)
            && (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out limit) || limit is < 1 or > Max))
        {
            return new Refusal(RefusalReason.RequestMalformed, "limit is 1 to 500");
        }

        var after = request.Query["after"].ToString();
        return after.Length <= 200 && !after.Contains('\0', StringComparison.Ordinal)
            ? new Paging(limit, after)
            : new Refusal(RefusalReason.RequestMalformed, "after is not a cursor of ours");
    }

    /// <summary>Cuts a list that was asked for with one row too many.</summary>
    /// <returns>The page, and the cursor of the next one or null.</returns>
    public (IReadOnlyList<T> Items, string? Next) Cut<T>(List<T> rows, Func<T, string> key) =>
        rows.Count > Limit ? (rows[..Limit], key(rows[Limit - 1])) : (rows, null);
}
