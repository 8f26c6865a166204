using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Audit;
using Lanyard.Server.Collections;
using Lanyard.Server.Http;
using Lanyard.Server.Workspaces;

namespace Lanyard.Server.Runners;

/// <summary>The trust record of a registered cluster by its slug, for a runner's identity; null when there is none. Handed in: clusters are another room.</summary>
internal delegate ValueTask<string?> FindCluster(string workspaceId, string slug, CancellationToken cancellationToken);

/// <summary>The id of a trust policy by its slug, of a workspace or (null) of the instance; null when there is none. Handed in: trust is another room.</summary>
internal delegate ValueTask<string?> FindPolicy(string? workspaceId, string slug, CancellationToken cancellationToken);

/// <summary>Creates and replaces runners: names become ids, and an identity belongs to one runner only.</summary>
internal sealed class RunnerWriting(
    RunnerStore store,
    RunnerRequestStore requests,
    RunnerDirectory directory,
    WorkspaceDirectory workspaces,
    CollectionDirectory collections,
    FindCluster findCluster,
    FindPolicy findPolicy,
    TimeProvider time)
{
    public const string IdPrefix = "rnr";

    /// <param name="workspace">Null: a shared runner.</param>
    /// <param name="mistakes">What is wrong with what the spec names; when there is any, nothing was changed.</param>
    /// <returns>The runner and whether it is new; PreconditionFailed, PreconditionRequired, Conflict (the identity is another runner's).</returns>
    public async Task<Outcome<(RunnerRecord Runner, bool IsNew)>> PutAsync(
        WorkspaceEntry? workspace, string slug, RunnerSpec spec, Precondition precondition, List<Mistake> mistakes, AuditEvent about, CancellationToken cancellationToken)
    {
        var current = await store.FindBySlugAsync(workspace?.Id, slug, cancellationToken);
        if (precondition.Check(current is null ? null : ETagOf(current)) is { } refusal)
            return refusal;
        var connected = Connect(workspace, spec, mistakes);
        var trustRecord = await TrustRecordAsync(workspace, spec.Identity, mistakes, cancellationToken);
        var policy = await PolicyAsync(workspace, spec.Identity, mistakes, cancellationToken);
        var jwk = await PublicKeyAsync(spec.Identity, current, mistakes, cancellationToken);
        if (mistakes.Count > 0)
            return new Refusal(RefusalReason.RequestMalformed, mistakes[0].ToString());

        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        var runner = new RunnerRecord(
            current?.Id ?? Ids.New(IdPrefix, time), workspace?.Id, slug, JsonSerializer.Serialize(spec, ResourceJson.Default.RunnerSpec), trustRecord,
            spec.Identity.Subject, spec.Identity.KeyThumbprint, jwk, spec.State is RunnerStates.Paused or RunnerStates.Draining, (current?.Version ?? 0) + 1, current?.Created ?? now, now, policy);
        if (!(await store.PutAsync(runner, connected, current?.Version ?? 0, about, cancellationToken)).TryGet(out _, out refusal))
            return refusal;
        directory.Rewritten(runner.Id);
        return (runner, current is null);
    }

    public async Task<Outcome<string>> DeleteAsync(WorkspaceEntry? workspace, string slug, Precondition precondition, AuditEvent about, CancellationToken cancellationToken)
    {
        if (await store.FindBySlugAsync(workspace?.Id, slug, cancellationToken) is not { } current)
            return Access.Missing($"no runner {slug}");
        if (precondition.Check(ETagOf(current)) is { } refusal)
            return refusal;
        return await store.DeleteAsync(current.Id, current.Version, about with { WorkspaceId = workspace?.Id }, () => directory.Rewritten(current.Id), cancellationToken)
            ? current.Id
            : new Refusal(RefusalReason.PreconditionFailed, $"runner {slug} was changed meanwhile");
    }

    public static string ETagOf(RunnerRecord runner) => Precondition.ETagOf(runner.Id, runner.Version);

    /// <summary>A workspace's runner serves its own collections only: the wall is the workspace's, and another's names are not looked at.</summary>
    private List<ConnectedCollection> Connect(WorkspaceEntry? workspace, RunnerSpec spec, List<Mistake> mistakes)
    {
        var connected = new List<ConnectedCollection>(spec.Collections.Count);
        for (var i = 0; i < spec.Collections.Count; i++)
        {
            var name = spec.Collections[i];
            var path = workspace is not null && !name.Contains('/', StringComparison.Ordinal) ? $"{workspace.Slug}/{name}" : name;
            var isForeign = workspace is not null && !path.StartsWith(workspace.Slug + "/", StringComparison.Ordinal);
            if (isForeign || collections.FindByPath(path) is not { } collection)
                mistakes.Add(new($"spec.collections[{i}]", workspace is null ? "there is no such workspace/collection" : "the workspace has no such collection"));
            else if (connected.Exists(c => c.Id == collection.Id))
                mistakes.Add(new($"spec.collections[{i}]", "is there twice"));
            else
                connected.Add(new(collection.Id, collection.Workspace.Id, collection.Path, spec.Weights?.GetValueOrDefault(name, 1) ?? 1));
        }
        return connected;
    }

    private async ValueTask<string?> TrustRecordAsync(
        WorkspaceEntry? workspace, RunnerIdentity identity, List<Mistake> mistakes, CancellationToken cancellationToken)
    {
        if (identity.Cluster is not { } name)
            return null;
        var parts = name.Split('/');
        var home = parts.Length == 2 ? workspaces.Find(parts[0]) : workspace;
        if (parts.Length <= 2 && home is not null && (workspace is null || home.Id == workspace.Id)
            && await findCluster(home.Id, parts[^1], cancellationToken) is { } record)
            return record;
        mistakes.Add(new("spec.identity.cluster", workspace is null ? "there is no such workspace/cluster" : "the workspace has no such cluster"));
        return null;
    }

    private async ValueTask<string?> PolicyAsync(WorkspaceEntry? workspace, RunnerIdentity identity, List<Mistake> mistakes, CancellationToken cancellationToken)
    {
        if (identity.Policy is not { } slug)
            return null;
        if (await findPolicy(workspace?.Id, slug, cancellationToken) is { } policy)
            return policy;
        mistakes.Add(new("spec.identity.policy", workspace is null ? "the instance has no such trust policy" : "the workspace has no such trust policy"));
        return null;
    }

    /// <summary>A key comes in only by a request that it has signed itself.</summary>
    private async ValueTask<string?> PublicKeyAsync(RunnerIdentity identity, RunnerRecord? current, List<Mistake> mistakes, CancellationToken cancellationToken)
    {
        if (identity.KeyThumbprint is not { } thumbprint)
            return null;
        if (current?.KeyThumbprint == thumbprint)
            return current.PublicJwk;
        if (await requests.FindAsync(thumbprint, time.GetUtcNow().ToUnixTimeMilliseconds(), cancellationToken) is { } request)
            return request.PublicJwk;
        mistakes.Add(new("spec.identity.keyThumbprint", "no host with this key has asked"));
        return null;
    }
}
