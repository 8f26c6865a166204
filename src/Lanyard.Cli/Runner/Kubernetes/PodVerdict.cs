using Lanyard.Protocol.Runs;

namespace Lanyard.Cli.Runner.Kubernetes;

/// <summary>Why a pod will not come to its own end, and what that means for the attempt. A pure function of what Kubernetes shows.</summary>
/// <param name="Outcome">What the server is told: <c>failed</c> where another try would fail alike, else <c>runner_error</c>.</param>
/// <param name="Patience">Seconds for which it must have stayed: it may pass, or the pod may say it better itself. 0: it counts at once.</param>
/// <param name="Cause">Kubernetes' own word for it, such as <c>ErrImageNeverPull</c>; null: it has none.</param>
internal sealed record PodVerdict(string Outcome, string Reason, int Patience, string? Cause = null)
{
    private const int MayPass = 60;
    private const int MaySayItself = 20;

    public static PodVerdict CanceledBeforeStart { get; } = new(RunStates.Canceled, "canceled before the pod had started", 0) { IsByAbsence = true };

    public static PodVerdict Gone { get; } = new(AttemptOutcomes.RunnerError, "the pod is gone", 0) { IsByAbsence = true };

    public static PodVerdict NotStarted(TimeSpan limit) =>
        new(AttemptOutcomes.RunnerError, $"the pod did not start within {limit.TotalMinutes:0} minutes", 0) { IsByAbsence = true };

    /// <summary>It rests on what was not seen, which may only have been missed.</summary>
    public bool IsByAbsence { get; private init; }

    /// <summary>Null: all is well, or may still become so.</summary>
    public static PodVerdict? Of(PodState pod)
    {
        if (pod.IsDeleted || pod.Reason is "Evicted" or "NodeLost" or "Shutdown" or "Terminated" or "Preempting")
        {
            // As long as its steps have to save their state: it says itself how they ended.
            return new(AttemptOutcomes.RunnerError, $"the pod was taken away: {pod.Reason ?? "deleted"} {pod.Message}".TrimEnd(), MaySayItself + pod.GraceSeconds, pod.Reason);
        }

        return pod.Find(JobManifest.LanyardContainer) is { } ours && OfLanyard(ours) is { } verdict
            ? verdict
            : pod.Find(JobManifest.StepsContainer) is { } steps ? OfSteps(steps) : null;
    }

    private static PodVerdict? OfLanyard(ContainerState container) => container switch
    {
        { Ended: { } ended } => new(AttemptOutcomes.RunnerError, $"the container lanyard ended too early: {Words(ended, container)}", MaySayItself, ended),
        { Waiting: { } waiting } when IsTrouble(waiting) => new(AttemptOutcomes.RunnerError, $"the container lanyard can't start: {Words(waiting, container)}", MayPass, waiting),
        _ => null,
    };

    private static PodVerdict? OfSteps(ContainerState container) => container switch
    {
        { Waiting: "ErrImageNeverPull" or "InvalidImageName" } => new(RunStates.Failed, $"the image of the steps can't be had: {Words(container.Waiting, container)}", 0, container.Waiting),
        { Waiting: { } waiting } when IsTrouble(waiting) => new(RunStates.Failed, $"the container of the steps can't start: {Words(waiting, container)}", MayPass, waiting),

        // Without /bin/sh, with a file that is none: nothing of it has ever run.
        { Ended: "StartError" or "ContainerCannotRun" } => new(RunStates.Failed, $"the container of the steps can't start: {Words(container.Ended, container)}", 0, container.Ended),

        // Its other container has noticed, and says what it knows; this is for the case that it can't.
        { Ended: { } ended } => new(RunStates.Failed, $"the container of the steps has ended: {Words(ended, container)}", MaySayItself, ended),
        _ => null,
    };

    private static bool IsTrouble(string waiting) => waiting is not ("ContainerCreating" or "PodInitializing" or "Waiting");

    private static string Words(string reason, ContainerState container) =>
        $"{reason}{(container.ExitCode is { } code and not 0 ? $" (exit code {code})" : "")}{(container.Message.Length > 0 ? ": " + container.Message : "")}";
}

/// <summary>How long the same trouble has lasted.</summary>
internal sealed class PodPatience(TimeProvider time)
{
    private PodVerdict? _trouble;
    private long _since;

    /// <summary>The verdict of now, if it counts by now.</summary>
    public PodVerdict? Judge(PodVerdict? trouble)
    {
        if (trouble is null || trouble.Reason != _trouble?.Reason)
        {
            _since = trouble is null || _trouble is null ? time.GetTimestamp() : _since;
            _trouble = trouble;
        }

        return trouble is not null && (trouble.Patience == 0 || time.GetElapsedTime(_since).TotalSeconds > trouble.Patience) ? trouble : null;
    }
}
