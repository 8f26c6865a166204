namespace Lanyard.Server.Cache.Limits;

/// <summary>
/// How an eviction makes way: it works in small steps, and while others are served it rests after each for many times as long as it took. What is over a quota may wait a little; those who
/// restore may not. Where nobody reads it goes on.
/// </summary>
internal sealed class EvictionPace(BlobReads reads, TimeProvider time)
{
    /// <summary>Entries a step: a writer never waits longer than for so many.</summary>
    public const int Step = 20;

    private const int RestsAStep = 12;

    /// <summary>However busy the machine: a full disk comes sooner.</summary>
    private static readonly TimeSpan LongestRest = TimeSpan.FromMilliseconds(500);

    private long _begun = reads.Begun;
    private long _since = time.GetTimestamp();

    /// <summary>After a step.</summary>
    public async Task RestAsync(CancellationToken cancellationToken)
    {
        var took = time.GetElapsedTime(_since);
        var isServing = reads.Begun != _begun;
        if (isServing && took > TimeSpan.Zero) await Task.Delay(TimeSpan.FromTicks(Math.Min((took * RestsAStep).Ticks, LongestRest.Ticks)), time, cancellationToken);
        (_begun, _since) = (reads.Begun, time.GetTimestamp());
    }
}
