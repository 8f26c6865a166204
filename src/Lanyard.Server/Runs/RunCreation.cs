using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Audit;
using Lanyard.Server.Collections;
using Lanyard.Server.Http;
using Lanyard.Server.Runners;

namespace Lanyard.Server.Runs;

/// <summary>A run that was made, or was there already under the same idempotency key.</summary>
/// <param name="New">Null: it was there.</param>
internal sealed record CreatedRun(string Id, NewRun? New);

/// <summary>A run as it was made.</summary>
internal sealed record NewRun(ListedRun Listed, RunDocument Document);

/// <summary>Makes runs: the definition as it is now goes into the run, and the run into its queue.</summary>
internal sealed class RunCreation(
    RunStore store, RunMemory memory, RunQueries queries, CollectionStore collections, SharedDefinitions definitions, RunnerStore runners, Dispatch dispatch, RunRules rules, RunMetrics metrics, Instance instance, TimeProvider time)
{
    /// <param name="tell">What the audit says of a run with this id.</param>
    /// <param name="mistakes">What is wrong with what the request names; when there is any, nothing was made.</param>
    /// <returns>The run; Conflict when the idempotency key was used with another body; NotFound when the collection was deleted meanwhile.</returns>
    public async Task<Outcome<CreatedRun>> CreateAsync(
        CollectionEntry collection, CreateRun request, RunContext context, string? idempotencyKey, Func<string, AuditEvent> tell, List<Mistake> mistakes, CancellationToken cancellationToken,
        RunOrigin? origin = null)
    {
        var (definition, home) = await definitions.FindAsync(collection, request.Definition);
        if (definition is null)
            mistakes.Add(new("definition", "the collection has no such definition"));
        var slug = request.Runner ?? definition?.Spec.Runner;
        var runner = slug is null ? null : await FindRunnerAsync(collection, slug, cancellationToken);
        if (slug is not null && runner is null)
            mistakes.Add(new("runner", "no such runner serves the collection"));
        if (definition?.Spec.Runner is { } fixedRunner && slug != fixedRunner)
            mistakes.Add(new("runner", "the definition names another"));
        if (definition is not null)
            CheckAction(request, definition.Spec, mistakes);
        if (mistakes.Count > 0)
            return new Refusal(RefusalReason.RequestMalformed, mistakes[0].ToString());

        var ofCollection = (await collections.FindAsync(collection.Id))?.Spec;
        var document = DocumentOf(collection, request, definition!, home, context) with
        {
            Cloud = home is null ? CloudRules.InForce(ofCollection?.Cloud, definition!.Spec.Cloud) : definition!.Spec.Cloud,
            Pod = PodRules.InForce(ofCollection?.Pod, definition.Spec.Pod),
            Origin = origin,
        };
        var run = RecordOf(collection, request, document, runner);
        var (key, hash) = idempotencyKey is null ? (null, null) : (Hash(context.Actor + "\n" + idempotencyKey), HashOf(request, context));
        if (collection.State is CollectionStates.Cordoned or CollectionStates.Draining)
            return await RepeatedAsync(collection, key, hash, $"{collection.Path} is {collection.State}: it takes no new runs", cancellationToken);
        var (json, priority) = (document.ToJson(), request.Priority ?? 0);
        return await store.InsertAsync(run, (document.DefinitionId, document.DefinitionName), priority, json, key, hash, tell(run.Id), Inserted, cancellationToken) switch
        {
            null => new CreatedRun(run.Id, new NewRun(new ListedRun(run, document.DefinitionName, priority), document)),
            { Reason: RefusalReason.Conflict } => await RepeatedAsync(collection, key, hash, "the idempotency key was used with another body", cancellationToken),
            var refusal => refusal,
        };

        void Inserted()
        {
            memory.Remember(run.Id, document, json);
            metrics.Created();
            dispatch.Queued(run.Queue);
        }
    }

    private static void CheckAction(CreateRun request, DefinitionSpec spec, List<Mistake> mistakes)
    {
        if (spec.Opentofu is null && request.Action is not null)
            mistakes.Add(new("action", "the definition has no opentofu block"));
        if (spec.Opentofu is not null && request.Phase is not null)
            mistakes.Add(new("phase", "the definition plans and then applies: an action is wanted"));
    }

    /// <summary>The step that plans and applies is the last, and the runner's own. Hosts have the tool, images seldom: pods are for definitions that say so.</summary>
    private static DefinitionSpec WithOwnStep(DefinitionSpec spec) =>
        spec.Opentofu is null ? spec : spec with { Steps = [.. spec.Steps, new StepSpec(OpentofuRules.StepName, Script: ":")], Executor = spec.Executor ?? "process" };

    private static string? FlowOf(RunDocument document) => document.Action switch
    {
        null => null,
        RunActions.Plan or RunActions.Drift => RunFlows.Only,
        _ => document.Spec.Opentofu!.Approval == false ? RunFlows.Auto : RunFlows.Approve,
    };

    /// <summary>The run that the same call has made before; or why there is none now.</summary>
    private async Task<Outcome<CreatedRun>> RepeatedAsync(CollectionEntry collection, string? key, string? hash, string otherwise, CancellationToken cancellationToken) =>
        key is not null && await queries.FindByIdempotencyAsync(collection.Id, key, cancellationToken) is { } before && before.RequestHash == hash
            ? new CreatedRun(before.Run, null)
            : new Refusal(RefusalReason.Conflict, otherwise);

    private async Task<RunnerRecord?> FindRunnerAsync(CollectionEntry collection, string slug, CancellationToken cancellationToken)
    {
        foreach (var workspace in (string?[])[collection.Workspace.Id, null])
        {
            if (await runners.FindBySlugAsync(workspace, slug, cancellationToken) is { } runner
                && (await runners.CollectionsAsync(runner.Id, cancellationToken)).Exists(c => c.Id == collection.Id))
                return runner;
        }
        return null;
    }

    /// <summary>Of a shared definition the audiences are the owner's, and what it may do to runs of its own collection means none of this one.</summary>
    private RunDocument DocumentOf(CollectionEntry collection, CreateRun request, ResourceRow<DefinitionSpec> definition, CollectionEntry? home, RunContext context)
    {
        var owner = home?.Workspace ?? collection.Workspace;
        var spec = home is null ? definition.Spec : definition.Spec with { Operations = null };
        var workspace = collection.Workspace;
        var labels = (definition.Spec.Labels ?? []).Concat(request.Labels ?? []).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal);
        return new(
            workspace.Id,
            workspace.Slug,
            collection.Id,
            collection.Slug,
            definition.Id,
            definition.Slug,
            Ids.ToUuid(definition.Id),
            spec.DefaultAudience ?? owner.DefaultAudience ?? instance.WorkspaceIssuer(owner.Slug),
            WithOwnStep(spec),
            request.Variables ?? new Dictionary<string, string>(),
            context,
            request.Runner ?? definition.Spec.Runner,
            [.. labels, .. RunnerRules.LabelsOf(WithOwnStep(definition.Spec).Executor)],
            Action: definition.Spec.Opentofu is null ? null : request.Action ?? RunActions.Apply,
            Home: home is null ? null : new DefinitionHome(owner.Id, owner.Slug, home.Id, home.Slug));
    }

    private RunRecord RecordOf(CollectionEntry collection, CreateRun request, RunDocument document, RunnerRecord? runner) => new(
        Ids.New("run", time),
        collection.Workspace.Id,
        collection.Id,
        QueueKey.Format(collection.Id, runner?.Id, [.. document.Labels]),
        document.Action is null ? request.Phase ?? CreateRunRules.DefaultPhase : RunRules.PlanPhase,
        document.Spec.TimeoutSeconds ?? DefinitionRules.DefaultTimeoutSeconds,
        RunStates.Queued,
        0, "", 0, null, null, 0, 0, 0, 0, 0, 0, null, null, 0, null, false, 0,
        rules.Now,
        0,
        1,
        document.Spec.Steps.Count,
        RunTerms.Of(document.Spec),
        rules.QueueUntil(RunTerms.Of(document.Spec)),
        FlowOf(document));

    /// <summary>Of what was understood, so that blanks and the order of members make no difference; variables are sorted. What the creator's token says of its work is part of it.</summary>
    private static string HashOf(CreateRun request, RunContext context)
    {
        var sorted = request with
        {
            Repository = context.Repository,
            Ref = context.Ref,
            Environment = context.Environment,
            Variables = request.Variables is null ? null : new SortedDictionary<string, string>(request.Variables.ToDictionary(), StringComparer.Ordinal),
        };
        return Hash(JsonSerializer.Serialize(sorted, RunDocumentJson.Default.CreateRun));
    }

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
