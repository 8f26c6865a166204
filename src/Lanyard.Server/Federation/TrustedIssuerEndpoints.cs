using System.Text.Json;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Federation;

/// <summary>Trusted issuers as resources, of a workspace and of the instance.</summary>
internal static class TrustedIssuerEndpoints
{
    public static async Task<IResult> ListAsync(HttpContext context, WorkspaceDirectory workspaces, TrustRecordStore store)
    {
        if (!(await TrustScope.RequireAsync(context, workspaces, Right.Read)).TryGet(out var scope, out var refusal)
            || !Paging.Read(context.Request).TryGet(out var paging, out refusal)) return new Refused(refusal);
        var records = (await store.ListAsync(context.RequestAborted)).Where(r => r.Kind == TrustRecord.IssuerKind && r.WorkspaceId == scope.WorkspaceId);
        var page = records.Where(r => string.CompareOrdinal(r.Slug, paging.After) > 0).OrderBy(r => r.Slug, StringComparer.Ordinal).Take(paging.Limit + 1).ToList();
        var (items, next) = paging.Cut(page, r => r.Slug);
        return Results.Json(new ResourceList<JsonElement>([.. items.Select(r => View(r, scope))], next), ResourceJson.Default.ResourceListJsonElement);
    }

    public static async Task<IResult> GetAsync(string issuer, HttpContext context, WorkspaceDirectory workspaces, TrustRecordStore store)
    {
        if (!(await TrustScope.RequireAsync(context, workspaces, Right.Read)).TryGet(out var scope, out var refusal)) return new Refused(refusal);
        return await store.FindAsync(scope.WorkspaceId, TrustRecord.IssuerKind, issuer, context.RequestAborted) is { } record
            ? ResourceAnswers.Answer(context, View(record, scope), ResourceJson.Default.ResourceJsonElement)
            : new Refused(Access.Missing($"no trusted issuer {issuer}"));
    }

    public static async Task<IResult> PutAsync(
        string issuer, HttpContext context, WorkspaceDirectory workspaces, TrustRecordStore store, TimeProvider time)
    {
        if (!(await TrustScope.RequireAsync(context, workspaces, Right.Administer)).TryGet(out var scope, out var refusal)
            || !Precondition.Read(context.Request).TryGet(out var precondition, out refusal)) return new Refused(refusal);
        if (!(await StrictJson.ReadAsync(context.Request, TrustJson.Default.ResourceWriteTrustedIssuerSpec)).TryGet(out var write, out var refused)) return refused;
        var mistakes = ResourceAnswers.EnvelopeMistakes(write, FederationFeature.IssuerKind, issuer, scope.Workspace);
        TrustedIssuerSpecs.Compile("check", write.Spec, mistakes);
        WorkflowRules.CheckPlace(write.Spec, scope, workspaces, mistakes);
        if (mistakes.Count > 0) return Refused.Malformed(mistakes);

        var current = await store.FindAsync(scope.WorkspaceId, TrustRecord.IssuerKind, issuer, context.RequestAborted);
        if (precondition.Check(current is null ? null : Precondition.ETagOf(current.Id, current.Version)) is { } failed) return new Refused(failed);
        var now = time.GetUtcNow();
        var spec = JsonSerializer.Serialize(write.Spec, TrustJson.Default.TrustedIssuerSpec);
        var record = new TrustRecord(
            current?.Id ?? Ids.New("ti", time), scope.WorkspaceId, TrustRecord.IssuerKind, issuer, write.Spec.Issuer, spec, (current?.Version ?? 0) + 1, current?.CreatedAt ?? now, now);
        var keys = TrustedIssuerSpecs.InitialKeys(write.Spec);
        var about = AuditEvent.Of(context, "trusted-issuer.put") with { WorkspaceId = scope.WorkspaceId, Target = record.Id };
        var done = current is null
            ? await store.AddAsync(record, keys, about, context.RequestAborted)
            : await store.ReplaceAsync(record, current.Version, keys, about, context.RequestAborted);
        if (!done.TryGet(out _, out refusal)) return new Refused(refusal);
        return ResourceAnswers.Answer(context, View(record, scope), ResourceJson.Default.ResourceJsonElement, current is null);
    }

    /// <summary>
    /// Ends trust at once, whatever rests on it: that is what it is for when an issuer leaks, so policies that name it are no hindrance. They match nobody from then on, which
    /// the event and each of them says.
    /// </summary>
    public static async Task<IResult> DeleteAsync(string issuer, HttpContext context, WorkspaceDirectory workspaces, TrustRecordStore store, PolicyDirectory policies)
    {
        if (!(await TrustScope.RequireAsync(context, workspaces, Right.Administer)).TryGet(out var scope, out var refusal)
            || !Precondition.Read(context.Request).TryGet(out var precondition, out refusal)) return new Refused(refusal);
        if (await store.FindAsync(scope.WorkspaceId, TrustRecord.IssuerKind, issuer, context.RequestAborted) is not { } record)
            return new Refused(Access.Missing($"no trusted issuer {issuer}"));
        if (precondition.Check(Precondition.ETagOf(record.Id, record.Version)) is { } failed) return new Refused(failed);
        var naming = await policies.NamingAsync(record.WorkspaceId, record.Slug, context.RequestAborted);
        var about = AuditEvent.Of(context, "trusted-issuer.delete") with
        {
            WorkspaceId = scope.WorkspaceId,
            Target = record.Id,
            Details = naming.Count == 0 ? null : new Dictionary<string, string>(StringComparer.Ordinal) { ["policies"] = string.Join(' ', naming) },
        };
        return (await store.DeleteAsync(record.Id, record.Version, about, context.RequestAborted)).TryGet(out _, out refusal) ? Results.NoContent() : new Refused(refusal);
    }

    /// <summary>One that can't be read is shown as it stands, with what is wrong with it, so that somebody can repair or delete it.</summary>
    private static Resource<JsonElement> View(TrustRecord record, TrustScope scope)
    {
        var mistakes = new List<Mistake>();
        if (TrustedIssuerSpecs.Read(record.SpecJson, mistakes) is { } spec) TrustedIssuerSpecs.Compile(record.Id, spec, mistakes);
        return new Resource<JsonElement>(
            FederationFeature.IssuerKind,
            record.Id,
            record.Slug,
            scope.Workspace,
            null,
            Precondition.ETagOf(record.Id, record.Version),
            record.CreatedAt,
            record.UpdatedAt,
            ResourceAnswers.StoredSpec(record.SpecJson),
            Warnings: mistakes.Count == 0 ? null : [.. mistakes.Select(static mistake => mistake with { Text = $"{mistake.Text} (as stored: the issuer is believed by nobody until it is put right)" })]);
    }
}
