using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Identity.Trust;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Federation;

/// <summary>Looks up a collection of a workspace by slug and by id; handed in, because collections are another room's.</summary>
internal sealed record CollectionLookup(Func<string, string, string?> IdOf, Func<string, string?> SlugOf);

/// <summary>
/// Trust policies as resources, of a workspace, of one collection in it (the envelope's <c>collection</c>), and of the instance. The spec is the document that
/// <see cref="TrustPolicy"/> reads: endpoint and door use one parser, so that they can't disagree.
/// </summary>
internal static class TrustPolicyEndpoints
{
    public static async Task<IResult> ListAsync(HttpContext context, WorkspaceDirectory workspaces, PolicyDirectory policies, CollectionLookup collections)
    {
        if (!(await TrustScope.RequireAsync(context, workspaces, Right.Read)).TryGet(out var scope, out var refusal)
            || !Paging.Read(context.Request).TryGet(out var paging, out refusal)) return new Refused(refusal);
        var records = (await policies.RecordsAsync(context.RequestAborted)).Where(p => p.WorkspaceId == scope.WorkspaceId);
        var page = records.Where(p => string.CompareOrdinal(p.Slug, paging.After) > 0).OrderBy(p => p.Slug, StringComparer.Ordinal).Take(paging.Limit + 1).ToList();
        var (items, next) = paging.Cut(page, p => p.Slug);
        return Results.Json(new ResourceList<JsonElement>([.. items.Select(p => View(p, scope, collections))], next), ResourceJson.Default.ResourceListJsonElement);
    }

    public static async Task<IResult> GetAsync(
        string policy, HttpContext context, WorkspaceDirectory workspaces, PolicyDirectory policies, TrustDirectory issuers, CollectionLookup collections)
    {
        if (!(await TrustScope.RequireAsync(context, workspaces, Right.Read)).TryGet(out var scope, out var refusal)) return new Refused(refusal);
        return await FindAsync(policy, scope, policies, context) is { } record
            ? ResourceAnswers.Answer(context, await LintAsync(View(record, scope, collections), scope, issuers, context.RequestAborted), ResourceJson.Default.ResourceJsonElement)
            : new Refused(Access.Missing($"no trust policy {policy}"));
    }

    public static async Task<IResult> PutAsync(
        string policy, HttpContext context, WorkspaceDirectory workspaces, PolicyDirectory policies, TrustDirectory issuers, TrustRecordStore records, TrustPolicyStore store,
        CollectionLookup collections, TimeProvider time)
    {
        if (!(await TrustScope.RequireAsync(context, workspaces, Right.Administer)).TryGet(out var scope, out var refusal)
            || !Precondition.Read(context.Request).TryGet(out var precondition, out refusal)) return new Refused(refusal);
        if (!(await StrictJson.ReadAsync(context.Request, ResourceJson.Default.ResourceWriteJsonElement)).TryGet(out var write, out var refused)) return refused;
        var mistakes = ResourceAnswers.EnvelopeMistakes(write with { Collection = null }, FederationFeature.PolicyKind, policy, scope.Workspace);
        var collectionId = CollectionOf(write.Collection, scope, collections, mistakes);
        var (_, wrong) = TrustPolicy.Parse(write.Spec);
        mistakes.AddRange(wrong.Select(static mistake => new Mistake(PathOf(mistake), mistake.Text)));
        if (wrong.All(static mistake => mistake.Path != "issuer") && NamedIssuer(write.Spec) is { } named
            && !await records.IsThereAsync(scope.WorkspaceId, named, context.RequestAborted)) mistakes.Add(NoIssuer(named));
        if (mistakes.Count > 0) return Refused.Malformed(mistakes);

        var current = await FindAsync(policy, scope, policies, context);
        if (precondition.Check(current is null ? null : Precondition.ETagOf(current.Id, current.Version)) is { } failed) return new Refused(failed);
        var now = time.GetUtcNow();
        var record = new TrustPolicyRecord(
            current?.Id ?? Ids.New("pol", time), scope.WorkspaceId, collectionId, policy, write.Spec.GetRawText(), (current?.Version ?? 0) + 1, current?.CreatedAt ?? now, now);
        var about = AuditEvent.Of(context, "trust-policy.put") with { WorkspaceId = scope.WorkspaceId, CollectionId = collectionId, Target = record.Id };
        var done = current is null ? await store.AddAsync(record, about, context.RequestAborted) : await store.ReplaceAsync(record, current.Version, about, context.RequestAborted);
        if (!done) return new Refused(new Refusal(RefusalReason.PreconditionFailed, "it was changed at the same moment"));
        var saved = await LintAsync(View(record, scope, collections), scope, issuers, context.RequestAborted);
        return ResourceAnswers.Answer(context, saved, ResourceJson.Default.ResourceJsonElement, current is null);
    }

    public static async Task<IResult> DeleteAsync(
        string policy, HttpContext context, WorkspaceDirectory workspaces, PolicyDirectory policies, TrustPolicyStore store)
    {
        if (!(await TrustScope.RequireAsync(context, workspaces, Right.Administer)).TryGet(out var scope, out var refusal)
            || !Precondition.Read(context.Request).TryGet(out var precondition, out refusal)) return new Refused(refusal);
        if (await FindAsync(policy, scope, policies, context) is not { } record) return new Refused(Access.Missing($"no trust policy {policy}"));
        if (precondition.Check(Precondition.ETagOf(record.Id, record.Version)) is { } failed) return new Refused(failed);
        var about = AuditEvent.Of(context, "trust-policy.delete") with { WorkspaceId = scope.WorkspaceId, CollectionId = record.CollectionId, Target = record.Id };
        return await store.DeleteAsync(record.Id, record.Version, about, context.RequestAborted)
            ? Results.NoContent()
            : new Refused(new Refusal(RefusalReason.PreconditionFailed, "it was changed at the same moment"));
    }

