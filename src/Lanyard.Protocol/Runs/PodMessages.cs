using System.Globalization;

namespace Lanyard.Protocol.Runs;

// What the run protocol says about attempts that run in a pod of their own (docs/decisions/0096). The runner names the pod; the pod then makes
// the attempt's other calls itself, with its own pod-bound service-account token as the bearer and an empty session: no session fences it, its uid does.

/// <summary>
/// <c>PUT /v1/runner/attempts/{run}/{attempt}/pod</c>: the pod that the runner has made for the attempt. Written once: the same uid again is fine,
/// another one is 409.
/// </summary>
/// <param name="Name">As Kubernetes calls the pods of the Job <c>run-…-ATTEMPT</c>: so it can be this attempt's only, whoever else in the cluster learns the uid.</param>
/// <param name="Uid">The pod's <c>metadata.uid</c>: the one thing that no other pod will ever have.</param>
/// <param name="ServiceAccount">Whose token the pod proves itself by; never the runner's own.</param>
public sealed record PodReport(string Session, string Namespace, string Name, string Uid, string ServiceAccount);

/// <summary>
/// What the pods of an attempt are called, which their tokens say too. A run's id is random, and only who has its attempt may name a pod for it: a pod that is so called was made for that attempt, and a runner
/// that names one for its own attempt can't have meant another's.
/// </summary>
public static class PodNames
{
    /// <summary>The Job's name: the same for the same attempt, so that a runner that has forgotten that it made the Job finds it.</summary>
    public static string OfJob(string run, int attempt) => string.Create(CultureInfo.InvariantCulture, $"{run.Replace('_', '-')}-{attempt}");

    /// <summary>Kubernetes calls a Job's pods by the Job's name, a hyphen, and letters of its own.</summary>
    public static bool IsOf(string pod, string run, int attempt) =>
        OfJob(run, attempt) is var job && pod.Length > job.Length + 1 && pod.StartsWith(job, StringComparison.Ordinal) && pod[job.Length] == '-';
}

/// <summary><c>POST /v1/runner/attempts/{run}/{attempt}/events</c>: at most 50 at once; of an attempt the first 100 are kept.</summary>
public sealed record EventsReport(string Session, IReadOnlyList<AttemptEvent> Events);

/// <param name="Key">What tells events apart: one of an attempt that has it is enough. 1 to 200 printable ASCII characters.</param>
/// <param name="Reason">One word, such as <c>OOMKilled</c>.</param>
/// <param name="Message">At most 1000 characters.</param>
public sealed record AttemptEvent(string Key, DateTimeOffset At, string Reason, string Message);

/// <summary>
/// <c>POST /v1/runner/attempts/{run}/{attempt}/hold</c>, for an attempt's own pod: renews the lease, and waits until there is something to tell or
/// the time is over. Answered with a <see cref="HoldAnswer"/>.
/// </summary>
/// <param name="WaitSeconds">0 to 50; the server never waits for longer than a third of the lease.</param>
public sealed record HoldRequest(int WaitSeconds);

/// <summary>How the pod of an attempt is made; what is absent is the runner's to decide.</summary>
/// <param name="Image">Of the steps. Nothing needs to be in it but <c>/bin/sh</c>.</param>
/// <param name="User">The uid that steps run under.</param>
public sealed record PodPayload(
    string? Image = null,
    string? ImagePullPolicy = null,
    string? ServiceAccount = null,
    IReadOnlyDictionary<string, string>? NodeSelector = null,
    IReadOnlyDictionary<string, string>? Requests = null,
    IReadOnlyDictionary<string, string>? Limits = null,
    long? User = null);
