using System.Collections.Concurrent;
using Lanyard.Identity.Jose;

namespace Lanyard.Identity.Federation;

/// <summary>Keys as they were last seen: what is kept in the database.</summary>
public sealed record KeptKeys(string Jwks, DateTimeOffset FetchedAt);

/// <summary>Where fetched keys are kept, so that a restart during an issuer's outage changes nothing.</summary>
public sealed record KeyKeeping(Func<string, CancellationToken, Task<KeptKeys?>> Load, Func<string, KeptKeys, CancellationToken, Task> Save)
{
    public static KeyKeeping None { get; } = new((_, _) => Task.FromResult<KeptKeys?>(null), (_, _, _) => Task.CompletedTask);
}

/// <summary>
/// The key sets of trust records. One fetch at a time for a record and at least <see cref="Cooldown"/> between two, counted from the attempt, so that unknown
/// <c>kid</c>s can't cause a storm; good keys are never dropped because a fetch failed; keys older than <see cref="RefreshAfter"/> are fetched
/// anew beside the calls that use them.
/// </summary>
public sealed class KeySetCache(KeyKeeping keeping, Func<TrustedIssuer, CancellationToken, Task<Outcome<KeySet>>> fetch, TimeProvider time)
{
    public static readonly TimeSpan Cooldown = TimeSpan.FromSeconds(30);
    public static readonly TimeSpan RefreshAfter = TimeSpan.FromHours(1);

    private readonly ConcurrentDictionary<string, Entry> _entries = new(StringComparer.Ordinal);

    /// <summary>A <see cref="Tokens.KeyLookup"/>: with a key id that the known keys lack, they are fetched anew where the record allows it.</summary>
    public async ValueTask<Outcome<KeySet>> GetAsync(TrustedIssuer issuer, string? keyId, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(issuer);
        var entry = _entries.GetOrAdd(issuer.Id, static _ => new Entry());
        var known = entry.Keys ?? await LoadAsync(entry, issuer, cancellationToken);
        if (issuer.Keys == KeySource.Discovery && (keyId is not null || known is not null) && NeedsFetch(entry, known, keyId))
        {
            var fetching = FetchOnceAsync(entry, issuer);
            // Known keys that are merely old go on serving; only who needs a key that is not there waits.
            if (known is null || (keyId is not null && !Has(known, keyId))) await fetching.WaitAsync(cancellationToken);
            known = entry.Keys;
        }

        return known is not null
            ? Outcome.Of(known)
            : entry.LastFailure ?? new Refusal(RefusalReason.IssuerUnreachable, $"no keys of {issuer.Issuer} are known yet");
    }

    /// <summary>The record was changed or removed: its keys are read anew.</summary>
    public void Forget(string recordId) => _entries.TryRemove(recordId, out _);

    public void ForgetAll() => _entries.Clear();

    private bool NeedsFetch(Entry entry, KeySet? known, string? keyId)
    {
        var isDue = known is null || (keyId is not null && !Has(known, keyId)) || time.GetUtcNow() - entry.FetchedAt >= RefreshAfter;
        return isDue && (entry.AttemptedAt is not { } attempted || time.GetElapsedTime(attempted) >= Cooldown || entry.IsFetching);
    }

    /// <summary>An empty id means that the token has none: then any key may do, and what is known is enough.</summary>
    private static bool Has(KeySet keys, string keyId) => keyId.Length == 0 || keys.Contains(keyId);

    private async Task<KeySet?> LoadAsync(Entry entry, TrustedIssuer issuer, CancellationToken cancellationToken)
    {
        var kept = await keeping.Load(issuer.Id, cancellationToken);
        if (kept is null) return null;
        var parsed = KeySet.Parse(kept.Jwks);
        if (parsed.IsRefused) return null;
        lock (entry.Gate)
        {
            if (entry.Keys is null) (entry.Keys, entry.FetchedAt) = (parsed.Value, kept.FetchedAt);
            return entry.Keys;
        }
    }

    private Task FetchOnceAsync(Entry entry, TrustedIssuer issuer)
    {
        lock (entry.Gate)
        {
            if (entry.Fetching is { IsCompleted: false } running) return running;
            entry.AttemptedAt = time.GetTimestamp();
            // Not the caller's cancellation: others wait for the same fetch.
            return entry.Fetching = Task.Run(() => FetchAsync(entry, issuer));
        }
    }

    private async Task FetchAsync(Entry entry, TrustedIssuer issuer)
    {
        var outcome = await fetch(issuer, CancellationToken.None);
        if (!outcome.TryGet(out var keys, out var refusal))
        {
            entry.LastFailure = refusal;
            return;
        }

        var now = time.GetUtcNow();
        lock (entry.Gate) (entry.Keys, entry.FetchedAt, entry.LastFailure) = (keys, now, null);
        await keeping.Save(issuer.Id, new KeptKeys(keys.ToJson(), now), CancellationToken.None);
    }

    private sealed class Entry
    {
        public Lock Gate { get; } = new();

        public KeySet? Keys { get; set; }

        public DateTimeOffset FetchedAt { get; set; }

        public long? AttemptedAt { get; set; }

        public Refusal? LastFailure { get; set; }

        public Task? Fetching { get; set; }

        public bool IsFetching => Fetching is { IsCompleted: false };
    }
}
