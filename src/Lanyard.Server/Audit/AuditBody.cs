using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Identity.Trust;
using Lanyard.Protocol.Audit;
using Lanyard.Server.Http;

namespace Lanyard.Server.Audit;

/// <summary>From what a feature says to what is stored.</summary>
internal static class AuditBody
{
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
        said.Principal?.Evidence is { Count: > 0 } evidence ? [.. evidence.Select(line => Redact(line, options)!)] : null,
        said.Refusal?.Stage.ToString().ToLowerInvariant(),
        said.Refusal is { } refusal ? RefusalText.NameOf(refusal.Reason) : null,
        Redact(said.Refusal?.Detail, options),
        RedactMembers(said.ClaimsJson, options),
        said.Trace is { } trace ? [.. trace.Select(line => Redact(line, options)!)] : null,
        said.Details);

    /// <summary>What a condition saw of a claim, as evidence and refusals tell it: <c>CLAIM is VALUE, wanted …</c>.</summary>
    private static string? Redact(string? line, AuditOptions options) =>
        line is null || options.Seen is not { } seen ? line : seen.Replace(line, "$1" + PersonalClaims.Redacted);

    private static JsonElement? RedactMembers(string? claims, AuditOptions options)
    {
        if (claims is null || JsonNode.Parse(claims) is not JsonObject members)
        {
            return null;
        }

        foreach (var name in options.RedactedClaims)
        {
            if (members.ContainsKey(name))
            {
                members[name] = PersonalClaims.Redacted;
            }
        }

        using var document = JsonDocument.Parse(members.ToJsonString());
        return document.RootElement.Clone();
    }
}
