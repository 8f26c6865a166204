using System.Text.Json;
using Lanyard.Identity.Presets;
using Lanyard.Identity.Tokens;

namespace Lanyard.Identity.Trust;

/// <summary>
/// Reads the <c>claims</c> member of a trust policy, and of a trust record: claim path -> a value, a list of accepted values,
/// <c>{"glob": "…"}</c>, or <c>{"contains": value or list}</c> for claims that are arrays. Every mistake is reported.
/// </summary>
public static class ConditionReader
{
    public const int MaxClaims = 64;
    public const int MaxValues = 256;
    private const int MaxText = 1024;

    /// <returns>The conditions that could be read; complete only if <paramref name="mistakes"/> gained nothing.</returns>
    public static IReadOnlyList<ClaimCondition> Read(JsonElement claims, string path, ICollection<PolicyMistake> mistakes)
    {
        ArgumentNullException.ThrowIfNull(mistakes);
        if (claims.ValueKind != JsonValueKind.Object)
        {
            mistakes.Add(new PolicyMistake(path, "an object of claim -> condition is wanted"));
            return [];
        }

        var conditions = new List<ClaimCondition>();
        foreach (var member in claims.EnumerateObject())
        {
            if (conditions.Count == MaxClaims)
            {
                mistakes.Add(new PolicyMistake(path, $"at most {MaxClaims} claims"));
                break;
            }

            if (ReadOne(member, $"{path}.{member.Name}", mistakes) is { } condition) conditions.Add(condition);
        }

        return conditions;
    }

    /// <summary>The same for words of the vocabulary instead of claims.</summary>
    internal static IReadOnlyList<ClaimCondition> ReadFacts(JsonElement facts, string path, IssuerPreset preset, ICollection<PolicyMistake> mistakes)
    {
        if (facts.ValueKind != JsonValueKind.Object)
        {
            mistakes.Add(new PolicyMistake(path, "an object of word -> condition is wanted"));
            return [];
        }

        var conditions = new List<ClaimCondition>();
        foreach (var member in facts.EnumerateObject())
        {
            if (!preset.Facts.TryGetValue(member.Name, out var claim))
                mistakes.Add(new PolicyMistake($"{path}.{member.Name}", $"{preset.Title} tells no such thing; it tells {string.Join(", ", preset.Facts.Keys)}"));
            else if (ReadOne(member, $"{path}.{member.Name}", mistakes, claim) is { } condition) conditions.Add(condition);
        }

        return conditions;
    }

    /// <param name="name">Of the claim, where it is not the member's.</param>
    private static ClaimCondition? ReadOne(JsonProperty member, string path, ICollection<PolicyMistake> mistakes, string? name = null)
    {
        var claim = ClaimPath.TryParse(name ?? member.Name);
        if (claim is null) mistakes.Add(new PolicyMistake(path, "not a claim's name or path"));
        var (wanted, contains) = member.Value.ValueKind == JsonValueKind.Object ? ReadOperator(member.Value, path, mistakes) : (ReadValues(member.Value, path, mistakes), false);
        return claim is null || wanted.Count == 0 ? null : ClaimCondition.Of(claim, wanted, contains);
    }

    private static (List<ClaimCondition.Wanted> Wanted, bool Contains) ReadOperator(JsonElement value, string path, ICollection<PolicyMistake> mistakes)
    {
        var members = value.EnumerateObject().ToList();
        if (members.Count != 1 || members[0].Name is not ("glob" or "contains"))
        {
            mistakes.Add(new PolicyMistake(path, "an object has exactly one of glob, contains"));
            return ([], false);
        }

        var place = $"{path}.{members[0].Name}";
        return members[0].Name == "contains" ? (ReadValues(members[0].Value, place, mistakes), true) : (ReadGlobs(members[0].Value, place, mistakes), false);
    }

    private static List<ClaimCondition.Wanted> ReadGlobs(JsonElement value, string path, ICollection<PolicyMistake> mistakes)
    {
        var wanted = new List<ClaimCondition.Wanted>();
        foreach (var (element, place) in OneOrMany(value, path, mistakes))
        {
            if (element.ValueKind != JsonValueKind.String)
            {
                mistakes.Add(new PolicyMistake(place, "a glob is a string"));
                continue;
            }

            if (Glob.TryParse(element.GetString()!, out var mistake) is { } glob)
                wanted.Add(new ClaimCondition.Wanted(JsonValueKind.String, element.GetString()!, glob));
            else mistakes.Add(new PolicyMistake(place, mistake!));
        }

        return wanted;
    }

    private static List<ClaimCondition.Wanted> ReadValues(JsonElement value, string path, ICollection<PolicyMistake> mistakes)
    {
        var wanted = new List<ClaimCondition.Wanted>();
        foreach (var (element, place) in OneOrMany(value, path, mistakes))
        {
            var text = element.ValueKind switch
            {
                JsonValueKind.String => element.GetString()!,
                JsonValueKind.Number when element.TryGetInt64(out _) => element.GetRawText(),
                JsonValueKind.True => "true",
                JsonValueKind.False => "false",
                _ => null,
            };
            if (text is null) mistakes.Add(new PolicyMistake(place, "a string, an integer or a boolean is wanted"));
            else if (text.Length == 0 || text.Length > MaxText) mistakes.Add(new PolicyMistake(place, $"1 to {MaxText} characters"));
            else if (element.ValueKind == JsonValueKind.String && text.Contains('*', StringComparison.Ordinal))
                mistakes.Add(new PolicyMistake(place, "a * in an exact value matches only a *; for a pattern write {\"glob\": …}"));
            else wanted.Add(new ClaimCondition.Wanted(element.ValueKind, text, null));
        }

        return wanted;
    }

    private static IEnumerable<(JsonElement Element, string Path)> OneOrMany(JsonElement value, string path, ICollection<PolicyMistake> mistakes)
    {
        if (value.ValueKind != JsonValueKind.Array) return [(value, path)];
        var count = value.GetArrayLength();
        if (count is > 0 and <= MaxValues) return value.EnumerateArray().Select((element, i) => (element, $"{path}[{i}]"));
        // An empty list would match nothing, for ever and silently.
        mistakes.Add(new PolicyMistake(path, $"1 to {MaxValues} values"));
        return [];
    }
}
