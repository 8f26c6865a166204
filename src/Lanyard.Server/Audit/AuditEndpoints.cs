using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Lanyard.Identity;
using Lanyard.Protocol.Audit;
using Lanyard.Server.Http;
using Lanyard.Server.Storage;
using Microsoft.AspNetCore.Http;

namespace Lanyard.Server.Audit;

internal static class AuditEndpoints
{
    private const int MaxLimit = 1000;
    private const int MaxWaitSeconds = 50;

    /// <summary>Replicas commit out of order: younger events are held back this long, so that a follower misses none.</summary>
    private static readonly TimeSpan ReplicaLag = TimeSpan.FromSeconds(2);

    public static async Task<IResult> ListAsync(HttpContext context, Database database, AuditLog log, TimeProvider time) =>
        Access.Require(Access.PrincipalOf(context), null, null, Right.Administer).TryGet(out _, out var refusal)
            ? await ListAsync(context, null, database, log, time)
            : new Refused(refusal);

    public static async Task<IResult> ListWorkspaceAsync(
        string workspace, RequireWorkspace require, HttpContext context, Database database, AuditLog log, TimeProvider time) =>
        (await require(Access.PrincipalOf(context), workspace, Right.Administer)).TryGet(out var id, out var refusal)
            ? await ListAsync(context, id, database, log, time)
            : new Refused(refusal);

    public static async Task<IResult> GetAsync(string @event, HttpContext context, Database database)
    {
        if (!Access.Require(Access.PrincipalOf(context), null, null, Right.Administer).TryGet(out _, out var refusal))
        {
            return new Refused(refusal);
        }

        return await AuditStore.FindAsync(database, @event) is { } row
            ? Results.Text(LineOf(row), "application/json")
            : new Refused(Access.Missing("no such event"));
    }

    public static async Task<IResult> VerifyAsync(HttpContext context, Database database, AuditLog log)
    {
        if (!Access.Require(Access.PrincipalOf(context), null, null, Right.Administer).TryGet(out _, out var refusal))
        {
            return new Refused(refusal);
        }

        var report = await new AuditVerifier(database).VerifyAsync(log.Head, context.RequestAborted);
        return Results.Json(report, AuditJson.Default.AuditReport);
    }

    private static async Task<IResult> ListAsync(HttpContext context, string? workspaceId, Database database, AuditLog log, TimeProvider time)
    {
        if (!AuditQuery.Read(context.Request.Query).TryGet(out var query, out var refusal))
        {
            return new Refused(refusal);
        }

        var filter = query.Filter with { Workspace = workspaceId };
        var deadline = time.GetUtcNow() + TimeSpan.FromSeconds(query.WaitSeconds);
        while (true)
        {
            var appended = log.NextAppended;
            var now = time.GetUtcNow();
            var held = query.WaitSeconds > 0 && database.Dialect != "sqlite" ? filter with { Before = EventIds.Before(now - ReplicaLag) } : filter;
            var rows = await AuditStore.ListAsync(database, held, query.Limit, query.Newest);
            if (rows.Count > 0 || now >= deadline)
            {
                return Answer(context, rows, filter.After);
            }

            await WaitAsync(appended, deadline - now, time, context.RequestAborted);
        }
    }

    /// <summary>Until something was appended here; what another replica appended is looked for once a second.</summary>
    private static async Task WaitAsync(Task appended, TimeSpan left, TimeProvider time, CancellationToken cancellationToken)
    {
        var wait = left < TimeSpan.FromSeconds(1) ? left : TimeSpan.FromSeconds(1);
        try
        {
            await appended.WaitAsync(wait, time, cancellationToken);
        }
        catch (TimeoutException)
        {
            // Look again.
        }
    }

    private static IResult Answer(HttpContext context, List<AuditRow> rows, string after)
    {
        context.Response.Headers["Lanyard-Next"] = rows.Count > 0 ? rows[^1].Id : after;
        return Results.Text(string.Concat(rows.Select(static row => LineOf(row) + "\n")), "application/x-ndjson");
    }

    /// <summary>An <see cref="AuditLine"/> whose event is the stored text to the byte: it is what was hashed.</summary>
    private static string LineOf(AuditRow row)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("chain", row.Chain);
            writer.WriteNumber("sequence", row.Sequence);
            writer.WriteString("previousHash", row.PreviousHash);
            writer.WriteString("hash", row.Hash);
            writer.WritePropertyName("event");
            writer.WriteRawValue(row.Event, skipInputValidation: true);
            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    /// <param name="Newest">Without <c>after</c> and <c>since</c> the newest events are asked for.</param>
    private sealed record AuditQuery(AuditFilter Filter, int Limit, int WaitSeconds, bool Newest)
    {
        private static readonly string[] Known = ["action", "principal", "decision", "since", "until", "after", "limit", "wait"];

        public static Outcome<AuditQuery> Read(IQueryCollection query)
        {
            if (query.Keys.FirstOrDefault(static key => !Known.Contains(key, StringComparer.Ordinal)) is { } unknown)
            {
                return new Refusal(RefusalReason.RequestMalformed, $"{unknown}: unknown");
            }

            if (!TryNumber(query, "limit", 100, 1, MaxLimit, out var limit) || !TryNumber(query, "wait", 0, 0, MaxWaitSeconds, out var wait))
            {
                return new Refusal(RefusalReason.RequestMalformed, "limit is 1 to 1000, wait 0 to 50");
            }

            if (!TryTime(query, "since", out var since) || !TryTime(query, "until", out var until))
            {
                return new Refusal(RefusalReason.RequestMalformed, "since and until are RFC 3339 times");
            }

            var after = Text(query, "after");
            if (after is not null && !Ids.TryParse(after, EventIds.Prefix, out _))
            {
                return new Refusal(RefusalReason.RequestMalformed, "after is an event's id");
            }

            var filter = new AuditFilter
            {
                Action = Text(query, "action"),
                Principal = Text(query, "principal"),
                Decision = Text(query, "decision"),
                After = after ?? (since is { } from ? EventIds.Before(from) : ""),
                Before = until is { } to ? EventIds.Before(to) : null,
            };
            return new AuditQuery(filter, limit, wait, after is null && since is null);
        }

        private static string? Text(IQueryCollection query, string name) =>
            query[name].ToString() is { Length: > 0 } text ? text.Replace("\0", "", StringComparison.Ordinal) : null;

        private static bool TryNumber(IQueryCollection query, string name, int absent, int min, int max, out int value)
        {
            value = absent;
            return Text(query, name) is not { } text
                || (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value) && value >= min && value <= max);
        }

        private static bool TryTime(IQueryCollection query, string name, out DateTimeOffset? value)
        {
            value = null;
            if (Text(query, name) is not { } text)
            {
                return true;
            }

            var read = DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time);
            value = time;
            return read;
        }
    }
}
