using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Lanyard.Identity.Tokens;
using Lanyard.Identity.Trust;
using Lanyard.Protocol.Resources;

namespace Lanyard.Server.Collections;

/// <summary>
/// Conditions in CEL on an audience of a definition, and on its single subject templates: over the claims that the token would have, before there is one.
/// An error is never a yes.
/// </summary>
internal static class AudienceConditions
{
    private const int MostRemembered = 1000;

    /// <summary>Compiled once: a definition's conditions are asked again for every token of its runs.</summary>
    private static readonly ConcurrentDictionary<string, CelCondition> Compiled = new(StringComparer.Ordinal);

    public static void Check(AudienceSpec audience, string path, List<Mistake> mistakes)
    {
        if (audience.Condition is { } whole) Check(whole, $"{path}.condition", mistakes);
        var known = (audience.Subjects?.Keys ?? []).Append(AudienceSubjects.DefaultOf(audience).Name).ToHashSet(StringComparer.Ordinal);
        foreach (var (name, text) in audience.Conditions ?? new Dictionary<string, string>())
        {
            if (!known.Contains(name)) mistakes.Add(new Mistake($"{path}.conditions.{name}", $"is for none of the audience's subjects: {string.Join(", ", known.Order(StringComparer.Ordinal))}"));
            Check(text, $"{path}.conditions.{name}", mistakes);
        }
    }

    /// <summary>What must be true before a token with this subject is made.</summary>
    public static IReadOnlyList<string> Of(AudienceSpec audience, string subject)
    {
        var own = audience.Conditions?.GetValueOrDefault(subject);
        if (audience.Condition is null && own is null) return [];
        return [.. new[] { audience.Condition, own }.OfType<string>()];
    }

    /// <param name="claims">Texts, numbers (<see cref="long"/>) and flags (<see cref="bool"/>).</param>
    /// <returns>Null where all hold; else which does not.</returns>
    public static string? Unmet(IReadOnlyList<string> conditions, IReadOnlyDictionary<string, object> claims)
    {
        if (conditions.Count == 0) return null;
        var set = ClaimSet.Parse(new JsonObject(claims.Select(static claim => new KeyValuePair<string, JsonNode?>(claim.Key, NodeOf(claim.Value)))).ToJsonString());
        if (set.IsRefused) return set.Refusal.Detail;
        return conditions.Select(text => CompiledOf(text) is { } condition ? condition.Mismatch(set.Value) : $"the condition {text} can't be read").FirstOrDefault(static unmet => unmet is not null);
    }

    private static JsonValue? NodeOf(object value) => value switch
    {
        string text => JsonValue.Create(text),
        long number => JsonValue.Create(number),
        bool flag => JsonValue.Create(flag),
        _ => throw new ArgumentException($"a claim is a {value.GetType().Name}", nameof(value)),
    };

    private static CelCondition? CompiledOf(string text)
    {
        if (Compiled.TryGetValue(text, out var known)) return known;
        if (CelCondition.Read(text, "", []) is not { } condition) return null;
        if (Compiled.Count >= MostRemembered) Compiled.Clear();
        return Compiled.GetOrAdd(text, condition);
    }

    private static void Check(string text, string path, List<Mistake> mistakes)
    {
        var found = new List<PolicyMistake>();
        CelCondition.Read(text, path, found);
        mistakes.AddRange(found.Select(static mistake => new Mistake(mistake.Path, mistake.Text)));
    }
}
