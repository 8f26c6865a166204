using Lanyard.Identity;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Clusters;

internal static class ClusterEndpoints
{
    private const int TrialRefusedStatus = StatusCodes.Status422UnprocessableEntity;

    public static async Task<IResult> ListAsync(string workspace, HttpContext context, WorkspaceDirectory workspaces, ClusterStore store)
    {
        if (!(await workspaces.RequireAsync(Access.PrincipalOf(context), workspace, Right.Read)).TryGet(out var entry, out var refusal)
            || !Paging.Read(context.Request).TryGet(out var paging, out refusal))
        {
            return new Refused(refusal);
        }

        var (items, next) = paging.Cut(await store.ListAsync(entry.Id, paging, context.RequestAborted), static row => row.Row.Slug);
        return Results.Json(
            new ResourceList<ClusterSpec>([.. items.Select(row => row.ToResource(entry.Slug))], next), ClusterJson.Default.ResourceListClusterSpec);
    }

    public static async Task<IResult> GetAsync(string workspace, string cluster, HttpContext context, WorkspaceDirectory workspaces, ClusterStore store)
    {
        if (!(await workspaces.RequireAsync(Access.PrincipalOf(context), workspace, Right.Read)).TryGet(out var entry, out var refusal))
        {
            return new Refused(refusal);
        }

        return await store.FindAsync(entry.Id, cluster, context.RequestAborted) is { } row
            ? ResourceAnswers.Answer(context, row.ToResource(entry.Slug), ClusterJson.Default.ResourceClusterSpec)
            : new Refused(Access.Missing($"no cluster {cluster} in {entry.Id}"));
    }

    /// <summary>Registers: the token must pass the whole chain against exactly the record that is then stored.</summary>
    public static async Task<IResult> PutAsync(
        string workspace, string cluster, HttpContext context, WorkspaceDirectory workspaces, ClusterStore store, TrialRoom trials, AuditLog audit)
    {
        if (!(await workspaces.RequireAsync(Access.PrincipalOf(context), workspace, Right.Administer)).TryGet(out var entry, out var refusal)
            || !Precondition.Read(context.Request).TryGet(out var precondition, out refusal))
        {
            return new Refused(refusal);
        }

        if (!(await StrictJson.ReadAsync(context.Request, ClusterJson.Default.ClusterWrite)).TryGet(out var write, out var refused))
        {
            return refused;
        }

        var mistakes = Mistakes(write, cluster, workspace);
        if (mistakes.Count > 0)
        {
            return Refused.Malformed(mistakes);
        }

        // Looked at before the trial too: a call that can't succeed must not use up its token.
        if (precondition.Check((await store.FindAsync(entry.Id, cluster, context.RequestAborted))?.Row.ETag) is { } unmet)
        {
            return new Refused(unmet);
        }

        var report = await trials.JudgeAsync(write.Spec, write.Token!, context.RequestAborted);
        var about = AuditEvent.Of(context, "cluster.register") with { WorkspaceId = entry.Id, Target = cluster, Details = Details(write.Spec, report, write.Token!) };
        if (!report.Verified)
        {
            await audit.RecordAsync(about with { Refusal = new Refusal(RefusalReason.ConditionFailed, Summary(report)) });
            return TrialRefused(context, report);
        }

        if (!(await store.PutAsync(entry.Id, cluster, write.Spec, report, precondition, about, context.RequestAborted)).TryGet(out var put, out refusal))
        {
            return new Refused(refusal);
        }

        return ResourceAnswers.Answer(context, put.Row.ToResource(entry.Slug), ClusterJson.Default.ResourceClusterSpec, put.Created);
    }

    /// <summary>
    /// Ends trust at once, whatever rests on it, as with a trusted issuer: policies that name it match nobody from then on, and its runners can't come in, which the event says.
    /// </summary>
    public static async Task<IResult> DeleteAsync(
        string workspace, string cluster, HttpContext context, WorkspaceDirectory workspaces, ClusterStore store, ClusterTrust trust)
    {
        if (!(await workspaces.RequireAsync(Access.PrincipalOf(context), workspace, Right.Administer)).TryGet(out var entry, out var refusal)
            || !Precondition.Read(context.Request).TryGet(out var precondition, out refusal))
        {
            return new Refused(refusal);
        }

        var resting = await store.FindAsync(entry.Id, cluster, context.RequestAborted) is { } row
            ? await trust.Resting(new ClusterPlace(entry.Id, cluster, row.Row.Id), context.RequestAborted)
            : null;
        var about = AuditEvent.Of(context, "cluster.delete") with { Details = resting };
        return (await store.DeleteAsync(entry.Id, cluster, precondition, about, context.RequestAborted)).TryGet(out _, out refusal) ? Results.NoContent() : Refused.Told(refusal);
    }

    public static IResult TrialRefused(HttpContext context, TrialReport report) => Results.Json(
        new TrialProblem("urn:lanyard:problem:trial-refused", "The trial did not hold; nothing was stored.", TrialRefusedStatus, context.TraceIdentifier, report),
        ClusterJson.Default.TrialProblem,
        "application/problem+json",
        TrialRefusedStatus);

    public static IReadOnlyDictionary<string, string> Details(ClusterSpec spec, TrialReport report, string token) => new Dictionary<string, string>
    {
        ["issuer"] = spec.Issuer,
        ["subject"] = spec.Runner.Subject,
        ["trialTokenSha256"] = TrialRoom.HashOf(token),
        ["report"] = Summary(report),
    };

    /// <summary>Which lines held and which did not; what a token said stays out of the audit where it was not verified.</summary>
    public static string Summary(TrialReport report) => string.Join(' ', report.Lines.Select(line => $"{line.Name}={(line.Ok ? "ok" : "wrong")}"));

    private static List<Mistake> Mistakes(ClusterWrite write, string slug, string workspace)
    {
        var envelope = new ResourceWrite<ClusterSpec>(write.Spec, write.Kind, write.Id, write.Slug, write.Workspace);
        var mistakes = ResourceAnswers.EnvelopeMistakes(envelope, ClustersFeature.Kind, slug, workspace);
        mistakes.AddRange(ClusterSpecs.Mistakes(write.Spec));
        if (string.IsNullOrEmpty(write.Token))
        {
            mistakes.Add(new Mistake("token", "is missing: a cluster is registered by a trial with a fresh token of its runner's service account"));
        }

        return mistakes;
    }
}
