using System.Collections.Concurrent;
using Lanyard.Identity;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Tokens;
using Lanyard.Server.Audit;
using Microsoft.Extensions.Logging;

namespace Lanyard.Server.Federation;

/// <summary>
/// The alarm for keys that may be out of date. Those that nobody fetches, a private cluster's, when a token comes that names a key they lack, and when a cluster that
/// pushes its keys has said nothing for a day; those that are fetched when nobody answered for a day. One alarm each time, until the keys are confirmed or fetched again; a
/// stranger can cause no more than that one.
/// </summary>
internal sealed class StaleKeys(PushedKeyStore store, TrustDirectory trust, TimeProvider time, ILogger<StaleKeys> log)
{
    /// <summary>The longest silence of a cluster that pushes its keys: a pusher speaks every hour.</summary>
    public static readonly TimeSpan ConfirmedWithin = TimeSpan.FromHours(24);

    /// <summary>Between two looks into the database for one record: tokens with unknown keys cost nothing.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<string, long> _looked = new(StringComparer.Ordinal);

    /// <summary>A token was refused because no record with its issuer has its key.</summary>
    public async ValueTask SawUnknownKeyAsync(UnverifiedToken token, IReadOnlyList<KnownIssuer> records, CancellationToken cancellation)
    {
        foreach (var record in records)
        {
            if (record.Issuer.Keys is KeySource.Uploaded or KeySource.Pushed && IsDue(record.Record.Id))
                await MarkAsync(record, $"a token names the key {Printable(token.KeyId ?? "")}, which is not known", cancellation);
        }
    }

    /// <summary>Keys that are fetched, and that could not be for <see cref="KeySetCache.StaleAfter"/>. They go on serving.</summary>
    public async Task NotRefreshedAsync(TrustedIssuer issuer, Refusal refusal, CancellationToken cancellation)
    {
        if (await trust.ByIdAsync(issuer.Id, cancellation) is { } record && IsDue(issuer.Id))
            await MarkAsync(record, $"they could not be fetched for {KeySetCache.StaleAfter.TotalHours:0} h: {refusal.Detail}", cancellation);
    }

    /// <summary>Finds clusters that fell silent.</summary>
    public async Task SweepAsync(CancellationToken cancellation)
    {
        foreach (var id in await store.UnconfirmedSinceAsync(time.GetUtcNow() - ConfirmedWithin, cancellation))
        {
            if (await trust.ByIdAsync(id, cancellation) is { Issuer.Keys: KeySource.Pushed } record)
                await MarkAsync(record, $"nobody has confirmed the keys for {ConfirmedWithin.TotalHours:0} h", cancellation);
        }
    }

    internal static string Printable(string text) => string.Concat(text.Take(128).Select(static c => c is >= ' ' and <= '~' ? c : '?'));

    private bool IsDue(string recordId)
    {
        var now = time.GetTimestamp();
        if (_looked.TryGetValue(recordId, out var before) && time.GetElapsedTime(before, now) < Pause) return false;
        _looked[recordId] = now;
        return true;
    }

    private Task<bool> MarkAsync(KnownIssuer record, string reason, CancellationToken cancellation)
    {
        var alarm = new AuditEvent("keys.stale")
        {
            WorkspaceId = record.Record.WorkspaceId,
            Target = record.Record.Id,
            Details = new Dictionary<string, string> { ["alarm"] = "true", ["reason"] = reason },
        };
        return store.TryMarkStaleAsync(record.Record.Id, alarm, () => log.KeysStale(record.Record.Id, reason), cancellation);
    }
}
