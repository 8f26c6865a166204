using System.Collections.Concurrent;
using Lanyard.Protocol.Runs;

namespace Lanyard.Server.Runs;

/// <summary>
/// Which offers of a session this replica has made and not seen accepted, so that a poll needs to ask the database for offers that still stand only where there may be some that it
/// does not name. What another replica has offered is asked for every <see cref="LookEvery"/>, several times in an offer's life.
/// </summary>
internal sealed class OffersOut(TimeProvider time)
{
    internal static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(4);
    private const int Most = 100_000;
    private readonly ConcurrentDictionary<string, OfSession> _sessions = new(StringComparer.Ordinal);

    /// <param name="named">What the runner says that it has or is accepting: nothing of that is to be offered again.</param>
    /// <returns>Null when nothing else can stand; otherwise the database is to be asked, and <see cref="OfferLook.Saw"/> told what it said.</returns>
    public OfferLook? Look(string session, IReadOnlyList<Hold> named)
    {
        if (!_sessions.TryGetValue(session, out var known))
        {
            // Counting takes every lock of the map: for who is new, not in each poll.
            if (_sessions.Count >= Most)
                _sessions.Clear();
            known = _sessions.GetOrAdd(session, static _ => new OfSession());
        }
        var isDue = known.LookedAt is not { } at || time.GetElapsedTime(at) >= LookEvery || IsAnyUnnamed(known.Out, named);
        return isDue ? new OfferLook(known, time.GetTimestamp()) : null;
    }

    public void Made(string session, IReadOnlyList<OfferedRun> offers)
    {
        if (!_sessions.TryGetValue(session, out var known))
            return; // its next poll asks
        foreach (var offer in offers)
            known.Out[(offer.Run, offer.Attempt)] = offer.Deadline;
    }

    public void Accepted(string session, string run, int attempt)
    {
        if (_sessions.TryGetValue(session, out var known))
            known.Out.TryRemove((run, attempt), out _);
    }

    /// <summary>Until when an offer stands that this replica made the session and did not see accepted; null: of that it knows nothing.</summary>
    public long? Deadline(string session, Hold offer) =>
        _sessions.TryGetValue(session, out var known) && known.Out.TryGetValue((offer.Run, offer.Attempt), out var deadline) ? deadline : null;

    private static bool IsAnyUnnamed(ConcurrentDictionary<(string Run, int Attempt), long> offers, IReadOnlyList<Hold> named)
    {
        if (offers.IsEmpty)
            return false;
        var known = named.Select(static hold => (hold.Run, hold.Attempt)).ToHashSet();
        return offers.Any(offer => !known.Contains(offer.Key));
    }

    internal sealed class OfSession
    {
        public long? LookedAt { get; set; }

        public ConcurrentDictionary<(string Run, int Attempt), long> Out { get; } = new();
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
            known.Out[(offer.Run, offer.Attempt)] = offer.Deadline;
        known.LookedAt = at;
    }
}
