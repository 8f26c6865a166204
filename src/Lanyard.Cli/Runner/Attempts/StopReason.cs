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

    /// <summary>The lease could not be renewed: everything must be dead before it ends.</summary>
    LeaseEnding,

    /// <summary>The attempt is another's: kill now, say nothing.</summary>
    Abandoned,
}
