using Lanyard.ClusterProxy.Answers;
using Lanyard.ClusterProxy.Audit;
using Lanyard.ClusterProxy.Impersonation;
using Lanyard.ClusterProxy.Limits;
using Lanyard.Identity;

namespace Lanyard.ClusterProxy.Requests;

/// <summary>One request's way through the proxy, noted down as it goes, for audit, access log, metrics and limits.</summary>
internal sealed class Passage
{
    /// <summary>Of the clock's timestamp.</summary>
    public required long StartedAt { get; init; }

    /// <summary>Null until somebody needs to know.</summary>
    public RequestInfo? Info { get; set; }

    public bool IsLongRunning { get; set; }

    /// <summary>Whose token it is; null as long as nobody is known.</summary>
    public KubernetesUser? User { get; set; }

    /// <summary>Who the caller asked to be and may be.</summary>
    public KubernetesUser? Target { get; set; }

    public Refusal? Refusal { get; set; }

    /// <summary>An answer of our own, refusal or failure; null when the API server answered.</summary>
    public KubernetesStatus? Answer { get; set; }

    /// <summary>Null when the policy wants nothing of this request.</summary>
    public AuditRecord? Audit { get; set; }

    /// <summary>Goes to the API server and back, so that its audit and ours name the request alike.</summary>
    public string? AuditId { get; set; }

    /// <summary>Told when the head of a long-running answer is there.</summary>
    public Func<Passage, int, ValueTask>? Started { get; set; }

    public bool IsAdmitted { get; set; }

    public UserLoad? Load { get; set; }

    public RequestInfo InfoOf(string method, string target) => Info ??= RequestInfo.Parse(method, target);
}
