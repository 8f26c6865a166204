using System.Globalization;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;

namespace Lanyard.Cli.Explain;

/// <summary>
/// The decisions behind a request id, which is all that a refused caller was told. Ids tell their time, so the audit log is read from there on, and no index of requests is needed.
/// </summary>
internal static class RequestEvents
{
    private const string Prefix = "req_";
    private const string Digits = "0123456789abcdefghjkmnpqrstvwxyz";
    private const int TimeDigits = 10;
    private const int Length = 26;
    private const int MaxPages = 50;

    /// <summary>A request decides soon after it came: what comes later is another's.</summary>
    private static readonly TimeSpan LongestDecision = TimeSpan.FromMinutes(2);

    public static bool IsRequest(string id) => id.StartsWith(Prefix, StringComparison.Ordinal);

    public static async Task<List<JsonObject>> FindAsync(ApiClient api, string log, string id, CancellationToken cancellationToken)
    {
        var from = TimeOf(id) ?? throw new CommandStopped(ExitCode.Usage, $"{Printing.Plain(id)} is no request id: {Prefix} and {Length} letters and digits are wanted.");
        var found = new List<JsonObject>();
        var until = Uri.EscapeDataString((from + LongestDecision).ToString("O", CultureInfo.InvariantCulture));
        var begin = $"since={Uri.EscapeDataString(from.ToString("O", CultureInfo.InvariantCulture))}";
        for (var page = 0; page < MaxPages && found.Count == 0; page++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, $"{api.Server}{log}?{begin}&until={until}&limit=1000");
            using var response = await api.SendAsync(request, cancellationToken);
            var text = await HttpCall.ReadTextAsync(response, cancellationToken);
            if (!response.IsSuccessStatusCode)
            {
                throw ApiClient.Stopped(new ApiAnswer(response.StatusCode, text, null), "audit");
            }

            string[] lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
            found.AddRange(lines.Select(static line => HttpCall.TryParse(line)?["event"]).OfType<JsonObject>().Where(happened => HttpCall.Text(happened["requestId"]) == id));
            if (lines.Length == 0 || !response.Headers.TryGetValues("Lanyard-Next", out var next))
            {
                break;
            }

            begin = $"after={Uri.EscapeDataString(next.First())}";
        }

        return found;
    }

    /// <summary>The first 48 bits of the UUIDv7 that the id is: ten digits of base32.</summary>
    private static DateTimeOffset? TimeOf(string id)
    {
        var digits = id[Prefix.Length..];
        if (digits.Length != Length || digits[0] > '7' || digits.Any(static digit => !Digits.Contains(digit, StringComparison.Ordinal)))
        {
            return null;
        }

        var milliseconds = digits[..TimeDigits].Aggregate(0L, static (value, digit) => (value << 5) | (long)Digits.IndexOf(digit, StringComparison.Ordinal));
        return DateTimeOffset.FromUnixTimeMilliseconds(Math.Min(milliseconds, DateTimeOffset.MaxValue.ToUnixTimeMilliseconds() - (long)TimeSpan.FromDays(1).TotalMilliseconds));
    }
}
