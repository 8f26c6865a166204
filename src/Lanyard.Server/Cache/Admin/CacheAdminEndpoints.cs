using System.Globalization;
using Lanyard.Identity;
using Lanyard.Protocol.Resources;
using Lanyard.Protocol.Runtime;
using Lanyard.Server.Audit;
using Lanyard.Server.Cache.Limits;
using Lanyard.Server.Http;
using Lanyard.Server.Storage;
using Lanyard.Server.Workspaces;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Cache.Admin;

/// <summary><c>/v1/workspaces/{workspace}/cache</c>: who reads the workspace sees entries and usage, operators take entries away, admins set limits.</summary>
internal static class CacheAdminEndpoints
{
    public static async Task<IResult> ListAsync(string workspace, HttpContext context, WorkspaceDirectory workspaces, CacheAdminStore store)
    {
        if (!(await workspaces.RequireAsync(Access.PrincipalOf(context), workspace, Right.Read)).TryGet(out var entry, out var refusal)
            || !Paging.Read(context.Request).TryGet(out var paging, out refusal)
            || !CacheFilter.Read(context.Request).TryGet(out var filter, out refusal))
            return new Refused(refusal);
        var after = 0L;
        if (paging.After.Length > 0 && !long.TryParse(paging.After, NumberStyles.None, CultureInfo.InvariantCulture, out after))
            return new Refused(new Refusal(RefusalReason.RequestMalformed, "after is not a cursor of ours"));
        var (items, next) = paging.Cut(await store.ListAsync(entry.Id, filter, after, paging.Limit + 1, context.RequestAborted), static one => one.Id);
        return Results.Json(new CacheEntryList(items, next), CacheAdminJson.Default.CacheEntryList);
    }

    public static async Task<IResult> GetAsync(string workspace, string entry, HttpContext context, WorkspaceDirectory workspaces, CacheAdminStore store)
    {
        if (!(await workspaces.RequireAsync(Access.PrincipalOf(context), workspace, Right.Read)).TryGet(out var found, out var refusal)) return new Refused(refusal);
        return IdOf(entry) is { } id && await store.FindAsync(found.Id, id, context.RequestAborted) is { } view
            ? Results.Json(view, CacheAdminJson.Default.CacheEntryView)
            : new Refused(Access.Missing($"no cache entry {entry} in {found.Slug}"));
    }

    /// <summary>Out of service from the answer on; a read under way is finished.</summary>
    public static async Task<IResult> DeleteAsync(
        string workspace, string entry, HttpContext context, WorkspaceDirectory workspaces, CacheAdminStore store, CachePurger purger)
    {
        if (!(await workspaces.RequireAsync(Access.PrincipalOf(context), workspace, Right.Operate)).TryGet(out var found, out var refusal)) return new Refused(refusal);
        var about = AuditEvent.Of(context, "cache.delete") with { WorkspaceId = found.Id, Target = entry };
        if (IdOf(entry) is not { } id || await store.DeleteAsync(found.Id, CacheAdminStore.Of(id), count => count == 0 ? null : about, context.RequestAborted) == 0)
            return new Refused(Access.Missing($"no cache entry {entry} in {found.Slug}"));
        await purger.PurgeAsync(context.RequestAborted, CachePurger.Awaited);
        return Results.NoContent();
    }

    /// <summary>The totals, and the largest repositories, scopes or keys: <c>?by=</c>, <c>?repository=</c>.</summary>
    public static async Task<IResult> UsageAsync(
        string workspace, HttpContext context, WorkspaceDirectory workspaces, CacheAdminStore store, CacheSettingsDirectory settings)
    {
        if (!(await workspaces.RequireAsync(Access.PrincipalOf(context), workspace, Right.Read)).TryGet(out var entry, out var refusal)
            || !CacheFilter.Read(context.Request).TryGet(out var filter, out refusal))
            return new Refused(refusal);
        var by = context.Request.Query["by"] is [{ } text] ? text : "repository";
        if (!CacheFilter.Groups.Contains(by)) return Refused.Malformed([new Mistake("by", $"must be one of {string.Join(", ", CacheFilter.Groups)}")]);
        var limits = await settings.LimitsAsync(entry.Id, context.RequestAborted);
        var (entries, bytes) = await store.TotalAsync(entry.Id, filter.Repository, CacheStates.Ready, context.RequestAborted);
        var (away, awayBytes) = await store.TotalAsync(entry.Id, filter.Repository, CacheStates.Quarantined, context.RequestAborted);
        var rows = await store.UsageAsync(entry.Id, filter.Repository, by, Paging.Max, context.RequestAborted);
        var quota = filter.Repository is { } repository ? limits.RepositoryBytes(repository) : limits.WorkspaceBytes;
        return Results.Json(new CacheUsage(entries + away, bytes + awayBytes, quota, by, rows, away, awayBytes), CacheAdminJson.Default.CacheUsage);
    }