    /// <summary>What a draft would have made of past decisions; for a slug that does not exist yet, too.</summary>
    public static async Task<IResult> ReplayAsync(
        string policy, HttpContext context, WorkspaceDirectory workspaces, PolicyDirectory policies, TrustDirectory issuers, PolicyReplay replay, AuditLog audit)
    {
        if (!(await TrustScope.RequireAsync(context, workspaces, Right.Administer)).TryGet(out var scope, out var refusal)) return new Refused(refusal);
        if (!(await StrictJson.ReadAsync(context.Request, ReplayJson.Default.ReplayRequest)).TryGet(out var request, out var refused)) return refused;
        var record = await FindAsync(policy, scope, policies, context);
        if (record is null && request.Spec is null) return new Refused(Access.Missing($"no trust policy {policy}"));
        var (draft, mistakes) = request.Spec is { } spec ? TrustPolicy.Parse(spec) : TrustPolicy.Parse(System.Text.Encoding.UTF8.GetBytes(record!.SpecJson));
        var wrong = mistakes.Select(static mistake => new Mistake($"spec.{mistake.Path}", mistake.Text)).ToList();
        var issuer = draft is null ? null : await issuers.ByNameAsync(draft.Issuer, scope.WorkspaceId, context.RequestAborted);
        if (draft is not null && issuer is null) wrong.Add(NoIssuer(draft.Issuer));
        if (wrong.Count > 0) return Refused.Malformed(wrong);

        var report = await replay.RunAsync(draft!, record?.Id, scope.WorkspaceId, issuer!.Issuer.Issuer, request.Since, context.RequestAborted);
        await audit.RecordAsync(AuditEvent.Of(context, "trust-policy.replay") with { WorkspaceId = scope.WorkspaceId, Target = record?.Id ?? policy });
        return Results.Json(report, ReplayJson.Default.ReplayReport);
    }

    private static async Task<TrustPolicyRecord?> FindAsync(string slug, TrustScope scope, PolicyDirectory policies, HttpContext context) =>
        (await policies.RecordsAsync(context.RequestAborted)).FirstOrDefault(p => p.WorkspaceId == scope.WorkspaceId && p.Slug == slug);

    private static string PathOf(PolicyMistake mistake) => mistake.Path.Length == 0 ? "spec" : $"spec.{mistake.Path}";

    private static Mistake NoIssuer(string name) => new("spec.issuer", $"{name}: there is no such trusted issuer");

    /// <summary>Also of a spec in which other things are wrong: all mistakes are told at once.</summary>
    private static string? NamedIssuer(JsonElement spec) =>
        spec.ValueKind == JsonValueKind.Object && spec.TryGetProperty("issuer", out var issuer) && issuer.ValueKind == JsonValueKind.String ? issuer.GetString() : null;

    private static string? CollectionOf(string? slug, TrustScope scope, CollectionLookup collections, List<Mistake> mistakes)
    {
        if (slug is null) return null;
        var id = scope.WorkspaceId is null ? null : collections.IdOf(scope.WorkspaceId, slug);
        if (id is null) mistakes.Add(new Mistake("collection", $"{slug}: no such collection"));
        return id;
    }

    private static async ValueTask<Resource<JsonElement>> LintAsync(Resource<JsonElement> policy, TrustScope scope, TrustDirectory issuers, CancellationToken cancellation)
    {
        if (policy.Warnings is not null) return policy;
        var slug = policy.Spec.GetProperty("issuer").GetString()!;
        var issuer = await issuers.ByNameAsync(slug, scope.WorkspaceId, cancellation);
        var warnings = PolicyLint.Warnings(policy.Spec, issuer?.Issuer.Issuer).Select(static warning => new Mistake($"spec.{warning.Path}", warning.Text)).ToList();
        if (issuer is null) warnings.Add(new Mistake("spec.issuer", $"{slug}: there is no such trusted issuer, so that it matches nobody"));
        return warnings.Count == 0 ? policy : policy with { Warnings = warnings };
    }

    /// <summary>One that can't be read is shown as it stands, with what is wrong with it, so that somebody can repair or delete it.</summary>
    private static Resource<JsonElement> View(TrustPolicyRecord record, TrustScope scope, CollectionLookup collections)
    {
        var mistakes = TrustPolicy.Parse(System.Text.Encoding.UTF8.GetBytes(record.SpecJson)).Mistakes;
        return new Resource<JsonElement>(
            FederationFeature.PolicyKind,
            record.Id,
            record.Slug,
            scope.Workspace,
            record.CollectionId is null ? null : collections.SlugOf(record.CollectionId),
            Precondition.ETagOf(record.Id, record.Version),
            record.CreatedAt,
            record.UpdatedAt,
            ResourceAnswers.StoredSpec(record.SpecJson),
            Warnings: mistakes.Count == 0 ? null : [.. mistakes.Select(static mistake => new Mistake(PathOf(mistake), $"{mistake.Text} (as stored: the policy lets nobody in until it is put right)"))]);
    }
}
