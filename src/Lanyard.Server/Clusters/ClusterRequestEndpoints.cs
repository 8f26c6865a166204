using System.Globalization;
using System.Text;
using Lanyard.Identity;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Clusters;

/// <summary>Requests from someone who administers only the cluster, and their approval.</summary>
internal static class ClusterRequestEndpoints
{
    private const int MaxBody = 128 * 1024;

    public static IResult Script(HttpContext context, Instance instance)
    {
        context.Response.Headers.CacheControl = "no-store";
        return Results.Text(RegisterScript.For(instance.Url), "text/x-shellscript", Encoding.UTF8);
    }

    /// <summary>Nobody is known here yet: the fresh token shows control of the cluster whose keys came with it, and nothing more.</summary>
    public static async Task<IResult> CreateAsync(
        HttpContext context, TrialRoom trials, ClusterRequestStore store, ClusterBudgets budgets, AuditLog audit, TimeProvider time)
    {
        if (!budgets.Requests.TrySpend(Budget.NameOf(context.Connection.RemoteIpAddress)))
        {
            return new Refused(new Refusal(RefusalReason.TooManyRequests, "too many cluster requests"));
        }

        if (!(await StrictJson.ReadAsync(context.Request, ClusterJson.Default.ClusterRequest, MaxBody)).TryGet(out var request, out var refused))
        {
            return refused;
        }

        var mistakes = ClusterSpecs.Mistakes(request.Spec);
        if (request.Spec.Keys.Jwks is null)
        {
            mistakes.Add(new Mistake("spec.keys.jwks", "is missing: nothing is fetched for callers that are not known"));
        }

        if (mistakes.Count > 0)
        {
            return Refused.Malformed(mistakes);
        }

        var report = await trials.JudgeAsync(request.Spec, request.Token, context.RequestAborted);
        var about = AuditEvent.Of(context, "cluster.request") with { Details = ClusterEndpoints.Details(request.Spec, report, request.Token) };
        if (!report.Verified)
        {
            await audit.RecordAsync(about with { Refusal = new Refusal(RefusalReason.ConditionFailed, ClusterEndpoints.Summary(report)) });
            return WantsText(context) ? Text(report, null, null, StatusCodes.Status422UnprocessableEntity) : ClusterEndpoints.TrialRefused(context, report);
        }

        var code = RequestCode.New();
        var now = time.GetUtcNow();
        if (!(await store.AddAsync(code, new ClusterRequestView(request.Spec, report, now, now + ClusterRequestStore.Life), about, context.RequestAborted)).TryGet(out _, out var refusal))
        {
            return new Refused(refusal);
        }

        return WantsText(context)
            ? Text(report, code, now + ClusterRequestStore.Life, StatusCodes.Status201Created)
            : Results.Json(
                new ClusterRequestAnswer(code, now + ClusterRequestStore.Life, report), ClusterJson.Default.ClusterRequestAnswer, statusCode: StatusCodes.Status201Created);
    }

    public static async Task<IResult> GetAsync(
        string workspace, string code, HttpContext context, WorkspaceDirectory workspaces, ClusterRequestStore store, ClusterBudgets budgets)
    {
        var principal = Access.PrincipalOf(context);
        if (!(await workspaces.RequireAsync(principal, workspace, Right.Administer)).TryGet(out _, out var refusal))
        {
            return new Refused(refusal);
        }

        if (budgets.Codes.IsSpent(principal!.Name))
        {
            return new Refused(new Refusal(RefusalReason.TooManyRequests, "too many codes that stand for nothing"));
        }

        if (RequestCode.TryParse(code, out var parsed) && await store.FindAsync(parsed, context.RequestAborted) is { } request)
        {
            return Results.Json(request, ClusterJson.Default.ClusterRequestView);
        }

        budgets.Codes.TrySpend(principal.Name);
        return new Refused(Access.Missing("no such code"));
    }

    public static async Task<IResult> ApproveAsync(
        string workspace, string code, HttpContext context, WorkspaceDirectory workspaces, ClusterRequestStore store, ClusterBudgets budgets, AuditLog audit)
    {
        var principal = Access.PrincipalOf(context);
        if (!(await workspaces.RequireAsync(principal, workspace, Right.Administer)).TryGet(out var entry, out var refusal))
        {
            return new Refused(refusal);
        }

        if (!(await StrictJson.ReadAsync(context.Request, ClusterJson.Default.ClusterApproval)).TryGet(out var approval, out var refused))
        {
            return refused;
        }

        if (!Slug.IsValid(approval.Slug))
        {
            return Refused.Malformed([new Mistake("slug", Slug.Rule)]);
        }

        if (budgets.Codes.IsSpent(principal!.Name))
        {
            return new Refused(new Refusal(RefusalReason.TooManyRequests, "too many codes that stand for nothing"));
        }

        var about = AuditEvent.Of(context, "cluster.approve") with { WorkspaceId = entry.Id, Target = approval.Slug };
        var outcome = RequestCode.TryParse(code, out var parsed)
            ? await store.ApproveAsync(parsed, entry.Id, approval.Slug, about, context.RequestAborted)
            : Access.Missing("no such code");
        if (!outcome.TryGet(out var row, out refusal))
        {
            if (refusal.Reason == RefusalReason.NotFound)
            {
                budgets.Codes.TrySpend(principal.Name);
            }

            await audit.RecordAsync(about with { Refusal = refusal });
            return Refused.Told(refusal);
        }

        return ResourceAnswers.Answer(context, row.ToResource(entry.Slug), ClusterJson.Default.ResourceClusterSpec, created: true);
    }

    private static bool WantsText(HttpContext context) =>
        context.Request.GetTypedHeaders().Accept is [{ MediaType.Value: "text/plain" }, ..];

    /// <summary>For register.sh, which has no JSON reader.</summary>
    private static IResult Text(TrialReport report, string? code, DateTimeOffset? expires, int status)
    {
        var text = new StringBuilder().Append(TrialText.Of(report));
        if (code is not null)
        {
            text.Append(CultureInfo.InvariantCulture, $"\nThe code is {code}, until {expires:u}.\nAn admin of the workspace approves it with:\n");
            text.Append(CultureInfo.InvariantCulture, $"  lanyard cluster approve {code} --workspace WORKSPACE --slug NAME\n");
        }

        return Results.Text(text.ToString(), "text/plain", Encoding.UTF8, status);
    }
}
