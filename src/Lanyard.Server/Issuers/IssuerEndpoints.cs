using Lanyard.Identity.Jose;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Issuers;

/// <summary>What admins see and do of an issuer.</summary>
internal static class IssuerEndpoints
{
    public static async Task<IResult> ShowInstanceAsync(HttpContext context, KeyRing ring, Instance instance)
    {
        if (!Access.Require(Access.PrincipalOf(context), null, null, Right.Read).TryGet(out _, out var refusal)) return new Refused(refusal);
        return Answer(View(instance.Url, instance.Url, ring, await ring.GetAsync(KeyRing.InstanceOwner, context.RequestAborted)));
    }

    public static async Task<IResult> ShowAsync(string workspace, HttpContext context, WorkspaceDirectory workspaces, KeyRing ring, Instance instance)
    {
        if (!(await workspaces.RequireAsync(Access.PrincipalOf(context), workspace, Right.Read)).TryGet(out var entry, out var refusal)) return new Refused(refusal);
        return Answer(View(entry, instance, ring, await ring.GetAsync(entry.Id, context.RequestAborted)));
    }

    public static async Task<IResult> RotateInstanceAsync(HttpContext context, KeyRing ring, AuditLog audit, Instance instance)
    {
        if (!Access.Require(Access.PrincipalOf(context), null, null, Right.Administer).TryGet(out _, out var refusal)) return new Refused(refusal);
        if (!(await StrictJson.ReadAsync(context.Request, IssuerJson.Default.RotateRequest)).TryGet(out var request, out var refused)) return refused;
        var about = AuditEvent.Of(context, "issuer.rotate") with { Target = "instance" };
        var (keys, done) = await ring.RotateAsync(KeyRing.InstanceOwner, request.Now, about, context.RequestAborted);
        await audit.RecordAsync(about with { Details = Details(request, done) });
        return Answer(View(instance.Url, instance.Url, ring, keys) with { Done = done });
    }

    public static async Task<IResult> RotateAsync(
        string workspace, HttpContext context, WorkspaceDirectory workspaces, KeyRing ring, AuditLog audit, Instance instance)
    {
        if (!(await workspaces.RequireAsync(Access.PrincipalOf(context), workspace, Right.Administer)).TryGet(out var entry, out var refusal)) return new Refused(refusal);
        if (!(await StrictJson.ReadAsync(context.Request, IssuerJson.Default.RotateRequest)).TryGet(out var request, out var refused)) return refused;
        var about = AuditEvent.Of(context, "issuer.rotate") with { WorkspaceId = entry.Id, Target = entry.Id };
        var (keys, done) = await ring.RotateAsync(entry.Id, request.Now, about, context.RequestAborted);
        await audit.RecordAsync(about with { Details = Details(request, done) });
        return Answer(View(entry, instance, ring, keys) with { Done = done });
    }

    private static Dictionary<string, string> Details(RotateRequest request, IReadOnlyList<string> done) =>
        new() { ["now"] = request.Now ? "true" : "false", ["done"] = string.Join("; ", done) };

    private static IssuerView View(WorkspaceEntry entry, Instance instance, KeyRing ring, OwnerKeys keys)
    {
        var issuer = instance.WorkspaceIssuer(entry.Slug);
        return View(issuer, entry.DefaultAudience ?? issuer, ring, keys);
    }

    private static IssuerView View(string issuer, string audience, KeyRing ring, OwnerKeys keys) => new(
        issuer,
        audience,
        issuer + "/jwks",
        [.. keys.Stored.Select(k => new IssuerKeyView(k.Age.KeyId, k.Key.Algorithm.Name(), k.Age.State, k.Age.PublishedAt, k.Age.ActiveAt, k.Age.RetiredAt))],
        Warnings: ring.Warnings(keys) is { Count: > 0 } warnings ? warnings : null);

    private static IResult Answer(IssuerView view) => Results.Json(view, IssuerJson.Default.IssuerView);
}
