namespace Lanyard.Server.Cache.Limits;

/// <summary>
/// How an eviction makes way: it works in small steps, and while others are served it takes one in a <see cref="Beat"/>, or on a machine where a step takes long, works no more than half of
/// the time. A share of the time alone would not do: where the machine is busy a step waits most of its time, for others and for the disk, and the eviction would hardly come on.
/// Where nobody reads it goes on.
/// </summary>
internal sealed class EvictionPace(BlobReads reads, TimeProvider time)
{
    /// <summary>Entries a step: a writer never waits longer than for so many, and a sync serves as many. Each costs some 0.4 ms of a core in all, in two steps.</summary>
    public const int Step = 50;

    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(160);

    /// <summary>However long a step took: a full disk comes sooner.</summary>
    private static readonly TimeSpan LongestRest = TimeSpan.FromMilliseconds(200);

    private long _begun = reads.Begun;
    private long _since = time.GetTimestamp();

    /// <summary>After a step.</summary>
    public async Task RestAsync(CancellationToken cancellationToken)
    {
        var took = time.GetElapsedTime(_since);
        var isServing = reads.Begun != _begun;
        if (isServing) await Task.Delay(took < Beat / 2 ? Beat - took : took < LongestRest ? took : LongestRest, time, cancellationToken);
        (_begun, _since) = (reads.Begun, time.GetTimestamp());
    }
}
