namespace Lanyard.Protocol.Runs;

/// <summary>States of a run. <c>queued -> running -> succeeded | failed | canceled | timed_out</c>.</summary>
public static class RunStates
{
    public const string Queued = "queued";
    public const string Running = "running";
    public const string Succeeded = "succeeded";
    public const string Failed = "failed";
    public const string Canceled = "canceled";
    public const string TimedOut = "timed_out";

    public static bool IsFinal(string state) => state is Succeeded or Failed or Canceled or TimedOut;
}

/// <summary>States of an attempt. <c>offered -> accepted -> running -> canceling -> ended | lost</c>.</summary>
public static class AttemptStates
{
    public const string Offered = "offered";
    public const string Accepted = "accepted";
    public const string Running = "running";

    /// <summary>Cancel was asked; until the process is dead only state, log and grace calls are taken.</summary>
    public const string Canceling = "canceling";

    public const string Ended = "ended";
    public const string Lost = "lost";

    public static bool IsOver(string state) => state is Ended or Lost;
}

/// <summary>How an attempt may end, beside the final states of a run.</summary>
public static class AttemptOutcomes
{
    /// <summary>It could not be run: the runner's fault, or its host's. Another try may go well.</summary>
    public const string RunnerError = "runner_error";
}

/// <summary>What the server answers for each attempt that a runner says it holds.</summary>
public static class HoldAnswers
{
    /// <summary>Go on; the lease is renewed.</summary>
    public const string Keep = "keep";

    /// <summary>The attempt is not (or no more) the runner's: kill the process, send nothing further for it.</summary>
    public const string Abandon = "abandon";

    /// <summary>Signal, wait the grace period, kill, then end the attempt with the outcome <c>canceled</c>.</summary>
    public const string Cancel = "cancel";
}
