using System.Collections.Concurrent;
using Lanyard.Identity.Jose;
using Lanyard.Server.Audit;

namespace Lanyard.Server.Issuers;

/// <summary>
/// The signing keys of every issuer, in memory; made at first use, kept by <see cref="KeySchedule"/>. A replica that did not make a change
/// sees it within <see cref="ReloadAfter"/>, which is far less than the time that a next key is published before it signs.
/// </summary>
internal sealed class KeyRing(SigningKeyStore store, KeySchedule schedule, TimeProvider time) : IDisposable
{
    /// <summary>Owner of the instance's own keys.</summary>
    public const string InstanceOwner = "instance";

    /// <summary>The audit's word for a step of a key's life.</summary>
    private const string KeyAction = "issuer.key";

    private static readonly TimeSpan ReloadAfter = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan ReloadForUnknownKey = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<string, OwnerKeys> _owners = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _changes = new(1, 1);

    /// <summary>The algorithms that an owner signs with: workspaces RS256 (accepted everywhere) and ES256, the instance ES256.</summary>
    public static IReadOnlyList<SignatureAlgorithm> AlgorithmsOf(string owner) =>
        owner == InstanceOwner ? [SignatureAlgorithm.ES256] : [SignatureAlgorithm.RS256, SignatureAlgorithm.ES256];

    public ValueTask<OwnerKeys> GetAsync(string owner, CancellationToken cancellation)
    {
        if (_owners.TryGetValue(owner, out var keys) && time.GetElapsedTime(keys.LoadedAt) < ReloadAfter) return ValueTask.FromResult(keys);
        return new ValueTask<OwnerKeys>(RefreshAsync(owner, keys => time.GetElapsedTime(keys.LoadedAt) < ReloadAfter, cancellation));
    }

    /// <summary>The keys, read anew (at most once a second) if none of them has this <c>kid</c>: another replica may have rotated just now.</summary>
    public async ValueTask<OwnerKeys> GetForAsync(string owner, string? kid, CancellationToken cancellation)
    {
        var keys = await GetAsync(owner, cancellation);
        if (kid is null || IsEnough(keys)) return keys;
        return await RefreshAsync(owner, IsEnough, cancellation);

        bool IsEnough(OwnerKeys keys) => keys.Public.Contains(kid) || time.GetElapsedTime(keys.LoadedAt) < ReloadForUnknownKey;
    }

    /// <summary>Does for one owner what the schedule says is due, and reads its keys anew.</summary>
    public Task<OwnerKeys> TendAsync(string owner, CancellationToken cancellation) =>
        ChangeAsync(owner, (algorithm, keys) => TendOneAsync(owner, algorithm, keys, cancellation), cancellation);

    /// <summary>All owners that have keys; for the background service.</summary>
    public async Task TendAllAsync(CancellationToken cancellation)
    {
        foreach (var owner in await store.OwnersAsync(cancellation)) await TendAsync(owner, cancellation);
    }

    /// <summary>Rotation by command.</summary>
    /// <param name="atOnce">Activate a next key even if relying parties that cache the JWKS can't know it yet (after a leak).</param>
    /// <param name="about">Who commands it.</param>
    /// <returns>The keys afterwards, and what was done, one line an algorithm.</returns>
    public async Task<(OwnerKeys Keys, IReadOnlyList<string> Done)> RotateAsync(string owner, bool atOnce, AuditEvent about, CancellationToken cancellation)
    {
        await TendAsync(owner, cancellation);
        var done = new List<string>();
        var step = about with { Action = KeyAction };
        var after = await ChangeAsync(owner, (algorithm, keys) => RotateOneAsync(owner, algorithm, keys, atOnce, done, step, cancellation), cancellation);
        return (after, done);
    }

    /// <summary>Which relying parties may refuse tokens now, by algorithm: each has keys of its own.</summary>
    public IReadOnlyList<string> Warnings(OwnerKeys keys) =>
        [.. keys.Stored.GroupBy(static key => key.Key.Algorithm).SelectMany(group => schedule.Warnings([.. group.Select(static key => key.Age)], time.GetUtcNow()))];

