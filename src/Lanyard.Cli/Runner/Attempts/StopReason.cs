namespace Lanyard.Cli.Runner.Attempts;

/// <summary>Why an attempt is stopped before its steps are through. A later reason only replaces an earlier one that is milder.</summary>
internal enum StopReason
{
    None,

    /// <summary>The attempt's own timeout.</summary>
    TimedOut,

    /// <summary>The server asked.</summary>
    Canceled,

    /// <summary>The runner is told to stop at once.</summary>
    RunnerStopped,

    /// <summary>The attempt's pod is told to end: deleted, evicted, or its node is drained.</summary>
    PodEnding,

    /// <summary>The lease could not be renewed: everything must be dead before it ends.</summary>
    LeaseEnding,

    /// <summary>The attempt is another's: kill now, say nothing.</summary>
    Abandoned,

    /// <summary>The runner goes and the attempt goes on: its pod holds it, and the next runner finds it again.</summary>
    Released,
}
