using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Lanyard.ClusterProxy.Audit;
using Lanyard.ClusterProxy.Requests;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Lanyard.ClusterProxy.Serving;

/// <summary>One JSON object a request. Queries are left out: an exec's command line stands there.</summary>
internal sealed class AccessLog(LineQueue queue, TimeProvider time)
{
    public ValueTask WriteAsync(HttpContext context, Passage passage)
    {
        var request = context.Request;
        var target = context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
        var info = passage.InfoOf(request.Method, target);
        var buffer = new ArrayBufferWriter<byte>(512);
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("time", time.GetUtcNow().UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture));
        json.WriteString("peer", context.Connection.RemoteIpAddress?.ToString());
        json.WriteString("method", request.Method);
        json.WriteString("path", RequestInfo.PathOf(target));
        json.WriteString("verb", info.Verb);
        json.WriteNumber("code", context.Response.StatusCode);
        json.WriteNumber("milliseconds", Math.Round(time.GetElapsedTime(passage.StartedAt).TotalMilliseconds, 3));
        Text(json, "user", passage.User?.Name);
        Text(json, "impersonated", passage.Target?.Name);
        Text(json, "userAgent", request.Headers.UserAgent.ToString());
        Text(json, "auditID", passage.AuditId);
        if (passage.Refusal is { } refusal)
        {
            json.WriteString("stage", refusal.Stage.ToString());
            json.WriteString("reason", refusal.Reason.ToString());
            json.WriteString("detail", refusal.Detail);
        }

        json.WriteEndObject();
        json.Flush();
        return queue.AddAsync(buffer.WrittenSpan.ToArray());
    }

    private static void Text(Utf8JsonWriter json, string name, string? value)
    {
        if (!string.IsNullOrEmpty(value))
        {
            json.WriteString(name, value);
        }
    }
}
