using Lanyard.Identity.Tokens;
using Lanyard.Protocol.Resources;
using Lanyard.Server.Http;

namespace Lanyard.Server.Collections;

/// <summary>
/// How the subject of a definition's identity tokens may be written. All collections of a workspace share its issuer: whoever writes a subject freely
/// could make a run look like another collection's. So an admin of the collection has the subjects that name the definition itself, and everything
/// else needs an admin of the workspace.
/// </summary>
internal static class SubjectRules
{
    /// <summary>Subjects that no other definition can have, as long as the server makes the id.</summary>
    private static readonly string[] OwnSubjects = ["lanyard", "meshstack-definition"];

    public static void Check(AudienceSpec audience, string path, List<Mistake> mistakes)
    {
        if (audience.Subjects is { Count: > AudienceSubjects.Most })
        {
            mistakes.Add(new Mistake($"{path}.subjects", $"must be at most {AudienceSubjects.Most}"));
            return;
        }

        foreach (var (name, template) in audience.Subjects ?? new Dictionary<string, string>())
        {
            // A name means one thing wherever it is asked for: a preset's is that preset, and "default" is what has no name.
            if (!Slug.IsValid(name) || name == AudienceSubjects.Unnamed)
            {
                mistakes.Add(new Mistake($"{path}.subjects.{name}", $"{Slug.Rule}, and not {AudienceSubjects.Unnamed}"));
            }
            else if (SubjectTemplate.IsPreset(name) && template != name)
            {
                mistakes.Add(new Mistake($"{path}.subjects.{name}", "is the name of a preset, and not that preset"));
            }
        }

        foreach (var (member, template) in AudienceSubjects.AllOf(audience))
        {
            if (SubjectTemplate.Parse(template) is { IsRefused: true } parsed)
            {
                mistakes.Add(new Mistake($"{path}.{member}", parsed.Refusal.Detail));
            }
        }

        AudienceConditions.Check(audience, path, mistakes);
    }

    /// <param name="current">What is there; its subjects may stay.</param>
    /// <returns>Members that only an admin of the workspace may write so.</returns>
    public static IReadOnlyList<Mistake> BeyondTheCollection(DefinitionSpec wanted, DefinitionSpec? current)
    {
        const string text = "needs an admin of the workspace: it can make runs look like those of other collections";
        var beyond = new List<Mistake>();
        if (wanted.Uuid is not null && wanted.Uuid != current?.Uuid)
        {
            beyond.Add(new Mistake("spec.uuid", text));
        }

        if ((wanted.SharedWith ?? []).Except(current?.SharedWith ?? []).Any())
        {
            beyond.Add(new Mistake("spec.sharedWith", "needs an admin of the workspace: runs of others have the workspace's identity"));
        }

        var audiences = wanted.Audiences ?? [];
        for (var i = 0; i < audiences.Count; i++)
        {
            var there = current?.Audiences?.FirstOrDefault(audience => audience.Audience == audiences[i].Audience);
            var stays = there is null ? [] : AudienceSubjects.AllOf(there).Select(subject => Written(there, subject)).ToHashSet(StringComparer.Ordinal);
            beyond.AddRange(AudienceSubjects.AllOf(audiences[i])
                .Where(subject => !stays.Contains(Written(audiences[i], subject)) && !OwnSubjects.Contains(subject.Template, StringComparer.Ordinal))
                .Select(subject => new Mistake($"spec.audiences[{i}].{subject.Member}", text)));
        }

        return beyond;
    }

    /// <summary>A template with what must hold before it is used: without its condition it is another.</summary>
    private static string Written(AudienceSpec audience, (string Member, string Template) subject)
    {
        var name = subject.Member == "subject" ? AudienceSubjects.DefaultOf(audience).Name : subject.Member["subjects.".Length..];
        return string.Join('\n', AudienceConditions.Of(audience, name).Prepend(subject.Template));
    }
}
