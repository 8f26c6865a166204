using System.Text.Json;
using System.Text.RegularExpressions;
using Lanyard.Identity.Presets;

namespace Lanyard.Identity.Trust;

/// <summary>One value that a policy asks of a claim.</summary>
/// <param name="Path">Where it stands.</param>
internal sealed record AskedValue(string Path, string Claim, string Text, bool IsGlob);

/// <summary>What a trust policy's document asks for, read for the linter: leniently, because mistakes are another's business.</summary>
internal sealed partial class AskedClaims
{
    private readonly HashSet<string> _mentioned;

    private AskedClaims(List<AskedValue> values, HashSet<string> mentioned) => (Values, _mentioned) = (values, mentioned);

    public IReadOnlyList<AskedValue> Values { get; }

    /// <summary>In a condition of its own, or in the CEL condition. What that makes of it only the policy's writer knows.</summary>
    public bool Contains(string claim) => _mentioned.Contains(claim);

    public static AskedClaims Of(JsonElement policy, IssuerPreset? preset)
    {
        var values = new List<AskedValue>();
        foreach (var (member, path) in Members(policy, "claims")) Read(member.Value, path, member.Name, isGlob: false, values);
        foreach (var (member, path) in Members(policy, "identity"))
            if (preset?.Facts.GetValueOrDefault(member.Name) is { } claim) Read(member.Value, path, claim, isGlob: false, values);
        var mentioned = values.Select(static value => value.Claim).ToHashSet(StringComparer.Ordinal);
        if (policy.TryGetProperty("condition", out var condition) && condition.ValueKind == JsonValueKind.String)
            foreach (Match match in InCel().Matches(condition.GetString()!)) mentioned.Add(match.Groups[1].Success ? match.Groups[1].Value : match.Groups[2].Value);
        return new AskedClaims(values, mentioned);
    }

    private static IEnumerable<(JsonProperty Member, string Path)> Members(JsonElement policy, string name) =>
        policy.TryGetProperty(name, out var mapping) && mapping.ValueKind == JsonValueKind.Object ? mapping.EnumerateObject().Select(member => (member, $"{name}.{member.Name}")) : [];

    private static void Read(JsonElement value, string path, string claim, bool isGlob, List<AskedValue> values)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var member in value.EnumerateObject()) Read(member.Value, $"{path}.{member.Name}", claim, member.Name == "glob", values);
                break;
            case JsonValueKind.Array:
                foreach (var (element, index) in value.EnumerateArray().Select(static (element, index) => (element, index))) Read(element, $"{path}[{index}]", claim, isGlob, values);
                break;
            default:
                values.Add(new AskedValue(path, claim, value.ToString(), isGlob));
                break;
        }
    }

    [GeneratedRegex("""claims(?:\.\??([A-Za-z_][A-Za-z0-9_]*)|\[\??["']([^"']+)["']\])""")]
    private static partial Regex InCel();
}
