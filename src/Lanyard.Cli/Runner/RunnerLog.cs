using Microsoft.Extensions.Logging;

namespace Lanyard.Cli.Runner;

internal static partial class RunnerLog
{
    [LoggerMessage(LogLevel.Information, "The server drains this runner: {Count} attempts are held, and this process ends with the last of them")]
    public static partial void DrainedByServer(this ILogger log, int count);

    [LoggerMessage(LogLevel.Information, "Runner {Name} ({Runner}) has a session at {Server}; it serves {Collections}")]
    public static partial void SessionOpened(this ILogger logger, string name, string runner, Uri server, string collections);

    [LoggerMessage(LogLevel.Warning, "No session at {Server} yet: {Detail}")]
    public static partial void SessionRefused(this ILogger logger, Uri server, string? detail);

    [LoggerMessage(LogLevel.Warning, "The session is over ({Detail}); a new one is opened")]
    public static partial void SessionOver(this ILogger logger, string? detail);

    [LoggerMessage(LogLevel.Error, "Another process with this runner's key or token has taken over its place: each process needs a runner of its own")]
    public static partial void SessionFenced(this ILogger logger);

    [LoggerMessage(LogLevel.Information, "Attempt {Attempt} of {Workspace}/{Collection} accepted")]
    public static partial void Accepted(this ILogger logger, AttemptKey attempt, string workspace, string collection);

    [LoggerMessage(LogLevel.Error, "No further run is taken until there is room: {Detail}")]
    public static partial void TakesNothing(this ILogger logger, string detail);

    [LoggerMessage(LogLevel.Information, "There is room again: runs are taken")]
    public static partial void TakesRunsAgain(this ILogger logger);

    [LoggerMessage(LogLevel.Warning, "The offer of {Attempt} could not be accepted: {Detail}")]
    public static partial void NotAccepted(this ILogger logger, AttemptKey attempt, string? detail);

    [LoggerMessage(LogLevel.Information, "Attempt {Attempt} was left running by an earlier runner; this one goes on with it")]
    public static partial void Adopted(this ILogger logger, AttemptKey attempt);

    [LoggerMessage(LogLevel.Information, "Another replica holds the Lease {Lease}; this one stands by")]
    public static partial void StandsBy(this ILogger logger, string lease);

    [LoggerMessage(LogLevel.Information, "This replica ({Identity}) holds the Lease {Lease}")]
    public static partial void Leads(this ILogger logger, string lease, string identity);

    [LoggerMessage(LogLevel.Warning, "The Lease {Lease} could not be renewed: another replica may speak by now, and this one is silent")]
    public static partial void LeadsNoMore(this ILogger logger, string lease);

    [LoggerMessage(LogLevel.Warning, "The API server of the cluster could not be reached: {Detail}")]
    public static partial void ClusterAway(this ILogger logger, string detail);

    [LoggerMessage(LogLevel.Warning, "The kubeconfig could not be read anew, what it said before serves on: {Detail}")]
    public static partial void ClusterNotOpened(this ILogger logger, string detail);

    [LoggerMessage(LogLevel.Warning, "The API server could not be reached, or does not take the Job of {Attempt} yet: {Detail}")]
    public static partial void JobNotTaken(this ILogger logger, AttemptKey attempt, string detail);

    [LoggerMessage(LogLevel.Warning, "The server does not take {Event} of {Attempt} into its timeline, and is not asked again: {Detail}")]
    public static partial void EventNotTaken(this ILogger logger, string @event, AttemptKey attempt, string? detail);

    [LoggerMessage(LogLevel.Warning, "The pod of {Attempt} does not come to its own end: {Reason}")]
    public static partial void PodGivenUp(this ILogger logger, AttemptKey attempt, string reason);

    [LoggerMessage(LogLevel.Warning, "The Job of {Attempt} is deleted, but its pod does not go")]
    public static partial void JobStays(this ILogger logger, AttemptKey attempt);

