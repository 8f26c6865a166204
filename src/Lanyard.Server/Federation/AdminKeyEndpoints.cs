using Lanyard.Identity.Jose;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Federation;

/// <summary>The public keys of administrators, for administrators of the instance: <c>/v1/admin-keys</c>.</summary>
internal static class AdminKeyEndpoints
{
    public static async Task<IResult> ListAsync(HttpContext context, AdminKeys keys) =>
        !Access.Require(Access.PrincipalOf(context), null, null, Right.Administer).TryGet(out _, out var refusal)
            ? new Refused(refusal)
            : Results.Json(new AdminKeyList(await keys.ListAsync(context.RequestAborted)), KeysJson.Default.AdminKeyList);

    public static async Task<IResult> AddAsync(HttpContext context, AdminKeys keys)
    {
        if (!Access.Require(Access.PrincipalOf(context), null, null, Right.Administer).TryGet(out _, out var refusal)) return new Refused(refusal);
        if (!(await StrictJson.ReadAsync(context.Request, KeysJson.Default.AdminKeyRequest)).TryGet(out var request, out var refused)) return refused;
        var mistakes = new List<Mistake>();
        if (request.Name.Length is 0 or > 200 || request.Name.Any(char.IsControl)) mistakes.Add(new Mistake("name", "must be 1 to 200 characters"));
        if (!VerificationKey.FromJwk(request.Jwk).TryGet(out var key, out refusal)) mistakes.Add(new Mistake("jwk", refusal.Detail));
        if (mistakes.Count > 0) return Refused.Malformed(mistakes);

        return (await keys.AddAsync(key!, request.Name, AuditEvent.Of(context, "admin-key.add"), context.RequestAborted)).TryGet(out var added, out refusal)
            ? Results.Json(added, KeysJson.Default.AdminKeyView, statusCode: StatusCodes.Status201Created)
            : Refused.Told(refusal);
    }

    public static async Task<IResult> RemoveAsync(string key, HttpContext context, AdminKeys keys, Doorkeeper door)
    {
        if (!Access.Require(Access.PrincipalOf(context), null, null, Right.Administer).TryGet(out _, out var refusal)) return new Refused(refusal);
        if (!(await keys.RemoveAsync(key, AuditEvent.Of(context, "admin-key.remove"), context.RequestAborted)).TryGet(out _, out refusal)) return Refused.Told(refusal);
        door.Forget();
        return Results.NoContent();
    }
}
