namespace Lanyard.Server.Runs;

/// <summary>The times and limits of runs. All are checked when the server starts; every mistake is reported at once.</summary>
public sealed record RunsOptions
{
    /// <summary>How long an offer stands before it lapses.</summary>
    public TimeSpan Offer { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Life of an accepted attempt's lease; the runner renews at a third of it.</summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Accepted attempts that a run may have before a lost one fails it.</summary>
    public int MaxAttempts { get; init; } = 3;

    /// <summary>Offers that may lapse or be given back before the run fails: a runner that never accepts must not keep a run for ever.</summary>
    public int MaxOffers { get; init; } = 20;

    /// <summary>Between the signal and the kill when a run is canceled or its time is over.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>What an attempt gets beyond its time and its grace before the server ends it on its own.</summary>
    public TimeSpan StopMargin { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long an accepted attempt may take until its first step begins, while its lease is renewed: images are pulled, nodes come up.</summary>
    public TimeSpan Start { get; init; } = TimeSpan.FromMinutes(60);

    /// <summary>How long a run may wait for a runner.</summary>
    public TimeSpan QueueLife { get; init; } = TimeSpan.FromHours(24);

    /// <summary>How long a plan may wait for a human, where its definition says nothing.</summary>
    public TimeSpan ApprovalLife { get; init; } = TimeSpan.FromHours(72);

    /// <summary>The longest wait of a poll that the server grants.</summary>
    public TimeSpan LongPoll { get; init; } = TimeSpan.FromSeconds(50);

    /// <summary>How often the sweeper looks for lapsed offers and leases.</summary>
    public TimeSpan Sweep { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How often the queues are read behind the wake-ups, in case one was lost.</summary>
    public TimeSpan SlowPoll { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long another replica's word on an attempt's life is believed.</summary>
    public TimeSpan LivenessRecheck { get; init; } = TimeSpan.FromSeconds(1);

    public int MaxLogChunkBytes { get; init; } = 1 << 20;

    /// <summary>A log longer than this is refused; the runner keeps head and tail below it.</summary>
    public long MaxLogBytes { get; init; } = 256L << 20;

    /// <summary>Every mistake, as <c>path: text</c>; empty when all is well.</summary>
    public IReadOnlyList<string> Validate()
    {
        var mistakes = new List<string>();
        Require(Offer, 1, 300, "runs.offer");
        Require(Lease, 3, 3600, "runs.lease");
        Require(Grace, 0, 600, "runs.grace");
        Require(StopMargin, 0, 3600, "runs.stopMargin");
        Require(Start, 0, 86400, "runs.start");
        Require(QueueLife, 60, 30 * 86400, "runs.queueLife");
        Require(ApprovalLife, 60, 30 * 86400, "runs.approvalLife");
        Require(LongPoll, 0, 50, "runs.longPoll");
        Require(Sweep, 0.05, 60, "runs.sweep");
        Require(SlowPoll, 0.1, 60, "runs.slowPoll");
        Require(LivenessRecheck, 0, 1, "runs.livenessRecheck");
        if (MaxAttempts is < 1 or > 100)
            mistakes.Add("runs.maxAttempts: must be 1 to 100");
        if (MaxOffers < MaxAttempts || MaxOffers > 1000)
            mistakes.Add("runs.maxOffers: must be runs.maxAttempts to 1000");
        if (MaxLogChunkBytes is < 1024 or > 16 << 20)
            mistakes.Add("runs.maxLogChunkBytes: must be 1 KiB to 16 MiB");
        if (MaxLogBytes < MaxLogChunkBytes)
            mistakes.Add("runs.maxLogBytes: must be at least runs.maxLogChunkBytes");
        return mistakes;

        void Require(TimeSpan value, double least, double most, string path)
        {
            if (value.TotalSeconds < least || value.TotalSeconds > most)
                mistakes.Add($"{path}: must be {least} to {most} seconds");
        }
    }
}
