using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Lanyard.ClusterProxy.ClientImpersonation;
using Lanyard.ClusterProxy.Requests;

namespace Lanyard.ClusterProxy.Audit;

/// <summary>What stays the same over the events of one request, and their form: audit.k8s.io/v1 Event, members in the API server's order.</summary>
internal sealed record AuditRecord(string Id, AuditLevel Level, AuditStages Omit, RequestInfo Info, string Uri, IReadOnlyList<string> SourceIps, string UserAgent, DateTimeOffset ReceivedAt)
{
    /// <summary>The reason of a refusal, which only the operator reads.</summary>
    public const string RefusalKey = "lanyard/refusal";

    /// <param name="code">HTTP status of the answer; 0 before there is one.</param>
    /// <param name="message">Takes the place of the answer's own text.</param>
    public byte[] Event(AuditStages stage, Passage passage, int code, string? message, DateTimeOffset now)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("kind", "Event");
        json.WriteString("apiVersion", "audit.k8s.io/v1");
        json.WriteString("level", Level.ToString());
        json.WriteString("auditID", Id);
        json.WriteString("stage", stage.ToString());
        json.WriteString("requestURI", Uri);
        json.WriteString("verb", Info.Verb);
        WriteUsers(json, passage);
        json.WriteStartArray("sourceIPs");
        foreach (var address in SourceIps)
        {
            json.WriteStringValue(address);
        }

        json.WriteEndArray();
        Text(json, "userAgent", UserAgent);
        WriteObject(json);
        WriteStatus(json, passage, code, message);
        json.WriteString("requestReceivedTimestamp", Time(ReceivedAt));
        json.WriteString("stageTimestamp", Time(now));
        if (passage.Refusal is { } refusal)
        {
            json.WriteStartObject("annotations");
            json.WriteString(RefusalKey, refusal.ToString());
            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    private static void WriteUsers(Utf8JsonWriter json, Passage passage)
    {
        json.WritePropertyName("user");
        if (passage.User is { } user)
        {
            user.WriteJson(json, [.. ImpersonateCheck.GroupsOf(user)]);
        }
        else
        {
            json.WriteStartObject();
            json.WriteEndObject();
        }

        if (passage.Target is { } target)
        {
            json.WritePropertyName("impersonatedUser");
            target.WriteJson(json, [.. ImpersonateCheck.GroupsOf(target)]);
        }
    }

    private void WriteObject(Utf8JsonWriter json)
    {
        if (!Info.IsResource)
        {
            return;
        }

        json.WriteStartObject("objectRef");
        Text(json, "resource", Info.Resource);
        Text(json, "namespace", Info.Namespace);
        Text(json, "name", Info.Name);
        Text(json, "apiGroup", Info.Group);
        Text(json, "apiVersion", Info.Version);
        Text(json, "subresource", Info.Subresource);
        json.WriteEndObject();
    }

    private static void WriteStatus(Utf8JsonWriter json, Passage passage, int code, string? message)
    {
        if (code == 0)
        {
            return;
        }

        json.WriteStartObject("responseStatus");
        json.WriteStartObject("metadata");
        json.WriteEndObject();
        if (passage.Answer is { } answer && message is null)
        {
            json.WriteString("status", "Failure");
            json.WriteString("message", answer.Message);
            Text(json, "reason", answer.Reason);
        }
        else
        {
            Text(json, "message", message ?? "");
        }

        json.WriteNumber("code", code);
        json.WriteEndObject();
    }

    private static void Text(Utf8JsonWriter json, string name, string value)
    {
        if (value.Length > 0)
        {
            json.WriteString(name, value);
        }
    }

    private static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.ffffffZ", CultureInfo.InvariantCulture);
}
