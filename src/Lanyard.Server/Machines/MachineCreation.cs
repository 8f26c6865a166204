using Lanyard.Identity;
using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runtime;
using Lanyard.Server.Audit;
using Lanyard.Server.Collections;
using Lanyard.Server.Http;
using Lanyard.Server.Workspaces;

namespace Lanyard.Server.Machines;

/// <summary>Makes machines, however they are asked for.</summary>
internal sealed class MachineCreation(MachineStore store, MachineTokens tokens, CollectionDirectory collections, TimeProvider time)
{
    /// <summary>From slugs to the collections that they mean now.</summary>
    /// <param name="may">Whether whoever asks may give something in a collection.</param>
    public Resolved Resolve(WorkspaceEntry workspace, MachineRequest request, Func<CollectionEntry, bool> may)
    {
        var (operations, mistakes) = (new List<KnownOperation>(), new List<Mistake>());
        for (var i = 0; i < (request.Operations?.Count ?? 0); i++)
        {
            var one = request.Operations![i];
            if (collections.Find(workspace, one.Collection) is { } collection && may(collection))
                operations.Add(new KnownOperation(collection.Id, collection.Slug, one.Definition, one.Actions, one.Phases));
            else
                mistakes.Add(new Mistake($"operations[{i}].collection", "there is no such collection of which you are an operator"));
        }

        return new Resolved(operations, mistakes);
    }

    /// <param name="about">What the audit says of it, but for the machine.</param>
    /// <param name="identity">Id of the machine identity by which the host proved itself.</param>
    /// <returns>Or NotFound (the workspace has gone).</returns>
    public async Task<Outcome<MachineCreated>> CreateAsync(
        WorkspaceEntry workspace, MachineRequest request, IReadOnlyList<KnownOperation> operations, string by, string? identity, AuditEvent about, CancellationToken cancellationToken)
    {
        var now = DateTimeOffset.FromUnixTimeMilliseconds(time.GetUtcNow().ToUnixTimeMilliseconds());
        var lifetime = request.LifetimeSeconds ?? MachineRules.DefaultLifetimeSeconds;
        var machine = new MachineRecord(
            Ids.New("machine", time), workspace.Id, request.Runner, request.Repository?.ToLowerInvariant(), request.Ref, MachineRules.Scopes(request), by, now,
            now.AddSeconds(lifetime), null, operations.Count == 0 ? null : operations, lifetime, Identity: identity);
        if (!await store.InsertAsync(machine, about, cancellationToken)) return Access.Missing($"workspace {workspace.Id} is gone");
        return new MachineCreated(machine.ToView(), await tokens.MintAsync(machine, cancellationToken));
    }

    public sealed record Resolved(List<KnownOperation> Operations, List<Mistake> Mistakes)
    {
        public bool TryGet(out List<KnownOperation> operations, out Refusal refusal)
        {
            (operations, refusal) = (Operations, new Refusal(RefusalReason.Conflict, Mistakes.Count == 0 ? "" : Mistakes[0].ToString()));
            return Mistakes.Count == 0;
        }
    }
}
