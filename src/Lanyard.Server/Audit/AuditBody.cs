using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Protocol.Audit;
using Lanyard.Server.Http;

namespace Lanyard.Server.Audit;

/// <summary>From what a feature says to what is stored.</summary>
internal static class AuditBody
{
    private const string Redacted = "(redacted)";

    public static AuditEventBody Of(AuditEvent said, string id, DateTimeOffset at, AuditOptions options) => new(
        id,
        at,
        said.Action,
        said.Refusal is null ? "allowed" : "refused",
        said.RequestId,
        said.WorkspaceId,
        said.CollectionId,
        said.Target,
        said.Principal?.Name,
        said.Principal?.Kind.ToString().ToLowerInvariant(),
        said.Principal?.Policies is { Count: > 0 } policies ? string.Join(' ', policies) : null,
        said.Principal?.TrustRecord,
        said.TokenSha256 ?? said.Principal?.TokenSha256,
        said.Principal?.Evidence is { Count: > 0 } evidence ? evidence : null,
        said.Refusal?.Stage.ToString().ToLowerInvariant(),
        said.Refusal is { } refusal ? RefusalText.NameOf(refusal.Reason) : null,
        said.Refusal?.Detail,
        Redact(said.ClaimsJson, options),
        said.Trace,
        said.Details);

    private static JsonElement? Redact(string? claims, AuditOptions options)
    {
        if (claims is null || JsonNode.Parse(claims) is not JsonObject members)
        {
            return null;
        }

        foreach (var name in options.RedactedClaims)
        {
            if (members.ContainsKey(name))
            {
                members[name] = Redacted;
            }
        }

        using var document = JsonDocument.Parse(members.ToJsonString());
        return document.RootElement.Clone();
    }
}