    [LoggerMessage(LogLevel.Information, "The Job of {Attempt} is cleared away")]
    public static partial void JobSwept(this ILogger logger, AttemptKey attempt);

    [LoggerMessage(LogLevel.Error, "Jobs of this runner could not be cleared away; it is tried again")]
    public static partial void SweepFailed(this ILogger logger, Exception exception);

    [LoggerMessage(LogLevel.Information, "The pod of {Attempt} waits until its runner has named it ({Detail})")]
    public static partial void PodWaits(this ILogger logger, AttemptKey attempt, string? detail);

    [LoggerMessage(LogLevel.Information, "The pod of {Attempt} ends: {Outcome}")]
    public static partial void PodEnds(this ILogger logger, AttemptKey attempt, string outcome);

    [LoggerMessage(LogLevel.Information, "Attempt {Attempt} ended: {Outcome}")]
    public static partial void Ended(this ILogger logger, AttemptKey attempt, string outcome);

    [LoggerMessage(LogLevel.Warning, "Attempt {Attempt} is no longer this runner's; its processes are dead")]
    public static partial void Abandoned(this ILogger logger, AttemptKey attempt);

    [LoggerMessage(LogLevel.Error, "Attempt {Attempt} broke off inside the runner")]
    public static partial void BrokeOff(this ILogger logger, AttemptKey attempt, Exception exception);

    [LoggerMessage(LogLevel.Warning, "The end of {Attempt} was not taken: {Detail}")]
    public static partial void EndNotTaken(this ILogger logger, AttemptKey attempt, string? detail);

    [LoggerMessage(LogLevel.Warning, "The server could not be reached: {Detail}")]
    public static partial void Unreachable(this ILogger logger, string? detail);

    [LoggerMessage(LogLevel.Information, "Draining: {Count} attempts are finished first; a second signal cancels them")]
    public static partial void Draining(this ILogger logger, int count);

    [LoggerMessage(LogLevel.Warning, "Canceling {Count} attempts")]
    public static partial void Stopping(this ILogger logger, int count);

    [LoggerMessage(LogLevel.Critical, "No progress for {Seconds} s: giving up, so that a supervisor starts a fresh runner")]
    public static partial void NoProgress(this ILogger logger, double seconds);

    [LoggerMessage(LogLevel.Information, "This host's key waits for approval. On an admin's machine: lanyard runner approve {Fingerprint} --name {Name} --collection WORKSPACE/COLLECTION")]
    public static partial void WaitsForApproval(this ILogger logger, string fingerprint, string name);

    [LoggerMessage(LogLevel.Warning, "This host could not ask {Server} to become its runner, and tries again: {Detail}")]
    public static partial void NotRegistered(this ILogger logger, Uri server, string detail);

    [LoggerMessage(LogLevel.Information, "The API server is asked about tokens for the server: {Count} so far")]
    public static partial void TokensReviewed(this ILogger logger, long count);

    [LoggerMessage(LogLevel.Warning, "Tokens could not be reviewed; tried again soon: {Detail}")]
    public static partial void TokensNotReviewed(this ILogger logger, string detail);

    [LoggerMessage(LogLevel.Information, "The cluster's keys were pushed: {State}")]
    public static partial void KeysPushed(this ILogger logger, string state);

    [LoggerMessage(LogLevel.Warning, "The cluster's keys could not be read or pushed; tried again soon: {Detail}")]
    public static partial void KeysNotPushed(this ILogger logger, string detail);

    [LoggerMessage(LogLevel.Error, "The server refused the cluster's keys: {Detail} Where no key of the cluster is trusted any more, it must be registered anew: lanyard cluster register")]
    public static partial void KeysRefused(this ILogger logger, string detail);

    [LoggerMessage(LogLevel.Error, "This runner can't run: {Detail}")]
    public static partial void CanNotRun(this ILogger logger, string detail);
}
