using System.Globalization;
using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Protocol.Runs;
using Lanyard.Server.Audit;
using Lanyard.Server.Collections;
using Lanyard.Server.Http;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Runs.Opentofu;

/// <summary>
/// The versions of a state, for people: which ones are kept, one of them as it was, and the next one from a file, when infrastructure moves in or an older
/// version is to be had back, and none at all, when it is to be forgotten. A state holds what its resources hold, so its bytes are an admin's, and each reading is audited.
/// </summary>
internal static class StateVersions
{
    public static async Task<IResult> ListAsync(string workspace, string collection, string state, HttpContext context, CollectionDirectory directory, StateStore states)
    {
        if (!(await directory.RequireAsync(Access.PrincipalOf(context), workspace, collection, Right.Read)).TryGet(out var entry, out var refusal))
            return new Refused(refusal);
        var versions = await states.VersionsAsync(entry.Id, state, context.RequestAborted);
        if (versions.Count == 0)
            return new Refused(Access.Missing($"no state {state} in {entry.Id}"));
        context.Response.Headers.ETag = $"\"{ETagOf(entry.Id, state, versions[0].Version)}\"";
        return Results.Json(new StateVersionList([.. versions.Select(ViewOf)]), RunsJson.Default.StateVersionList);
    }

    public static async Task<IResult> PullAsync(
        string workspace, string collection, string state, string version, HttpContext context, CollectionDirectory directory, StateStore states, AuditLog audit)
    {
        if (!(await directory.RequireAsync(Access.PrincipalOf(context), workspace, collection, Right.Administer)).TryGet(out var entry, out var refusal))
            return new Refused(refusal);
        if (!long.TryParse(version, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            || await states.FindAsync(entry.Id, state, number, context.RequestAborted) is not { } found)
            return new Refused(Access.Missing($"no version {version} of the state {state} in {entry.Id}"));
        await audit.RecordAsync(EventOf(context, "state.read", entry, state, number));
        context.Response.Headers.CacheControl = "no-store";
        return Results.Bytes(found, "application/json");
    }

    public static async Task<IResult> PushAsync(
        string workspace, string collection, string state, HttpContext context, CollectionDirectory directory, StateStore states, RunRules rules)
    {
        if (!(await directory.RequireAsync(Access.PrincipalOf(context), workspace, collection, Right.Administer)).TryGet(out var entry, out var refusal)
            || !Precondition.Read(context.Request).TryGet(out var precondition, out refusal))
            return new Refused(refusal);
        if (!Slug.IsValid(state))
            return new Refused(new Refusal(RefusalReason.RequestMalformed, "state: a slug"));
        if (await StateEndpoints.ReadAsync(context, StateEndpoints.MaxBytes) is not { } body)
            return new Refused(new Refusal(RefusalReason.RequestTooLarge, $"a state has at most {StateEndpoints.MaxBytes} bytes"));
        if (!IsState(body.WrittenMemory))
            return new Refused(new Refusal(RefusalReason.RequestMalformed, "the body is no state: a JSON object with version, serial and lineage"));
        var pushed = await states.PushAsync(
            entry.Id, state, newest => precondition.Check(newest is { } present ? ETagOf(entry.Id, state, present) : null), body.WrittenMemory, rules.Now,
            row => EventOf(context, "state.push", entry, state, row.Version), context.RequestAborted);
        if (!pushed.TryGet(out var row, out refusal))
            return Refused.Told(refusal);
        context.Response.Headers.ETag = $"\"{ETagOf(entry.Id, state, row.Version)}\"";
        return Results.Json(ViewOf(row), RunsJson.Default.StateVersionView);
    }

    public static async Task<IResult> DeleteAsync(
        string workspace, string collection, string state, HttpContext context, CollectionDirectory directory, StateStore states, RunRules rules)
    {
        if (!(await directory.RequireAsync(Access.PrincipalOf(context), workspace, collection, Right.Administer)).TryGet(out var entry, out var refusal)
            || !Precondition.Read(context.Request).TryGet(out var precondition, out refusal))
            return new Refused(refusal);
        var about = AuditEvent.Of(context, "state.delete") with { WorkspaceId = entry.Workspace.Id, CollectionId = entry.Id, Target = $"{entry.Id}/{state}" };
        var deleted = await states.DeleteAsync(
            entry.Id, state, newest => precondition.Check(ETagOf(entry.Id, state, newest)), rules.Now, about, context.RequestAborted);
        return deleted.TryGet(out _, out refusal) ? Results.NoContent() : Refused.Told(refusal);
    }

    /// <summary>The run that wrote a version; null: somebody pushed it.</summary>
    public static string? WriterOf(StateRow row) => row.Run.Length == 0 ? null : row.Run;

    private static StateVersionView ViewOf(StateRow row) => new(row.Version, row.Bytes, DateTimeOffset.FromUnixTimeMilliseconds(row.At), WriterOf(row));

    private static string ETagOf(string collection, string state, long version) => Precondition.ETagOf($"{collection}.{state}", version);

    /// <summary>What every version of the format has: enough to see that the wrong file was pushed.</summary>
    private static bool IsState(ReadOnlyMemory<byte> body)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            return document.RootElement is { ValueKind: JsonValueKind.Object } root
                && root.TryGetProperty("version", out var version) && version.ValueKind == JsonValueKind.Number
                && root.TryGetProperty("serial", out var serial) && serial.ValueKind == JsonValueKind.Number
                && root.TryGetProperty("lineage", out var lineage) && lineage.ValueKind == JsonValueKind.String;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static AuditEvent EventOf(HttpContext context, string action, CollectionEntry entry, string state, long version) => AuditEvent.Of(context, action) with
    {
        WorkspaceId = entry.Workspace.Id,
        CollectionId = entry.Id,
        Target = $"{entry.Id}/{state}",
        Details = new Dictionary<string, string>(StringComparer.Ordinal) { ["version"] = version.ToString(CultureInfo.InvariantCulture) },
    };
}
