using Lanyard.Identity;
using Lanyard.Identity.Federation;
using Lanyard.Identity.Jose;
using Lanyard.Identity.Tokens;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Federation;

/// <summary><c>POST /keys</c> for clusters that push their keys, and <c>/v1/workspaces/{workspace}/pushed-keys</c> for the admins who watch and approve.</summary>
internal static class PushedKeyEndpoints
{
    private const int MaxBody = 256 * 1024;

    /// <summary>The caller is known by the body's keys only once it is read; an issuer that nobody trusts is refused before that.</summary>
    public static async Task<IResult> PushAsync(HttpContext context, KeyPushes pushes)
    {
        if (Bearer.Of(context.Request) is not { } bearer) return new Refused(new Refusal(RefusalReason.TokenMissing, "no bearer token"));
        if (!UnverifiedToken.Parse(bearer).TryGet(out var authorization, out var refusal)) return new Refused(refusal);
        var records = await pushes.RecordsOfAsync(authorization, context.RequestAborted);
        if (records.Count == 0) return new Refused(new Refusal(RefusalReason.IssuerUnknown, "no record whose keys are pushed is for this issuer"));

        if (!(await StrictJson.ReadAsync(context.Request, KeysJson.Default.KeyPushRequest, MaxBody)).TryGet(out var request, out var refused)) return refused;
        if (!KeySet.Parse(request.Jwks.GetRawText()).TryGet(out var keys, out refusal)) return Refused.Malformed([new Mistake("jwks", refusal.Detail)]);
        if (keys.Keys.Count == 0) return Refused.Malformed([new Mistake("jwks", "has no key that can verify a token")]);
        UnverifiedToken? proof = null;
        if (request.Proof is { } text && !UnverifiedToken.Parse(text).TryGet(out proof, out refusal)) return Refused.Malformed([new Mistake("proof", refusal.Detail)]);

        var outcome = await pushes.PushAsync(records, new KeyPush(keys, authorization, proof), context.TraceIdentifier, context.RequestAborted);
        return outcome.TryGet(out var state, out refusal) ? Results.Json(new KeyPushAnswer(state), KeysJson.Default.KeyPushAnswer) : new Refused(refusal);
    }

    public static async Task<IResult> ListAsync(HttpContext context, WorkspaceDirectory workspaces, TrustDirectory trust, PushedKeyStore store)
    {
        if (!(await TrustScope.RequireAsync(context, workspaces, Right.Read)).TryGet(out var scope, out var refusal)) return new Refused(refusal);
        var items = new List<PushedKeysView>();
        foreach (var record in await trust.PushedAsync(scope.WorkspaceId, context.RequestAborted))
        {
            if (await store.FindAsync(record.Record.Id, context.RequestAborted) is { } keys)
                items.Add(View(record, keys, await store.FreshnessAsync(record.Record.Id, context.RequestAborted)));
        }

        return Results.Json(new PushedKeysList(items), KeysJson.Default.PushedKeysList);
    }

    public static async Task<IResult> ApproveAsync(string record, HttpContext context, WorkspaceDirectory workspaces, TrustDirectory trust, KeyPushes pushes, PushedKeyStore store)
    {
        if (!(await TrustScope.RequireAsync(context, workspaces, Right.Administer)).TryGet(out var scope, out var refusal)) return new Refused(refusal);
        if ((await trust.PushedAsync(scope.WorkspaceId, context.RequestAborted)).FirstOrDefault(known => known.Record.Id == record) is not { } known)
            return new Refused(Access.Missing($"no record {record} whose keys are pushed"));
        if (!(await StrictJson.ReadAsync(context.Request, KeysJson.Default.PushedKeysApproval, MaxBody)).TryGet(out var approval, out var refused)) return refused;
        var outcome = await pushes.ApproveAsync(known, approval.Thumbprints, AuditEvent.Of(context, "keys.approve"), context.RequestAborted);
        return outcome.TryGet(out var keys, out refusal)
            ? Results.Json(View(known, keys, await store.FreshnessAsync(known.Record.Id, context.RequestAborted)), KeysJson.Default.PushedKeysView)
            : new Refused(refusal);
    }

    private static PushedKeysView View(KnownIssuer record, PushedKeySet keys, KeyFreshness? freshness)
    {
        var spec = KeyPushes.SpecOf(record)!;
        var leaving = keys.Leaving.SelectMany(set => KeyPushes.Names(set.Keys).Select(name => (name, set.Until)))
            .GroupBy(entry => entry.name, StringComparer.Ordinal).ToDictionary(group => group.Key, group => group.Max(entry => entry.Until), StringComparer.Ordinal);
        return new PushedKeysView(
            record.Record.Id, record.PolicyName, spec.Subject, spec.RequireApproval ?? false, KeyPushes.Names(keys.Current), leaving, KeyPushes.Names(keys.Pending),
            [.. keys.Pending?.Keys.Select(static key => key.Thumbprint) ?? []], keys.IsPendingProven, freshness?.ConfirmedAt, freshness?.StaleSince);
    }
}
