using System.Collections.Concurrent;

namespace Lanyard.Server.Runs;

/// <summary>
/// Which offers of a session this replica has made and not seen accepted, so that a poll needs to ask the database for offers that still stand only where there may be some. What
/// another replica has offered is asked for every <see cref="LookEvery"/>, several times in an offer's life.
/// </summary>
internal sealed class OffersOut(TimeProvider time)
{
    internal static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(4);
    private const int Most = 100_000;
    private readonly ConcurrentDictionary<string, OfSession> _sessions = new(StringComparer.Ordinal);

    /// <returns>Null when nothing can stand; otherwise the database is to be asked, and <see cref="OfferLook.Saw"/> told what it said.</returns>
    public OfferLook? Look(string session)
    {
        if (_sessions.Count >= Most)
            _sessions.Clear();
        var known = _sessions.GetOrAdd(session, static _ => new OfSession());
        var isDue = known.LookedAt is not { } at || time.GetElapsedTime(at) >= LookEvery || !known.Out.IsEmpty;
        return isDue ? new OfferLook(known, time.GetTimestamp()) : null;
    }

    public void Made(string session, IReadOnlyList<OfferedRun> offers)
    {
        if (!_sessions.TryGetValue(session, out var known))
            return; // its next poll asks
        foreach (var offer in offers)
            known.Out[(offer.Run, offer.Attempt)] = true;
    }

    public void Accepted(string session, string run, int attempt)
    {
        if (_sessions.TryGetValue(session, out var known))
            known.Out.TryRemove((run, attempt), out _);
    }

    internal sealed class OfSession
    {
        public long? LookedAt { get; set; }

        public ConcurrentDictionary<(string Run, int Attempt), bool> Out { get; } = new();
    }
}

/// <summary>A look at the database for offers that stand. What is offered meanwhile stays known.</summary>
internal sealed class OfferLook(OffersOut.OfSession known, long at)
{
    private readonly (string Run, int Attempt)[] _before = [.. known.Out.Keys];

    public void Saw(IReadOnlyList<OfferedRun> standing)
    {
        foreach (var one in _before)
        {
            if (!standing.Any(offer => offer.Run == one.Run && offer.Attempt == one.Attempt))
                known.Out.TryRemove(one, out _);
        }
        foreach (var offer in standing)
            known.Out[(offer.Run, offer.Attempt)] = true;
        known.LookedAt = at;
    }
}
