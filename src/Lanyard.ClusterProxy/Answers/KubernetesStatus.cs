using System.Text;
using Microsoft.AspNetCore.Http;

namespace Lanyard.ClusterProxy.Answers;

/// <summary>
/// A refusal in the API server's own form (meta/v1 Status), member for member and with Go's escapes, so that kubectl prints the reason
/// and a test can compare bytes.
/// </summary>
/// <param name="Reason">meta/v1 StatusReason; empty is left out.</param>
internal sealed record KubernetesStatus(int Code, string Reason, string Message)
{
    public static readonly KubernetesStatus Unauthorized = new(401, "Unauthorized", "Unauthorized");

    public StatusDetails? Details { get; init; }

    /// <summary>Seconds for Retry-After, where trying again can help.</summary>
    public int? RetryAfter { get; init; }

    public byte[] ToJson()
    {
        var json = new StringBuilder("{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":");
        GoJson.Append(json, Message);
        if (Reason.Length > 0)
        {
            GoJson.Append(json.Append(",\"reason\":"), Reason);
        }

        Details?.Append(json.Append(",\"details\":"));
        json.Append(",\"code\":").Append(Code).Append("}\n");
        return Encoding.UTF8.GetBytes(json.ToString());
    }

    /// <summary>Nothing of it may be cached; the body is never guessed to be anything but JSON.</summary>
    public async Task WriteAsync(HttpContext context)
    {
        var body = ToJson();
        var response = context.Response;
        response.StatusCode = Code;
        response.Headers.CacheControl = "no-cache, private";
        response.Headers.XContentTypeOptions = "nosniff";
        response.ContentType = "application/json";
        if (RetryAfter is { } seconds)
        {
            response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }

        response.ContentLength = body.Length;
        if (context.Request.Method != "HEAD")
        {
            await response.Body.WriteAsync(body);
        }
    }
}

/// <summary>meta/v1 StatusDetails as impersonation refusals have them.</summary>
internal sealed record StatusDetails(string Name, string Group, string Kind)
{
    internal void Append(StringBuilder json)
    {
        json.Append('{');
        Member(json, "name", Name);
        Member(json, "group", Group);
        Member(json, "kind", Kind);
        json.Append('}');
    }

    private static void Member(StringBuilder json, string name, string value)
    {
        if (value.Length > 0)
        {
            json.Append(json[^1] == '{' ? "\"" : ",\"").Append(name).Append("\":");
            GoJson.Append(json, value);
        }
    }
}