    public void Dispose() => _changes.Dispose();

    /// <param name="isEnough">Asked once it is this caller's turn: whoever was before it may have read what it needs.</param>
    private Task<OwnerKeys> RefreshAsync(string owner, Func<OwnerKeys, bool> isEnough, CancellationToken cancellation) =>
        ChangeAsync(owner, (algorithm, keys) => TendOneAsync(owner, algorithm, keys, cancellation), cancellation, isEnough);

    private async Task<OwnerKeys> ChangeAsync(
        string owner, Func<SignatureAlgorithm, IReadOnlyList<KeyAge>, Task> change, CancellationToken cancellation, Func<OwnerKeys, bool>? isEnough = null)
    {
        await _changes.WaitAsync(cancellation);
        try
        {
            if (isEnough is not null && _owners.TryGetValue(owner, out var read) && isEnough(read)) return read;
            var stored = await store.ListAsync(owner, cancellation);
            foreach (var algorithm in AlgorithmsOf(owner)) await change(algorithm, Ages(stored, algorithm));
            return _owners[owner] = new OwnerKeys(await store.ListAsync(owner, cancellation), time.GetTimestamp());
        }
        finally
        {
            _changes.Release();
        }
    }

    private async Task TendOneAsync(string owner, SignatureAlgorithm algorithm, IReadOnlyList<KeyAge> ages, CancellationToken cancellation)
    {
        // The first key of an owner is published and activated in one go: nobody can have cached a set without it.
        while (schedule.Due(ages, time.GetUtcNow()) is { Count: > 0 } due)
        {
            foreach (var step in due) await DoAsync(owner, algorithm, step, new AuditEvent(KeyAction), cancellation);
            ages = Ages(await store.ListAsync(owner, cancellation), algorithm);
        }
    }

    private async Task RotateOneAsync(
        string owner, SignatureAlgorithm algorithm, IReadOnlyList<KeyAge> ages, bool atOnce, List<string> done, AuditEvent about, CancellationToken cancellation)
    {
        var step = schedule.OnCommand(ages, time.GetUtcNow(), atOnce);
        if (step is KeyStep.Publish)
        {
            await DoAsync(owner, algorithm, step, about, cancellation);
            done.Add($"{algorithm.Name()}: published a next key; it signs {schedule.PublishLead.TotalHours:0} hours from now at the earliest");
            if (!atOnce) return;
            step = schedule.OnCommand(Ages(await store.ListAsync(owner, cancellation), algorithm), time.GetUtcNow(), atOnce);
        }

        if (step is not KeyStep.Activate activate)
        {
            done.Add($"{algorithm.Name()}: the next key was published less than {schedule.PublishLead.TotalHours:0} hours ago; nothing changed");
            return;
        }

        await DoAsync(owner, algorithm, activate, about, cancellation);
        done.Add($"{algorithm.Name()}: {activate.NextKeyId} signs from now on");
    }

    private async Task DoAsync(string owner, SignatureAlgorithm algorithm, KeyStep step, AuditEvent about, CancellationToken cancellation)
    {
        var now = time.GetUtcNow();
        switch (step)
        {
            case KeyStep.Publish:
                using (var key = SigningKey.Generate(algorithm)) await store.AddNextAsync(owner, key, now, about, cancellation);
                break;
            case KeyStep.Activate activate:
                await store.ActivateAsync(owner, activate.NextKeyId, algorithm, now, about, cancellation);
                break;
            case KeyStep.Remove remove:
                await store.RemoveAsync(owner, remove.KeyId, about, cancellation);
                break;
        }
    }

    private static IReadOnlyList<KeyAge> Ages(IReadOnlyList<StoredKey> stored, SignatureAlgorithm algorithm) =>
        [.. stored.Where(k => k.Key.Algorithm == algorithm).Select(k => k.Age)];
}
