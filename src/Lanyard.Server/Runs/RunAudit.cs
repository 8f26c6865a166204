using System.Globalization;
using Lanyard.Identity;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Audit;
using Lanyard.Server.Runners;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Runs;

/// <summary>The audit events of runs: one for each decision and change, on disk before the answer leaves.</summary>
internal sealed class RunAudit(AuditLog log)
{
    public static AuditEvent Created(HttpContext context, string workspaceId, string collectionId, string run) =>
        AuditEvent.Of(context, "run.create") with { WorkspaceId = workspaceId, CollectionId = collectionId, Target = run };

    public Task NotCreatedAsync(HttpContext context, string workspaceId, string collectionId, Refusal refusal) =>
        log.RecordAsync(AuditEvent.Of(context, "run.create") with { WorkspaceId = workspaceId, CollectionId = collectionId, Refusal = refusal });

    /// <summary>What a caller did to a run: <c>run.cancel</c>, <c>attempt.accept</c>, <c>attempt.end</c>.</summary>
    public static AuditEvent Changed(HttpContext context, string action, RunChange change) => Of(AuditEvent.Of(context, action), change.After);

    /// <summary>What time did, or what a runner no longer holds: the event has no principal.</summary>
    public static AuditEvent Expired(RunChange change) => Of(new AuditEvent(change.Before.IsLive ? "attempt.lost" : "run.expire"), change.After);

    /// <summary>A pod has been given what its attempt needs: nothing changes by that.</summary>
    public Task GivenAsync(HttpContext context, RunChange change) => log.RecordAsync(Changed(context, "attempt.give", change));

    /// <summary>From here on the pod's token stands for the attempt.</summary>
    public static AuditEvent Pod(HttpContext context, string run, int attempt, PodReport pod) => AuditEvent.Of(context, "attempt.pod") with
    {
        Target = $"{run}/{attempt.ToString(CultureInfo.InvariantCulture)}",
        Details = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["pod"] = $"{pod.Namespace}/{pod.Name}", ["uid"] = pod.Uid, ["serviceAccount"] = pod.ServiceAccount,
        },
    };

    public static AuditEvent Session(HttpContext context, RunnerRecord runner, RunnerSession session) => AuditEvent.Of(context, "runner.session") with
    {
        WorkspaceId = runner.Workspace,
        Target = runner.Id,
        Details = new Dictionary<string, string>(StringComparer.Ordinal) { ["session"] = session.Session, ["version"] = session.Version },
    };

    public Task RefusedAsync(HttpContext context, string action, string run, int attempt, Refusal refusal) =>
        log.RecordAsync(AuditEvent.Of(context, action) with { Refusal = refusal, Target = $"{run}/{attempt.ToString(CultureInfo.InvariantCulture)}" });

    private static AuditEvent Of(AuditEvent about, RunRecord run) => about with
    {
        WorkspaceId = run.Workspace,
        CollectionId = run.Collection,
        Target = run.Attempt == 0 ? run.Id : $"{run.Id}/{run.Attempt.ToString(CultureInfo.InvariantCulture)}",
        Details = DetailsOf(run),
    };

    private static Dictionary<string, string> DetailsOf(RunRecord run)
    {
        var details = new Dictionary<string, string>(StringComparer.Ordinal) { ["state"] = run.State, ["attemptState"] = run.AttemptState };
        if (run.Runner is not null)
            details["runner"] = run.Runner;
        if (run.Outcome is not null)
            details["outcome"] = run.Outcome;
        if (run.Reason is not null)
            details["reason"] = run.Reason;
        return details;
    }
}
