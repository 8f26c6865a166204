using Lanyard.Identity;
using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runtime;
using Lanyard.Server.Audit;
using Lanyard.Server.Collections;
using Lanyard.Server.Http;
using Lanyard.Server.Runtime;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Operations;

/// <summary>
/// <c>/runtime/runs</c>. A run of a definition that the caller has no grant for does not exist for it (404), whether it does or not; one that it has a grant for,
/// though not for this action, it may see (403).
/// </summary>
internal static class OperationEndpoints
{
    public static async Task<IResult> StartAsync(HttpContext context, RuntimeCaller caller, OperationQuestions questions, LoopGuard guard, AuditLog audit)
    {
        if (!(await caller.RequireAsync(context)).TryGet(out var subject, out var refusal)) return new Refused(refusal);
        if (!(await StrictJson.ReadAsync(context.Request, RuntimeJson.Default.RuntimeRunRequest)).TryGet(out var request, out var refused)) return refused;
        var cancellation = context.RequestAborted;
        var outcome = await StartAsync(subject, request, await questions.CallerOf(subject, cancellation));
        if (outcome.TryGet(out var run, out refusal)) return Results.Json(run, RuntimeJson.Default.RuntimeRunView, statusCode: StatusCodes.Status201Created);
        await audit.RecordAsync(EventOf(context, subject, "operation.start", request.Definition) with { Refusal = refusal });
        return refusal.Reason == RefusalReason.RequestMalformed ? Refused.Malformed([new Mistake("definition", refusal.Detail)]) : new Refused(refusal);

        async Task<Outcome<RuntimeRunView>> StartAsync(RuntimeSubject subject, RuntimeRunRequest request, OperationCaller? known)
        {
            var grants = (known?.Grants ?? []).Where(grant => grant.Definition == request.Definition && (request.Collection is null || request.Collection == grant.Collection)).ToList();
            if (grants.Count == 0) return Access.Missing($"{subject.Id} may do nothing to runs of {request.Collection ?? "any collection"}/{request.Definition}");
            var phase = request.Phase ?? OperationGrant.DefaultPhase;
            if (grants.Where(grant => grant.Allows(OperationRules.Start, phase)).ToList() is not { Count: > 0 } allowed)
                return new Refusal(RefusalReason.Forbidden, $"{subject.Id} may not start {request.Definition} in the phase {phase}");
            if (allowed.Select(static grant => grant.CollectionId).Distinct().Count() > 1)
                return new Refusal(RefusalReason.RequestMalformed, "several collections have it: say which");
            return await guard.TakeAsync(known!.Chain, cancellation) is { } loop
                ? loop
                : await questions.Start(context, subject, allowed[0], request, known.Chain with { Depth = known.Chain.Depth + 1 }, cancellation);
        }
    }

    public static async Task<IResult> GetAsync(string run, HttpContext context, RuntimeCaller caller, OperationQuestions questions)
    {
        if (!(await caller.RequireAsync(context)).TryGet(out var subject, out var refusal)
            || !(await FindAsync(run, subject, action: null, questions, context.RequestAborted)).TryGet(out var view, out refusal)) return new Refused(refusal);
        context.Response.Headers.CacheControl = "no-store";
        return Results.Json(view, RuntimeJson.Default.RuntimeRunView);
    }

    public static async Task<IResult> ExtendAsync(string run, HttpContext context, RuntimeCaller caller, OperationQuestions questions, AuditLog audit)
    {
        if (!(await caller.RequireAsync(context)).TryGet(out var subject, out var refusal)) return new Refused(refusal);
        if (!(await StrictJson.ReadAsync(context.Request, RuntimeJson.Default.RuntimeExtension)).TryGet(out var request, out var refused)) return refused;
        if (request.Seconds is < 1 or > DefinitionRules.MaxTimeoutSeconds) return Refused.Malformed([new Mistake("seconds", $"must be 1 to {DefinitionRules.MaxTimeoutSeconds}")]);
        return await ChangeAsync(run, context, subject, OperationRules.Extend, questions, audit, view => questions.Extend(context, subject, view, request.Seconds, context.RequestAborted));
    }

    public static async Task<IResult> CancelAsync(string run, HttpContext context, RuntimeCaller caller, OperationQuestions questions, AuditLog audit)
    {
        if (!(await caller.RequireAsync(context)).TryGet(out var subject, out var refusal)) return new Refused(refusal);
        return await ChangeAsync(run, context, subject, OperationRules.Cancel, questions, audit, view => questions.Cancel(context, subject, view, context.RequestAborted));
    }

    internal static AuditEvent EventOf(HttpContext context, RuntimeSubject subject, string action, string target) =>
        AuditEvent.Of(context, action) with
        {
            WorkspaceId = subject.WorkspaceId,
            Target = target,
            Details = new Dictionary<string, string>(StringComparer.Ordinal) { ["by"] = subject.Key },
        };

    private static async Task<IResult> ChangeAsync(
        string run, HttpContext context, RuntimeSubject subject, string action, OperationQuestions questions, AuditLog audit,
        Func<RuntimeRunView, ValueTask<Outcome<RuntimeRunView>>> change)
    {
        var found = await FindAsync(run, subject, action, questions, context.RequestAborted);
        var outcome = found.TryGet(out var view, out var refusal) ? await change(view) : refusal;
        if (outcome.TryGet(out var changed, out refusal)) return Results.Json(changed, RuntimeJson.Default.RuntimeRunView);
        await audit.RecordAsync(EventOf(context, subject, "operation." + action, run) with { Refusal = refusal });
        return new Refused(refusal);
    }

    /// <param name="action">Null: any grant is enough, to look.</param>
    private static async Task<Outcome<RuntimeRunView>> FindAsync(
        string run, RuntimeSubject subject, string? action, OperationQuestions questions, CancellationToken cancellationToken)
    {
        var grants = Ids.TryParse(run, "run", out _) ? (await questions.CallerOf(subject, cancellationToken))?.Grants ?? [] : [];
        foreach (var ofCollection in grants.GroupBy(static grant => grant.CollectionId, StringComparer.Ordinal))
        {
            if (await questions.Find(ofCollection.Key, run, cancellationToken) is not { } view) continue;
            var own = ofCollection.Where(grant => grant.Definition == view.Definition).ToList();
            if (own.Count == 0) break;
            return action is null || own.Exists(grant => grant.Allows(action))
                ? view
                : new Refusal(RefusalReason.Forbidden, $"{subject.Id} may not {action} runs of {view.Definition}");
        }

        return Access.Missing($"{subject.Id} may do nothing to a run {run}");
    }
}