    public static Task<IResult> QuarantineAsync(
        string workspace, HttpContext context, WorkspaceDirectory workspaces, CacheAdminStore store) =>
        SelectAsync(workspace, context, workspaces, "cache.quarantine", (id, which, reason, told) => store.QuarantineAsync(id, which, reason, told, context.RequestAborted));

    public static Task<IResult> ReleaseAsync(
        string workspace, HttpContext context, WorkspaceDirectory workspaces, CacheAdminStore store) =>
        SelectAsync(workspace, context, workspaces, "cache.release", (id, which, _, told) => store.ReleaseAsync(id, which, told, context.RequestAborted));

    public static Task<IResult> DeleteSelectedAsync(
        string workspace, HttpContext context, WorkspaceDirectory workspaces, CacheAdminStore store, CachePurger purger) =>
        SelectAsync(workspace, context, workspaces, "cache.delete", async (id, which, _, told) =>
        {
            var count = await store.DeleteAsync(id, which, told, context.RequestAborted);
            await purger.PurgeAsync(context.RequestAborted, CachePurger.Awaited);
            return count;
        });

    public static async Task<IResult> GetSettingsAsync(string workspace, HttpContext context, WorkspaceDirectory workspaces, CacheSettingsDirectory settings)
    {
        if (!(await workspaces.RequireAsync(Access.PrincipalOf(context), workspace, Right.Read)).TryGet(out var entry, out var refusal)) return new Refused(refusal);
        return Answer(context, entry.Id, await settings.FindAsync(entry.Id, context.RequestAborted));
    }

    public static async Task<IResult> PutSettingsAsync(
        string workspace, HttpContext context, WorkspaceDirectory workspaces, CacheSettingsDirectory settings, CacheOptions options)
    {
        if (!(await workspaces.RequireAsync(Access.PrincipalOf(context), workspace, Right.Administer)).TryGet(out var entry, out var refusal)
            || !Precondition.Read(context.Request).TryGet(out var precondition, out refusal))
            return new Refused(refusal);
        if (!(await StrictJson.ReadAsync(context.Request, CacheAdminJson.Default.CacheSettings)).TryGet(out var wanted, out var refused)) return refused;
        if (CacheLimits.Mistakes(wanted, options) is { Count: > 0 } mistakes) return Refused.Malformed(mistakes);
        var about = AuditEvent.Of(context, "cache.settings") with { WorkspaceId = entry.Id };
        if (!(await settings.PutAsync(entry.Id, wanted, precondition, about, context.RequestAborted)).TryGet(out var kept, out refusal)) return new Refused(refusal);
        return Answer(context, entry.Id, kept);
    }

    private static IResult Answer(HttpContext context, string workspaceId, KeptSettings kept)
    {
        if (kept.Version > 0) context.Response.Headers.ETag = $"\"{CacheSettingsDirectory.ETagOf(workspaceId, kept.Version)}\"";
        return Results.Json(kept.Settings, CacheAdminJson.Default.CacheSettings);
    }

    private static async Task<IResult> SelectAsync(
        string workspace, HttpContext context, WorkspaceDirectory workspaces, string action, Func<string, SqlPart, string?, Func<int, AuditEvent?>, Task<int>> change)
    {
        if (!(await workspaces.RequireAsync(Access.PrincipalOf(context), workspace, Right.Operate)).TryGet(out var entry, out var refusal)) return new Refused(refusal);
        if (!(await StrictJson.ReadAsync(context.Request, CacheAdminJson.Default.CacheSelection)).TryGet(out var selection, out var refused)) return refused;
        var producer = selection.Producer;
        var members = new[] { producer.Subject, producer.Repository, producer.Ref, producer.Workflow, producer.Actor, producer.TokenSha256 };
        if (members.All(string.IsNullOrEmpty)) return Refused.Malformed([new Mistake("producer", "must say something")]);
        if (members.Append(selection.Reason).Any(static text => text is { Length: > 512 } || text?.Contains('\0', StringComparison.Ordinal) == true))
            return Refused.Malformed([new Mistake("producer", "is too long")]);
        var about = AuditEvent.Of(context, action) with { WorkspaceId = entry.Id, Target = producer.Subject ?? producer.Ref ?? producer.Repository };
        var all = await change(entry.Id, CacheAdminStore.Of(producer), selection.Reason, changed => about with
        {
            Details = new Dictionary<string, string> { ["entries"] = changed.ToString(CultureInfo.InvariantCulture), ["reason"] = selection.Reason ?? "" },
        });
        return Results.Json(new CacheChanged(all), CacheAdminJson.Default.CacheChanged);
    }

    private static long? IdOf(string text) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id : null;
}
