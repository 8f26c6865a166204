using System.Text.Json;
using Lanyard.Protocol.Resources;

namespace Lanyard.Server.Collections;

/// <summary>A token that a step wants in its environment.</summary>
/// <param name="Subject">Name of one of the audience's subject templates; null: its default.</param>
internal sealed record StepToken(string Audience, string? Subject);

/// <summary>A step's <c>oidc</c> member: <c>true</c>, or the audiences that it wants tokens for, each with the subject template of its choice.</summary>
internal static class StepTokens
{
    /// <summary>Of a checked definition: null none, empty one for the default audience.</summary>
    public static IReadOnlyList<StepToken>? Of(StepSpec step) => step.Oidc switch
    {
        { ValueKind: JsonValueKind.True } => [],
        { ValueKind: JsonValueKind.Object } oidc => [.. oidc.GetProperty("audiences").EnumerateArray().Select(static asked => Read(asked)!)],
        _ => null,
    };

    public static void Check(JsonElement? oidc, string path, DefinitionSpec spec, List<Mistake> mistakes)
    {
        if (oidc is not { ValueKind: not JsonValueKind.Null } asked || asked.ValueKind == JsonValueKind.True)
        {
            return;
        }

        if (asked.ValueKind != JsonValueKind.Object
            || asked.EnumerateObject().Count() != 1
            || !asked.TryGetProperty("audiences", out var audiences)
            || audiences.ValueKind != JsonValueKind.Array
            || audiences.GetArrayLength() is < 1 or > DefinitionRules.MaxAudiences)
        {
            mistakes.Add(new Mistake(path, "must be true or {\"audiences\": […]} with 1 to 50 of them"));
            return;
        }

        var index = 0;
        foreach (var audience in audiences.EnumerateArray())
        {
            Check(Read(audience), $"{path}.audiences[{index}]", spec, mistakes);
            index++;
        }
    }

    private static void Check(StepToken? asked, string path, DefinitionSpec spec, List<Mistake> mistakes)
    {
        if (asked is null)
        {
            mistakes.Add(new Mistake(path, "must be an audience or {\"audience\": …, \"subject\": …}"));
        }
        else if ((spec.Audiences ?? []).FirstOrDefault(entry => entry.Audience == asked.Audience) is not { } allowed)
        {
            mistakes.Add(new Mistake(path, "must be one of spec.audiences"));
        }
        else if (AudienceSubjects.Find(allowed, asked.Subject) is null)
        {
            mistakes.Add(new Mistake($"{path}.subject", "must be the name of one of the audience's subject templates"));
        }
    }

    /// <returns>Null where it is neither a text nor an object of exactly these texts.</returns>
    private static StepToken? Read(JsonElement asked)
    {
        if (asked.ValueKind == JsonValueKind.String)
        {
            return new StepToken(asked.GetString()!, null);
        }

        if (asked.ValueKind != JsonValueKind.Object
            || asked.EnumerateObject().Any(static member => member.Name is not ("audience" or "subject") || member.Value.ValueKind != JsonValueKind.String)
            || !asked.TryGetProperty("audience", out var audience))
        {
            return null;
        }

        return new StepToken(audience.GetString()!, asked.TryGetProperty("subject", out var subject) ? subject.GetString() : null);
    }
}
