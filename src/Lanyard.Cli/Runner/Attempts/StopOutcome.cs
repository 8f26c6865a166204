using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runner.Attempts;

/// <summary>What the server is told of an attempt that was stopped.</summary>
internal static class StopOutcome
{
    public static (string Outcome, string? Reason) Of(StopReason reason, AttemptTimeout timeout) => reason switch
    {
        StopReason.TimedOut => (RunStates.TimedOut, $"the run took longer than its {timeout.Seconds} s"),
        StopReason.Canceled => (RunStates.Canceled, null),
        StopReason.RunnerStopped => (RunStates.Canceled, "the runner was stopped"),
        StopReason.PodEnding => (AttemptOutcomes.RunnerError, "the pod was told to end: deleted, evicted, or its node is drained"),
        StopReason.LeaseEnding => (AttemptOutcomes.RunnerError, "the lease could not be renewed"),
        _ => (AttemptOutcomes.RunnerError, "the attempt could not be started"),
    };
}
