using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runtime;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Machines.Identities;

/// <summary>Machine identities as resources of a workspace. They let hosts in, so only its admins write them.</summary>
internal static class MachineIdentityEndpoints
{
    public const string Kind = "MachineIdentity";

    private const int MostAudiences = 16;
    private const int MostPerMinute = 10_000;

    public static async Task<IResult> ListAsync(string workspace, HttpContext context, WorkspaceDirectory workspaces, MachineIdentityStore store)
    {
        if (!(await workspaces.RequireAsync(Access.PrincipalOf(context), workspace, Right.Read)).TryGet(out var entry, out var refusal)
            || !Paging.Read(context.Request).TryGet(out var paging, out refusal)) return new Refused(refusal);
        var (items, next) = paging.Cut(await store.ListAsync(entry.Id, paging), static row => row.Slug);
        return Results.Json(
            new ResourceList<MachineIdentitySpec>([.. items.Select(row => row.ToResource(Kind, entry.Slug))], next), MachineIdentityJson.Default.ResourceListMachineIdentitySpec);
    }

    public static async Task<IResult> GetAsync(string workspace, string identity, HttpContext context, WorkspaceDirectory workspaces, MachineIdentityStore store)
    {
        if (!(await workspaces.RequireAsync(Access.PrincipalOf(context), workspace, Right.Read)).TryGet(out var entry, out var refusal)) return new Refused(refusal);
        return await store.FindAsync(entry.Id, identity) is { } row
            ? ResourceAnswers.Answer(context, row.ToResource(Kind, entry.Slug), MachineIdentityJson.Default.ResourceMachineIdentitySpec)
            : new Refused(Access.Missing($"no machine identity {identity}"));
    }

    public static async Task<IResult> PutAsync(
        string workspace, string identity, HttpContext context, WorkspaceDirectory workspaces, MachineIdentityStore store, MachineCreation creation)
    {
        if (!(await workspaces.RequireAsync(Access.PrincipalOf(context), workspace, Right.Administer)).TryGet(out var entry, out var refusal)
            || !Precondition.Read(context.Request).TryGet(out var precondition, out refusal)) return new Refused(refusal);
        if (!(await StrictJson.ReadAsync(context.Request, MachineIdentityJson.Default.ResourceWriteMachineIdentitySpec)).TryGet(out var write, out var refused)) return refused;
        var mistakes = ResourceAnswers.EnvelopeMistakes(write, Kind, identity, workspace);
        mistakes.AddRange(ProofMistakes(write.Spec.Proof));
        mistakes.AddRange(AudienceMistakes(write.Spec.Audiences ?? []));
        if (write.Spec.PerMinute is < 1 or > MostPerMinute) mistakes.Add(new Mistake("spec.perMinute", $"must be 1 to {MostPerMinute}"));
        mistakes.AddRange(MachineRules.Mistakes(write.Spec.Machine).Select(static one => one with { Path = $"spec.machine.{one.Path}" }));
        if (mistakes.Count == 0) mistakes.AddRange(creation.Resolve(entry, write.Spec.Machine, static _ => true).Mistakes.Select(static one => one with { Path = $"spec.machine.{one.Path}" }));
        if (mistakes.Count > 0) return Refused.Malformed(mistakes);
        if (!(await store.PutAsync(entry.Id, identity, write.Spec, precondition, AuditEvent.Of(context, "machine-identity.put"))).TryGet(out var put, out refusal)) return Refused.Told(refusal);
        return ResourceAnswers.Answer(context, put.Row.ToResource(Kind, entry.Slug), MachineIdentityJson.Default.ResourceMachineIdentitySpec, put.Created);
    }

    public static async Task<IResult> DeleteAsync(
        string workspace, string identity, HttpContext context, WorkspaceDirectory workspaces, MachineIdentityStore store)
    {
        if (!(await workspaces.RequireAsync(Access.PrincipalOf(context), workspace, Right.Administer)).TryGet(out var entry, out var refusal)
            || !Precondition.Read(context.Request).TryGet(out var precondition, out refusal)
            || !(await store.DeleteAsync(entry.Id, identity, precondition, AuditEvent.Of(context, "machine-identity.delete"))).TryGet(out _, out refusal)) return new Refused(refusal);
        return Results.NoContent();
    }

    private static IEnumerable<Mistake> AudienceMistakes(IReadOnlyList<string> audiences)
    {
        if (audiences.Count > MostAudiences) yield return new Mistake("spec.audiences", $"must be at most {MostAudiences}");
        for (var i = 0; i < audiences.Count; i++)
        {
            if (audiences[i].Length is 0 or > 255 || audiences[i].Any(static c => c is <= ' ' or > '~') || audiences.Take(i).Contains(audiences[i]))
                yield return new Mistake($"spec.audiences[{i}]", "must be 1 to 255 printable ASCII characters without blanks, each once");
        }
    }

    private static IEnumerable<Mistake> ProofMistakes(MachineProof proof)
    {
        var ofCluster = proof.Cluster is not null || proof.Subject is not null;
        if (ofCluster == proof.Runner is not null) yield return new Mistake("spec.proof", "must be either cluster and subject, or runner");
        if (ofCluster && !Slug.IsValid(proof.Cluster ?? "")) yield return new Mistake("spec.proof.cluster", Slug.Rule);
        if (ofCluster && proof.Subject is not { Length: > 0 and <= 255 }) yield return new Mistake("spec.proof.subject", "must be 1 to 255 characters, compared exactly");
        if (proof.Runner is { } runner && !Ids.TryParse(runner, "rnr", out _)) yield return new Mistake("spec.proof.runner", "must be the id of a runner, rnr_…");
    }
}
