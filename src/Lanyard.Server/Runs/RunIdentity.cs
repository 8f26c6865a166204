using Lanyard.Identity;
using Lanyard.Identity.Tokens;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Collections;
using Lanyard.Server.Http;
using Lanyard.Server.Runners;

namespace Lanyard.Server.Runs;

/// <summary>What an identity token of an attempt for one audience is made of; the issuer signs it.</summary>
/// <param name="Algorithm"><c>RS256</c> or <c>ES256</c>.</param>
/// <param name="Lifetime">As the definition says; null: the issuer's default.</param>
/// <param name="Claims">Besides the registered ones: texts, numbers (<see cref="long"/>) and flags (<see cref="bool"/>).</param>
/// <param name="Use">What is counted when the token is made.</param>
internal sealed record RunIdentityGrant(
    string WorkspaceId, string Workspace, string Subject, string Algorithm, TimeSpan? Lifetime, IReadOnlyDictionary<string, object> Claims,
    SubjectUse Use);

/// <summary>
/// Who a run is to the world outside: which audiences its definition allows, the subject by the definition's template, and the whole path as claims.
/// Asked by the exchange through a function that is handed in; no token is made in <c>canceling</c> or after the end.
/// </summary>
internal sealed class RunIdentity(RunStore store, AttemptLiveness liveness, RunnerDirectory runners, SharedDefinitions definitions, Instance instance)
{
    /// <param name="template">Name of another of the audience's templates; null: its default.</param>
    /// <param name="step">Name of the step that asks, where known.</param>
    /// <returns>Or SubjectEnded, AudienceNotAllowed, ScopeNotAllowed (the subject can't be made).</returns>
    public async Task<Outcome<RunIdentityGrant>> GrantAsync(
        string run, int attempt, string audience, string? template = null, string? step = null, CancellationToken cancellationToken = default)
    {
        if (!await liveness.IsAliveAsync(run, attempt, cancellationToken)
            || await store.FindAsync(run, cancellationToken) is not { } record || record.Attempt != attempt
            || await store.FindDocumentAsync(run, cancellationToken) is not { } json)
            return new Refusal(RefusalReason.SubjectEnded, $"attempt {attempt} of {run} does not live");
        var document = RunDocument.Parse(json);
        if (document.Home is not null && !await definitions.IsSharedAsync(document))
            return new Refusal(RefusalReason.AudienceNotAllowed, $"definition {document.DefinitionName} is no longer shared with {document.Workspace}");
        if (AudienceOf(document, audience) is not { } allowed)
            return new Refusal(RefusalReason.AudienceNotAllowed, $"definition {document.Definition} does not allow {audience}");
        if (AudienceSubjects.Find(allowed, template) is not { } named)
            return new Refusal(RefusalReason.ScopeNotAllowed, $"definition {document.Definition} has no template {template} for {audience}");

        var runner = await runners.FindActiveAsync(record.Runner!, null, cancellationToken);
        var values = ValuesOf(record, document, runner, step);
        if (!SubjectTemplate.Parse(named.Template).TryGet(out var parsed, out var refusal) || !parsed.Render(InSubject(values)).TryGet(out var subject, out refusal))
            return refusal;
        if (subject.Length > SubjectTemplate.MaxLengthForGoogle && CloudLimits.IsOfGoogle(audience, document.Cloud))
            return new Refusal(RefusalReason.ScopeNotAllowed, $"the subject has {subject.Length} bytes, Google takes {SubjectTemplate.MaxLengthForGoogle}");
        var claims = ClaimsOf(values, attempt, runner?.IsShared ?? false);
        if (AudienceConditions.Unmet(AudienceConditions.Of(allowed, named.Name), claims) is { } unmet)
            return new Refusal(RefusalReason.AudienceNotAllowed, $"definition {document.Definition}, {audience}, subject {named.Name}: {unmet}");
        var lifetime = allowed.LifetimeSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : (TimeSpan?)null;
        return new RunIdentityGrant(
            document.Home?.WorkspaceId ?? document.WorkspaceId, document.Home?.Workspace ?? document.Workspace, subject, allowed.Algorithm ?? "RS256", lifetime, claims,
            new SubjectUse(document.DefinitionId, audience, named.Name));
    }

    /// <summary>The default audience and those of the clouds are allowed without a list; an entry of the list says how their tokens look.</summary>
    private static AudienceSpec? AudienceOf(RunDocument document, string audience) =>
        document.Spec.Audiences?.FirstOrDefault(a => a.Audience == audience)
        ?? (audience == document.DefaultAudience || CloudRules.AudiencesOf(document.Cloud).Contains(audience, StringComparer.Ordinal) ? new AudienceSpec(audience) : null);

    private Dictionary<string, string?> ValuesOf(RunRecord record, RunDocument document, ActiveRunner? runner, string? step)
    {
        var own = OwnValuesOf(record, document, runner, step);
        return document.Home is { } home ? SharedValues.Of(own, home, runner) : own;
    }

    private Dictionary<string, string?> OwnValuesOf(RunRecord record, RunDocument document, ActiveRunner? runner, string? step) => new(StringComparer.Ordinal)
    {
        ["instance"] = instance.Slug,
        ["workspace"] = document.Workspace,
        ["workspace_id"] = document.WorkspaceId,
        ["collection"] = document.Collection,
        ["collection_id"] = document.CollectionId,
        ["definition"] = document.Definition,
        ["definition_id"] = document.DefinitionId,
        ["definition_uuid"] = document.DefinitionUuid,
        ["runner"] = runner?.Runner.Slug,
        ["runner_id"] = record.Runner,
        ["run"] = record.Id,
        ["attempt"] = record.Attempt.ToString(System.Globalization.CultureInfo.InvariantCulture),
        ["step"] = step,
        ["phase"] = record.Phase,
        ["environment"] = document.Context.Environment,
        ["repository"] = document.Context.Repository,
        ["ref"] = document.Context.Ref,
        ["actor"] = document.Context.Actor,
        ["context_source"] = document.Context.Source,
    };

    /// <summary>Parts of a subject are told apart by colons, and a principal's name has some: they are written as in a URL.</summary>
    private static Dictionary<string, string?> InSubject(Dictionary<string, string?> values) => new(values, StringComparer.Ordinal)
    {
        ["actor"] = values["actor"]?.Replace("%", "%25", StringComparison.Ordinal).Replace(":", "%3A", StringComparison.Ordinal),
    };

    private static Dictionary<string, object> ClaimsOf(Dictionary<string, string?> values, int attempt, bool isShared)
    {
        var claims = values.Where(v => !string.IsNullOrEmpty(v.Value)).ToDictionary(v => v.Key, object (v) => v.Value!, StringComparer.Ordinal);
        claims["attempt"] = (long)attempt;
        claims["runner_shared"] = isShared;
        return claims;
    }
}
