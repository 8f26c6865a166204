namespace Lanyard.Server.Issuers;

/// <summary>What a signing key may be used for. <c>next</c>: published, not signing. <c>active</c>: signing. <c>retired</c>: published, so that its tokens verify.</summary>
internal static class KeyStates
{
    public const string Next = "next";
    public const string Active = "active";
    public const string Retired = "retired";
}

/// <summary>The times of one key, as the schedule sees it.</summary>
internal sealed record KeyAge(string KeyId, string State, DateTimeOffset PublishedAt, DateTimeOffset? ActiveAt, DateTimeOffset? RetiredAt);

internal abstract record KeyStep
{
    /// <summary>Make a key and publish it.</summary>
    internal sealed record Publish : KeyStep;

    /// <summary>Sign with the next key from now on; what was active is retired.</summary>
    internal sealed record Activate(string NextKeyId) : KeyStep;

    /// <summary>No living token can name it any more: take it out of the JWKS and destroy it.</summary>
    internal sealed record Remove(string KeyId) : KeyStep;
}

/// <summary>
/// When keys change: pure rules over times. A next key is published at least <see cref="PublishLead"/> before it signs, so that relying
/// parties that cache the JWKS know it; a retired one stays until the longest token and those caches are over.
/// </summary>
internal sealed record KeySchedule(TimeSpan Period, TimeSpan PublishLead, TimeSpan RetireFor)
{
    public static KeySchedule Default { get; } = new(TimeSpan.FromDays(90), TimeSpan.FromHours(24), TimeSpan.FromHours(25));

    /// <summary>The steps that are due now for the keys of one owner and one algorithm.</summary>
    public IReadOnlyList<KeyStep> Due(IReadOnlyList<KeyAge> keys, DateTimeOffset now)
    {
        var steps = new List<KeyStep>();
        var active = keys.FirstOrDefault(k => k.State == KeyStates.Active);
        var next = keys.FirstOrDefault(k => k.State == KeyStates.Next);
        if (active is null) return [next is null ? new KeyStep.Publish() : new KeyStep.Activate(next.KeyId)];

        var age = now - (active.ActiveAt ?? active.PublishedAt);
        if (next is null && age >= Period - PublishLead) steps.Add(new KeyStep.Publish());
        if (next is not null && age >= Period && IsKnown(next, now)) steps.Add(new KeyStep.Activate(next.KeyId));
        foreach (var key in keys)
            if (key is { State: KeyStates.Retired, RetiredAt: { } retired } && now - retired >= RetireFor) steps.Add(new KeyStep.Remove(key.KeyId));
        return steps;
    }

    /// <summary>The step that a command asks for: publish first, then (once it is known) activate. Null: the next key is too young.</summary>
    public KeyStep? OnCommand(IReadOnlyList<KeyAge> keys, DateTimeOffset now, bool atOnce)
    {
        var next = keys.FirstOrDefault(k => k.State == KeyStates.Next);
        if (next is null) return new KeyStep.Publish();
        return atOnce || IsKnown(next, now) ? new KeyStep.Activate(next.KeyId) : null;
    }

    /// <summary>
    /// Keys that sign although a relying party's copy of the key set can still be without them: they were activated at once, after a leak. One line a key, for the admin.
    /// </summary>
    public IReadOnlyList<string> Warnings(IReadOnlyList<KeyAge> keys, DateTimeOffset now) =>
    [
        // The first key of an issuer is in the first set that anybody fetched.
        .. keys.Where(key => key is { State: KeyStates.Active, ActiveAt: { } active } && active < key.PublishedAt + PublishLead && now < key.PublishedAt + PublishLead
                && keys.Any(other => other.State == KeyStates.Retired && other.PublishedAt < key.PublishedAt))
            .Select(key => $"{key.KeyId} signs since {key.ActiveAt:u} and was published only at {key.PublishedAt:u}: a relying party whose copy of the key set is older refuses its tokens, "
                + $"until {key.PublishedAt + PublishLead:u} if it keeps one for {PublishLead.TotalHours:0} h"),
    ];

    private bool IsKnown(KeyAge next, DateTimeOffset now) => now - next.PublishedAt >= PublishLead;
}
