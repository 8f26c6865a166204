using System.Text.Json;
using System.Text.Json.Nodes;
using Lanyard.Identity.Tokens;
using Lanyard.Identity.Trust;

namespace Lanyard.ClusterProxy.AccessEntries;

/// <summary>The claims whose value an entry's conditions fix: names made of these alone are known before any token comes.</summary>
internal static class FixedClaims
{
    public static ClaimSet Of(JsonElement conditions)
    {
        var fixedOnes = new JsonObject();
        foreach (var claim in conditions.ValueKind == JsonValueKind.Object ? conditions.EnumerateObject() : default)
        {
            var value = claim.Value is { ValueKind: JsonValueKind.Array } list && list.GetArrayLength() == 1 ? list[0] : claim.Value;
            if (value.ValueKind is JsonValueKind.String or JsonValueKind.Number)
            {
                fixedOnes[claim.Name] = JsonNode.Parse(value.GetRawText());
            }
        }

        return ClaimSet.Parse(fixedOnes.ToJsonString()).TryGet(out var claims, out _) ? claims : ClaimSet.Parse("{}").Value;
    }

    /// <returns>Null where the name depends on the token.</returns>
    public static string? Known(PrincipalTemplate template, ClaimSet claims) => template.Fill(claims).TryGet(out var name, out _) ? name : null;
}
