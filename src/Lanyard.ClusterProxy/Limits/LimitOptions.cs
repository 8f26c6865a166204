namespace Lanyard.ClusterProxy.Limits;

/// <summary>How much at once, over all and for each user. 0 means no limit.</summary>
internal sealed record LimitOptions
{
    public static readonly LimitOptions Default = new();

    /// <summary>Short requests of everybody, counted before a token is looked at.</summary>
    public int InFlight { get; init; } = 3000;

    /// <summary>Of the short requests and the streams together, those that may wait for an issuer to answer: never so many that nobody else finds room.</summary>
    public int WaitingForKeys => InFlight > 0 ? Math.Max(1, InFlight / 2) : Default.InFlight / 2;

    /// <summary>Watches, execs and other streams of everybody.</summary>
    public int LongRunning { get; init; } = 20_000;

    public int UserInFlight { get; init; } = 1000;

    public int UserLongRunning { get; init; } = 10_000;

    /// <summary>Requests a second of one user, streams included.</summary>
    public int UserRate { get; init; }

    /// <summary>How many a user may ask at once after a pause; at least 1.</summary>
    public int UserBurst { get; init; } = 200;

    /// <summary>Bytes of a request's body; an upgraded connection has no such end.</summary>
    public long MaxBody { get; init; } = 100L * 1024 * 1024;
}
