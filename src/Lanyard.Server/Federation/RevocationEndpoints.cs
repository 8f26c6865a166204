using Lanyard.Protocol.Resources;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Federation;

/// <summary>What is not taken any more, of a workspace and of the instance: <c>/v1/…/revocations</c>.</summary>
internal static class RevocationEndpoints
{
    private static readonly string[] Kinds = [Revocations.Principal, Revocations.Key, Revocations.Token];

    public static async Task<IResult> ListAsync(HttpContext context, WorkspaceDirectory workspaces, Revocations revocations)
    {
        if (!(await TrustScope.RequireAsync(context, workspaces, Right.Administer)).TryGet(out var scope, out var refusal)) return new Refused(refusal);
        var own = (await revocations.ListAsync(context.RequestAborted)).Where(one => one.WorkspaceId == scope.WorkspaceId);
        return Results.Json(new RevocationList([.. own.Select(static one => one.View)]), RevocationJson.Default.RevocationList);
    }

    public static async Task<IResult> AddAsync(HttpContext context, WorkspaceDirectory workspaces, Revocations revocations)
    {
        if (!(await TrustScope.RequireAsync(context, workspaces, Right.Administer)).TryGet(out var scope, out var refusal)) return new Refused(refusal);
        if (!(await StrictJson.ReadAsync(context.Request, RevocationJson.Default.RevocationRequest)).TryGet(out var request, out var refused)) return refused;
        var mistakes = new List<Mistake>();
        if (!Kinds.Contains(request.Kind, StringComparer.Ordinal)) mistakes.Add(new Mistake("kind", string.Join(", ", Kinds)));
        if (request.Value.Length is 0 or > 512 || request.Value.Any(char.IsControl)) mistakes.Add(new Mistake("value", "1 to 512 characters"));
        if (request.Kind == Revocations.Token && !(request.Value.Length == 64 && request.Value.All(char.IsAsciiHexDigitLower)))
            mistakes.Add(new Mistake("value", "the token's SHA-256 in lower-case hex, as the audit log has it; never the token"));
        if (request.Reason is { } reason && (reason.Length > 200 || reason.Any(char.IsControl))) mistakes.Add(new Mistake("reason", "at most 200 characters on one line"));
        if (mistakes.Count > 0) return Refused.Malformed(mistakes);

        var added = await revocations.AddAsync(scope.WorkspaceId, request, AuditEvent.Of(context, "revocation.add"), context.RequestAborted);
        return Results.Json(added.View, RevocationJson.Default.RevocationView, statusCode: StatusCodes.Status201Created);
    }

    public static async Task<IResult> RemoveAsync(string revocation, HttpContext context, WorkspaceDirectory workspaces, Revocations revocations)
    {
        if (!(await TrustScope.RequireAsync(context, workspaces, Right.Administer)).TryGet(out var scope, out var refusal)) return new Refused(refusal);
        return await revocations.RemoveAsync(scope.WorkspaceId, revocation, AuditEvent.Of(context, "revocation.remove"), context.RequestAborted)
            ? Results.NoContent()
            : new Refused(Access.Missing($"no revocation {revocation}"));
    }
}
