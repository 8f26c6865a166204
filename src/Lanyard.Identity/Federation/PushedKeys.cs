using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;

namespace Lanyard.Identity.Federation;

/// <summary>Keys that a newer push no longer has: trusted until the last token signed by them is dead.</summary>
public sealed record LeavingKeys(KeySet Keys, DateTimeOffset Until);

/// <summary>The keys of a record whose cluster pushes them (<see cref="KeySource.Pushed"/>).</summary>
public sealed record PushedKeySet
{
    /// <summary>The last push that was accepted, or the upload at registration.</summary>
    public required KeySet Current { get; init; }

    public IReadOnlyList<LeavingKeys> Leaving { get; init; } = [];

    /// <summary>A push whose new keys are not trusted yet.</summary>
    public KeySet? Pending { get; init; }

    /// <summary>Whether a token signed by one of the pending keys was seen, so that only an admin's approval is missing.</summary>
    public bool IsPendingProven { get; init; }

    /// <summary>Whether both trust, let go and await the same keys.</summary>
    public bool IsSameAs(PushedKeySet other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return Current.ToJson() == other.Current.ToJson() && Pending?.ToJson() == other.Pending?.ToJson() && IsPendingProven == other.IsPendingProven
            && Leaving.Select(static leaving => (leaving.Keys.ToJson(), leaving.Until)).SequenceEqual(other.Leaving.Select(static leaving => (leaving.Keys.ToJson(), leaving.Until)));
    }

    public KeySet TrustedAt(DateTimeOffset now)
    {
        var keys = Current;
        foreach (var leaving in Leaving)
            if (leaving.Until > now) keys = keys.With(leaving.Keys);
        return keys;
    }
}

/// <summary>A push as it came.</summary>
/// <param name="Keys">All keys that the cluster publishes now.</param>
/// <param name="Authorization">A token for the audience of pushes, signed by a key that is still trusted.</param>
/// <param name="Proof">A token for the same audience and subject, signed by one of the new keys; null when the cluster signs with none of them yet.</param>
public sealed record KeyPush(KeySet Keys, UnverifiedToken Authorization, UnverifiedToken? Proof);

/// <summary>
/// Decides what becomes of keys that are pushed: who holds a trusted key may announce new ones, and they are trusted only when a token signed by one of
/// them for the same subject comes with the push (and, where the record wants it, an admin approved). Pure: it stores nothing.
/// </summary>
public sealed class PushedKeys(TokenVerifier verifier, TimeProvider time)
{
    /// <summary>Sets that leave at one time: more rotations within one token's life are refused.</summary>
    private const int MaxLeaving = 16;

    /// <param name="issuer">The record; its own audiences don't count here.</param>
    /// <param name="audience">Of pushes: the instance's URL + <c>/keys</c>.</param>
    /// <param name="subject">The service account that may push for this record.</param>
    /// <returns>What to keep; equal to <paramref name="state"/> in its trusted keys while the new ones wait.</returns>
    public Outcome<PushedKeySet> Apply(PushedKeySet state, TrustedIssuer issuer, KeyPush push, string audience, string subject, bool requireApproval)
    {
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(push);
        var now = time.GetUtcNow();
        var trusted = state.TrustedAt(now);
        var record = issuer with { Audiences = [audience] };
        if (Check(push.Authorization, record, trusted, subject) is { } refusal) return refusal;
        if (Impostor(trusted, push.Keys) is { } keyId) return new Refusal(RefusalReason.KeySetMalformed, $"push: kid {keyId} is a trusted key's, with other numbers");

        var added = Missing(push.Keys, trusted);
        if (added.Count == 0) return Accept(state, push.Keys, issuer, now);
        if (push.Proof is not { } proof) return state with { Pending = push.Keys, IsPendingProven = false };
        if (Check(proof, record, KeySet.Of(added), subject) is { } unproven) return unproven;
        return requireApproval ? state with { Pending = push.Keys, IsPendingProven = true } : Accept(state, push.Keys, issuer, now);
    }

    /// <summary>Whether the caller is the pusher: a token for the audience of pushes, of a key that is trusted. Null is a yes.</summary>
    public Refusal? Check(UnverifiedToken authorization, TrustedIssuer issuer, PushedKeySet state, string audience, string subject)
    {
        ArgumentNullException.ThrowIfNull(state);
        return Check(authorization, issuer with { Audiences = [audience] }, state.TrustedAt(time.GetUtcNow()), subject);
    }

    /// <summary>An admin's yes to proven keys.</summary>
    /// <param name="thumbprints">Of the keys that the admin saw (RFC 7638): whoever may push can have replaced them since.</param>
    public Outcome<PushedKeySet> Approve(PushedKeySet state, TrustedIssuer issuer, IReadOnlyList<string> thumbprints)
    {
        ArgumentNullException.ThrowIfNull(state);
        if (state is not { Pending: { } pending, IsPendingProven: true }) return new Refusal(RefusalReason.Conflict, "no keys wait for approval whose possession was proven");
        return pending.Keys.Select(static key => key.Thumbprint).ToHashSet(StringComparer.Ordinal).SetEquals(thumbprints)
            ? Accept(state, pending, issuer, time.GetUtcNow())
            : new Refusal(RefusalReason.Conflict, "other keys wait for approval than the approval names");
    }

    /// <summary>What the new set lacks stays until whatever was signed by it a moment ago is dead, clocks' allowance included.</summary>
    private static Outcome<PushedKeySet> Accept(PushedKeySet state, KeySet keys, TrustedIssuer issuer, DateTimeOffset now)
    {
        var leaving = state.Leaving.Where(l => l.Until > now).ToList();
        var gone = Missing(state.Current, keys);
        if (gone.Count > 0) leaving.Add(new LeavingKeys(KeySet.Of(gone), now + issuer.MaxLifetime + TokenVerifier.MaxClockSkew));
        return leaving.Count > MaxLeaving
            ? new Refusal(RefusalReason.Conflict, $"push: more than {MaxLeaving} rotations within the life of one token")
            : new PushedKeySet { Current = keys, Leaving = leaving };
    }

    private Refusal? Check(UnverifiedToken token, TrustedIssuer record, KeySet keys, string subject)
    {
        var outcome = verifier.Verify(token, record, keys, new VerifyOptions { DefaultAudience = record.Audiences[0] });
        if (outcome.IsRefused) return outcome.Refusal;
        return outcome.Value.Subject == subject ? null : new Refusal(RefusalReason.ConditionFailed, $"push: sub is \"{Printable.Of(outcome.Value.Subject)}\", wanted is \"{subject}\"");
    }

    private static List<VerificationKey> Missing(KeySet keys, KeySet from) =>
        [.. keys.Keys.Where(key => !from.Keys.Any(other => other.Thumbprint == key.Thumbprint && other.KeyId == key.KeyId && other.Algorithm == key.Algorithm))];

    private static string? Impostor(KeySet trusted, KeySet pushed) => pushed.Keys
        .FirstOrDefault(key => key.KeyId is not null && trusted.Find(key.KeyId) is { } known && (known.Thumbprint != key.Thumbprint || known.Algorithm != key.Algorithm))?.KeyId;
}
