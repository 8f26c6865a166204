using Lanyard.Identity.Tokens;
using Lanyard.Protocol.Resources;

namespace Lanyard.Server.Collections;

/// <param name="Name">One of the audience's own names, a preset's, or <c>default</c>.</param>
/// <param name="Template">A subject template or the name of a preset.</param>
internal sealed record NamedSubject(string Name, string Template);

/// <summary>The subject templates of one audience of a definition, by name; one is the default.</summary>
internal static class AudienceSubjects
{
    public const int Most = 10;

    /// <summary>The name of a default that was given none.</summary>
    public const string Unnamed = "default";

    private const string Preset = "lanyard";

    public static NamedSubject DefaultOf(AudienceSpec audience)
    {
        var subject = audience.Subject ?? Preset;
        if (audience.Subjects?.TryGetValue(subject, out var named) == true)
        {
            return new NamedSubject(subject, named);
        }

        return new NamedSubject(SubjectTemplate.IsPreset(subject) ? subject : Unnamed, subject);
    }

    /// <param name="name">Null: the default one.</param>
    public static NamedSubject? Find(AudienceSpec audience, string? name)
    {
        var chosen = DefaultOf(audience);
        if (name is null || name == chosen.Name)
        {
            return chosen;
        }

        return audience.Subjects?.TryGetValue(name, out var template) == true ? new NamedSubject(name, template) : null;
    }

    /// <summary>Every template that a token for the audience may be made by, and the member that holds it; the default is the first.</summary>
    public static IEnumerable<(string Member, string Template)> AllOf(AudienceSpec audience)
    {
        var subjects = audience.Subjects ?? new Dictionary<string, string>();
        if (audience.Subject is { } subject && !subjects.ContainsKey(subject))
        {
            yield return ("subject", subject);
        }

        foreach (var (name, template) in subjects)
        {
            yield return ($"subjects.{name}", template);
        }
    }
}
