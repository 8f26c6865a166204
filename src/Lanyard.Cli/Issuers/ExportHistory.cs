using System.Globalization;
using System.Text.Json.Nodes;
using Lanyard.Cli.Connection;

namespace Lanyard.Cli.Issuers;

/// <summary>A key as the server's issuer has it.</summary>
/// <param name="State"><c>next</c>, <c>active</c> or <c>retired</c>.</param>
internal sealed record ExportedKey(string KeyId, string State, DateTimeOffset CreatedAt, DateTimeOffset? ActiveAt);

/// <summary>
/// Since when each key stands in an exported key set: a file beside it. From that follows whether a relying party's copy of the set can be without a key that signs, which
/// nobody else would tell: a static file has no clients that ask.
/// </summary>
internal sealed class ExportHistory
{
    /// <summary>The server lets a next key sign so long after it was made, at the earliest.</summary>
    public static readonly TimeSpan PublishLead = TimeSpan.FromHours(24);

    private readonly SortedDictionary<string, DateTimeOffset> _since = new(StringComparer.Ordinal);

    public bool IsEmpty => _since.Count == 0;

    /// <summary>What cannot be read is no history: the warnings then come too often, and never too rarely.</summary>
    public static ExportHistory Parse(string? json)
    {
        var history = new ExportHistory();
        foreach (var (keyId, at) in (json is null ? null : HttpCall.TryParse(json) as JsonObject)?["keys"] as JsonObject ?? [])
        {
            if (HttpCall.Text(at) is { } text && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var since))
            {
                history._since[keyId] = since;
            }
        }

        return history;
    }

    /// <summary>The history with this export in it, and no key that is not published any more.</summary>
    public ExportHistory With(IEnumerable<ExportedKey> keys, DateTimeOffset now)
    {
        var next = new ExportHistory();
        foreach (var key in keys) next._since[key.KeyId] = _since.TryGetValue(key.KeyId, out var since) ? since : now;
        return next;
    }

    /// <summary>Of the history with this export in it: which relying parties may refuse tokens, and until when. The first export has nobody's old copy to fear.</summary>
    /// <param name="before">The history without this export.</param>
    /// <param name="cache">How long a relying party may keep a key set.</param>
    public IEnumerable<string> Warnings(ExportHistory before, IEnumerable<ExportedKey> keys, TimeSpan cache, DateTimeOffset now)
    {
        if (before.IsEmpty) yield break;
        var first = _since.Values.Min();
        foreach (var key in keys)
        {
            var known = _since[key.KeyId] + cache;
            if (_since[key.KeyId] == first) continue;
            if (key is { State: "active", ActiveAt: { } active } && known > now)
            {
                yield return $"{key.KeyId} signs since {Of(active)} and is published here since {Of(_since[key.KeyId])}: a relying party that keeps the key set for {Hours(cache)} may refuse its tokens until {Of(known)}";
            }
            else if (key.State == "next" && known > key.CreatedAt + PublishLead)
            {
                yield return $"{key.KeyId} may sign from {Of(key.CreatedAt + PublishLead)} on and is published here since {Of(_since[key.KeyId])} only: a relying party that keeps the key set for {Hours(cache)} knows it from {Of(known)} on; export more often";
            }
        }
    }

    public string ToJson() => new JsonObject
    {
        ["keys"] = new JsonObject(_since.Select(static pair => KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value.UtcDateTime.ToString("O", CultureInfo.InvariantCulture)))),
    }.ToJsonString();

    private static string Of(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture);

    private static string Hours(TimeSpan span) => $"{span.TotalHours.ToString("0.##", CultureInfo.InvariantCulture)} h";
}
