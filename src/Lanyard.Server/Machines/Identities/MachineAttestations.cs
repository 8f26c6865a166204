using Lanyard.Identity;
using Lanyard.Identity.Tokens;
using Lanyard.Protocol.Runtime;
using Lanyard.Server.Audit;
using Lanyard.Server.Federation;
using Lanyard.Server.Http;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Machines.Identities;

/// <summary>
/// <c>POST /runtime/machines</c>: the token of a machine for a host that proves itself, so that none has to be copied to it. A service account of a cluster shows its
/// token for this instance, judged by the chain against exactly that cluster's record; a runner's host shows an assertion of its key (RFC 7523), good once. The token
/// of an attempt's pod is its attempt's and proves no machine. Who may not have it hears one text, whatever there is and is not.
/// </summary>
internal sealed class MachineAttestations(
    WorkspaceDirectory workspaces, MachineIdentityStore store, TrustRecordStore records, TrustDirectory trust, TokenVerifier verifier, KeyLookup keys, ClientAssertions assertions,
    DoorQuestions questions, Instance instance)
{
    public static async Task<IResult> PostAsync(HttpContext context, MachineAttestations attestations, AttestationBudgets budgets, MachineCreation creation, AuditLog audit)
    {
        if (!(await StrictJson.ReadAsync(context.Request, MachineIdentityJson.Default.MachineAttestation)).TryGet(out var request, out var refused)) return refused;
        var bearer = Bearer.Of(context.Request);
        var outcome = bearer is null ? new Refusal(RefusalReason.TokenMissing, "no bearer token") : await attestations.JudgeAsync(request, bearer, context.RequestAborted);
        if (!outcome.TryGet(out var judged, out var refusal) || !budgets.Take(judged.Identity, judged.Spec.PerMinute).TryGet(out _, out refusal)
            || !creation.Resolve(judged.Workspace, judged.Spec.Machine, static _ => true).TryGet(out var operations, out refusal))
            return await RefuseAsync(refusal);

        var about = new AuditEvent("machine.attest")
        {
            RequestId = context.TraceIdentifier,
            TokenSha256 = TokenHash.Of(bearer!.AsSpan()).ToString(),
            Details = new Dictionary<string, string>(StringComparer.Ordinal) { ["identity"] = request.Identity, ["proof"] = judged.Proof },
        };
        if (!(await creation.CreateAsync(
            judged.Workspace, judged.Spec.Machine, operations, $"identity:{request.Identity}", judged.Identity, about, context.RequestAborted)).TryGet(out var created, out refusal))
            return await RefuseAsync(refusal);
        context.Response.Headers.CacheControl = "no-store";
        return Results.Json(created, RuntimeJson.Default.MachineCreated, statusCode: StatusCodes.Status201Created);

        async Task<IResult> RefuseAsync(Refusal why)
        {
            var (told, isNew) = budgets.Refused(context.Connection.RemoteIpAddress, why);
            if (!isNew) return new Refused(told);
            await audit.RecordAsync(new AuditEvent("machine.attest")
            {
                RequestId = context.TraceIdentifier,
                WorkspaceId = attestations.IdOf(request.Workspace),
                Refusal = told,
                Target = request.Identity.Length <= 63 ? request.Identity : null,
                TokenSha256 = bearer is null ? null : TokenHash.Of(bearer.AsSpan()).ToString(),
            });
            return new Refused(told.Reason is RefusalReason.TokenMissing or RefusalReason.TooManyRequests ? told : new Refusal(RefusalReason.NoMatchingPolicy, told.Detail));
        }
    }

    private string? IdOf(string workspace) => workspaces.Find(workspace)?.Id;

    private async Task<Outcome<Judged>> JudgeAsync(MachineAttestation request, string bearer, CancellationToken cancellation)
    {
        if (workspaces.Find(request.Workspace) is not { } workspace || await store.FindAsync(workspace.Id, request.Identity) is not { } identity)
            return new Refusal(RefusalReason.NoMatchingPolicy, $"there is no machine identity {request.Workspace}/{request.Identity}");
        var proof = identity.Spec.Proof;
        var outcome = proof.Runner is { } runner ? await RunnerAsync(runner, workspace, bearer, cancellation) : await ServiceAccountAsync(proof, workspace, bearer, cancellation);
        return outcome.TryGet(out var said, out var refusal) ? new Judged(workspace, identity.Id, identity.Spec, said) : refusal;
    }

    private async Task<Outcome<string>> ServiceAccountAsync(MachineProof proof, WorkspaceEntry workspace, string bearer, CancellationToken cancellation)
    {
        if (!UnverifiedToken.Parse(bearer).TryGet(out var parsed, out var refusal)) return refusal;
        if (await records.FindAsync(workspace.Id, TrustRecord.ClusterKind, proof.Cluster!, cancellation) is not { } record || await trust.ByIdAsync(record.Id, cancellation) is not { } known)
            return new Refusal(RefusalReason.IssuerUnknown, $"there is no cluster {proof.Cluster}");
        var options = new VerifyOptions { DefaultAudience = instance.Url };
        if (!(await verifier.JudgeAsync(parsed, [known.Issuer], keys, options, null, cancellation)).TryGet(out var token, out refusal)) return refusal;
        if (token.Subject != proof.Subject) return new Refusal(RefusalReason.ConditionFailed, $"the subject is {token.Subject}, wanted is {proof.Subject}");
        return await questions.PodOf(token, cancellation) is { } pod
            ? new Refusal(RefusalReason.TokenTypeNotAllowed, $"the token is of the pod of attempt {pod.Attempt} of {pod.Run}")
            : $"{proof.Cluster}: {token.Subject}";
    }

    private async Task<Outcome<string>> RunnerAsync(string runner, WorkspaceEntry workspace, string bearer, CancellationToken cancellation)
    {
        if (!(await assertions.JudgeAsync(bearer, null, instance.Url, null, cancellation)).TryGet(out var principal, out var refusal)) return refusal;
        return principal is { Kind: PrincipalKind.Runner } && principal.SubjectId == runner && (principal.WorkspaceId is null || principal.WorkspaceId == workspace.Id)
            ? runner
            : new Refusal(RefusalReason.ConditionFailed, $"the key is {principal.Name}'s, wanted is {runner}");
    }

    private sealed record Judged(WorkspaceEntry Workspace, string Identity, MachineIdentitySpec Spec, string Proof);
}
