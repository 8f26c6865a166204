using Lanyard.Protocol.Resources;

namespace Lanyard.Server.Runs;

/// <summary>Why an attempt did not bring its run to an end that stands.</summary>
[Flags]
public enum RetryCauses
{
    None = 0,
    Lost = 1,
    RunnerError = 2,
    Failed = 4,
    TimedOut = 8,
}

/// <summary>
/// What a definition says about trying again, waiting and ending; kept in the run's row. Null: what <see cref="RunsOptions"/> say, and for
/// <paramref name="Retry"/>: after a lost attempt, and where a runner could not begin.
/// </summary>
/// <param name="Attempts">Accepted attempts altogether.</param>
/// <param name="QueueSeconds">How long it waits for a runner, each time.</param>
/// <param name="GraceSeconds">Between the signal and the kill.</param>
/// <param name="ApprovalSeconds">How long a plan waits for a human.</param>
public readonly record struct RunTerms(int? Attempts = null, RetryCauses? Retry = null, int? QueueSeconds = null, int? GraceSeconds = null, int? ApprovalSeconds = null)
{
    public static RunTerms Of(DefinitionSpec spec) => new(spec.Retry?.Attempts, CausesOf(spec.Retry?.On), spec.QueueTimeoutSeconds, spec.GraceSeconds, spec.Opentofu?.ApprovalTimeoutSeconds);

    /// <summary>Whether the rule says to try again, the limits of numbers and of <c>apply</c> aside.</summary>
    /// <param name="hasStarted">Its first step may have begun.</param>
    public bool Retries(RetryCauses cause, bool hasStarted) => Retry is { } causes
        ? (causes & cause) != 0
        : cause == RetryCauses.Lost || (cause == RetryCauses.RunnerError && !hasStarted);

    private static RetryCauses? CausesOf(IReadOnlyList<string>? on) => on?.Aggregate(RetryCauses.None, static (causes, word) => causes | word switch
    {
        RetryOn.Lost => RetryCauses.Lost,
        RetryOn.RunnerError => RetryCauses.RunnerError,
        RetryOn.Failed => RetryCauses.Failed,
        RetryOn.TimedOut => RetryCauses.TimedOut,
        _ => RetryCauses.None,
    });
}
