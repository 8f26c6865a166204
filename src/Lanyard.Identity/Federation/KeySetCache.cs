using System.Collections.Concurrent;
using Lanyard.Identity.Jose;

namespace Lanyard.Identity.Federation;

/// <summary>Keys as they were last seen: what is kept in the database.</summary>
public sealed record KeptKeys(string Jwks, DateTimeOffset FetchedAt);

/// <summary>Where fetched keys are kept, so that a restart during an issuer's outage changes nothing.</summary>
/// <param name="Load">By the record's id.</param>
/// <param name="Save">Must keep nothing when the record has gone or is by now for another issuer.</param>
/// <param name="Lost">Told after the saving where a key that was known is gone: what it signed is not believed any more.</param>
/// <param name="Stale">Told of a fetch that failed while what is known is older than <see cref="KeySetCache.StaleAfter"/>, with why.</param>
public sealed record KeyKeeping(
    Func<string, CancellationToken, Task<KeptKeys?>> Load, Func<TrustedIssuer, KeptKeys, CancellationToken, Task> Save,
    Action<TrustedIssuer>? Lost = null, Func<TrustedIssuer, Refusal, Task>? Stale = null)
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

    /// <summary>Keys that could not be fetched anew for so long may be out of date, and somebody should know.</summary>
    public static readonly TimeSpan StaleAfter = TimeSpan.FromHours(24);

    /// <summary>Of a SPIFFE bundle without a hint (SPIFFE Federation §4.1); a hint is taken between <see cref="Cooldown"/> and <see cref="RefreshAfter"/>.</summary>
    private static readonly TimeSpan RefreshBundleAfter = TimeSpan.FromMinutes(5);

    private readonly ConcurrentDictionary<Place, Entry> _entries = new();

    /// <summary>A <see cref="Tokens.KeyLookup"/>: with a key id that the known keys lack, they are fetched anew where the record allows it.</summary>
    public async ValueTask<Outcome<KeySet>> GetAsync(TrustedIssuer issuer, string? keyId, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(issuer);
        var entry = _entries.GetOrAdd(Place.Of(issuer), static _ => new Entry());
        if (entry.Known is null) await LoadOnceAsync(entry, issuer).WaitAsync(cancellationToken);
        var known = entry.Known;
        if (issuer.Keys is KeySource.Discovery or KeySource.Bundle && (keyId is not null || known is not null) && IsDue(issuer, known, keyId) && FetchOnceAsync(entry, issuer) is { } fetching)
        {
            // Known keys that are merely old go on serving; only who needs a key that is not there waits.
            if (Lacks(known, keyId)) await fetching.WaitAsync(cancellationToken);
        }

        return entry.Known is { } now
            ? Outcome.Of(now.Keys)
            : entry.LastFailure ?? new Refusal(RefusalReason.IssuerUnreachable, $"no keys of {issuer.Issuer} are known yet");
    }

    /// <summary>The record was changed or removed: its keys are read anew.</summary>
    public void Forget(string recordId)
    {
        foreach (var place in _entries.Keys)
            if (place.RecordId == recordId) _entries.TryRemove(place, out _);
    }

    /// <summary>
    /// Some record was changed, nobody says which. An issuer that is being asked, or was less than <see cref="Cooldown"/> ago, keeps its place: what it says is good
    /// as long as the record asks there, and each change anywhere would else be leave to ask all of them again.
    /// </summary>
    public void ForgetAll()
    {
        foreach (var (place, entry) in _entries)
        {
            lock (entry.Gate)
            {
                if (entry.Fetching is not { } last || (last.IsCompleted && time.GetElapsedTime(entry.AttemptedAt) >= Cooldown)) _entries.TryRemove(KeyValuePair.Create(place, entry));
                else entry.IsRecordSure &= last.IsCompleted;
            }
        }
    }

    private bool IsDue(TrustedIssuer issuer, Known? known, string? keyId) =>
        Lacks(known, keyId) || time.GetUtcNow() - known!.FetchedAt >= (issuer.Keys == KeySource.Bundle ? BundleInterval(known.Keys) : RefreshAfter);

    private static TimeSpan BundleInterval(KeySet bundle) =>
        bundle.RefreshHint is { } hint ? TimeSpan.FromTicks(Math.Clamp(hint.Ticks, Cooldown.Ticks, RefreshAfter.Ticks)) : RefreshBundleAfter;

    /// <summary>An empty id means that the token has none: then any key may do, and what is known is enough.</summary>
    private static bool Lacks(Known? known, string? keyId) => known is null || (!string.IsNullOrEmpty(keyId) && !known.Keys.Contains(keyId));

    private Task LoadOnceAsync(Entry entry, TrustedIssuer issuer)
    {
        lock (entry.Gate)
        {
            if (entry.Loading is { IsCompleted: false } running) return running;
            // Nothing was kept: an issuer that never answered must not cost a look into the database for each of its tokens.
            if (entry.Loading is { IsCompletedSuccessfully: true } done && time.GetElapsedTime(entry.LoadedAt) < Cooldown) return done;
            entry.LoadedAt = time.GetTimestamp();
            return entry.Loading = Task.Run(() => LoadAsync(entry, issuer));
        }
    }

    private async Task LoadAsync(Entry entry, TrustedIssuer issuer)
    {
        var kept = await keeping.Load(issuer.Id, CancellationToken.None);
        if (kept is null || !KeySet.Parse(kept.Jwks).TryGet(out var keys, out _)) return;
        lock (entry.Gate) entry.Known ??= new Known(keys, kept.FetchedAt);
    }

    /// <returns>The fetch that runs; null when the last attempt was less than <see cref="Cooldown"/> ago.</returns>
    private Task? FetchOnceAsync(Entry entry, TrustedIssuer issuer)
    {
        lock (entry.Gate)
        {
            if (entry.Fetching is { IsCompleted: false } running) return running;
            if (entry.Fetching is not null && time.GetElapsedTime(entry.AttemptedAt) < Cooldown) return null;
            (entry.AttemptedAt, entry.IsRecordSure) = (time.GetTimestamp(), true);
            // Not the caller's cancellation: others wait for the same fetch.
            return entry.Fetching = Task.Run(() => FetchAsync(entry, issuer));
        }
    }

    private async Task FetchAsync(Entry entry, TrustedIssuer issuer)
    {
        var outcome = await fetch(issuer, CancellationToken.None);
        if (!outcome.TryGet(out var keys, out var refusal) || (refusal = Superseded(entry.Known?.Keys, keys)) is not null)
        {
            entry.LastFailure = refusal;
            if (entry.Known is { } old && time.GetUtcNow() - old.FetchedAt >= StaleAfter && keeping.Stale is { } stale) await stale(issuer, refusal);
            return;
        }

        var (now, before) = (time.GetUtcNow(), entry.Known?.Keys);
        lock (entry.Gate) (entry.Known, entry.LastFailure) = (new Known(keys, now), null);
        // Forgotten meanwhile: the record may ask another issuer by now, and these keys must not become that one's.
        if (!_entries.TryGetValue(Place.Of(issuer), out var current) || !ReferenceEquals(current, entry)) return;
        if (entry.IsRecordSure) await keeping.Save(issuer, new KeptKeys(keys.ToJson(), now), CancellationToken.None);
        if (before is not null && before.Keys.Any(key => !keys.Keys.Any(other => other.KeyId == key.KeyId && other.Thumbprint == key.Thumbprint))) keeping.Lost?.Invoke(issuer);
    }

    /// <summary>A bundle with a lower sequence number is one from before (SPIFFE Trust Domain and Bundle §4.1.1): keys that were taken back must not return.</summary>
    private static Refusal? Superseded(KeySet? known, KeySet fetched) => known?.Sequence is { } now && fetched.Sequence is { } then && then < now
        ? new Refusal(RefusalReason.KeySetMalformed, $"bundle: spiffe_sequence {then} is lower than {now}, which is known")
        : null;

    /// <summary>A record, and what decides where its keys come from: a call that began before a change of the record can't fill the changed one's place.</summary>
    private readonly record struct Place(
        string RecordId, string Issuer, KeySource Source, string? DiscoveryUrl, string? TrustDomain, string? Roots, bool IsPrivateAllowed, string JwksHosts)
    {
        public static Place Of(TrustedIssuer issuer) => new(
            issuer.Id, issuer.Issuer, issuer.Keys, issuer.DiscoveryUrl, issuer.TrustDomain, issuer.CaBundlePem, issuer.AllowPrivateAddresses,
            issuer.JwksHosts.Count == 0 ? "" : string.Join('\n', issuer.JwksHosts));
    }

    private sealed record Known(KeySet Keys, DateTimeOffset FetchedAt);

    private sealed class Entry
    {
        private volatile Known? _known;
        private volatile Refusal? _lastFailure;

        public Lock Gate { get; } = new();

        public Known? Known
        {
            get => _known;
            set => _known = value;
        }

        public Refusal? LastFailure
        {
            get => _lastFailure;
            set => _lastFailure = value;
        }

        public long LoadedAt { get; set; }

        public Task? Loading { get; set; }

        public long AttemptedAt { get; set; }

        public Task? Fetching { get; set; }

        /// <summary>No record was changed while it was asked.</summary>
        public bool IsRecordSure { get; set; }
    }
}
